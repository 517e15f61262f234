//! `hw.storage`: the disks as devices.

use crate::procfs::{line, names, number, printable};
use aios_tool::argument::Nothing;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The kernel counts a block device's size in sectors of 512 bytes, whatever its own are.
const SECTOR: u64 = 512;

/// The tool `hw.storage`.
pub struct Storage;

/// A disk or a drive.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disk {
    /// Its node: `/dev/sda`.
    pub device: String,
    /// Maker and model, where the device tells.
    pub model: Option<String>,
    /// Size in bytes; 0: a drive without a medium.
    pub size_bytes: u64,
    /// Does it have turning parts? Absent when the kernel does not know.
    pub rotational: Option<bool>,
    /// Can its medium be taken out?
    pub removable: bool,
    /// Can it not be written?
    pub read_only: bool,
    /// How many partitions it has.
    pub partitions: u64,
}

/// The disks.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By name; none when a container does not show them. What is made of others (loop devices,
    /// RAID, memory) is no disk.
    pub disks: Vec<Disk>,
}

impl Tool for Storage {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("hw.storage", "Lists the disks with model, size and kind.")
            .needing("hw", "read", "storage")
            .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |disk: &Disk| {
            let kind = match disk.rotational {
                Some(true) => ", rotating",
                Some(false) => ", without moving parts",
                None => "",
            };
            let model = disk.model.as_deref().unwrap_or("model unknown");
            let size = match disk.size_bytes {
                0 => "no medium".to_owned(),
                size => bytes(size),
            };
            let removable = if disk.removable { ", removable" } else { "" };
            let read_only = if disk.read_only { ", read-only" } else { "" };
            format!(
                "{}: {model}, {size}{kind}{removable}{read_only}",
                disk.device
            )
        };
        match output.disks.is_empty() {
            true => "no disk can be seen".to_owned(),
            false => output.disks.iter().map(one).collect::<Vec<_>>().join("\n"),
        }
    }
}

impl Look for Storage {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        Ok(Output {
            disks: disks("/sys"),
        })
    }
}

fn disks(sys: &str) -> Vec<Disk> {
    let folder = format!("{sys}/block");
    names(&folder)
        .iter()
        .filter_map(|name| disk(name, &format!("{folder}/{name}")))
        .collect()
}

/// `None` when there is no device behind it.
fn disk(name: &str, folder: &str) -> Option<Disk> {
    std::path::Path::new(folder)
        .join("device")
        .exists()
        .then_some(())?;
    let file = |file: &str| line(&format!("{folder}/{file}"));
    let flag = |name: &str| file(name).map(|value| value == "1");
    let model = ["device/vendor", "device/model"].map(|name| file(name).unwrap_or_default());
    // What virtio gives as vendor is a number.
    let words = model.iter().map(|word| word.trim());
    let words: Vec<&str> = words
        .filter(|word| !word.is_empty() && !word.starts_with("0x"))
        .collect();
    let is_partition = |child: &&String| child.starts_with(name);
    Some(Disk {
        device: format!("/dev/{}", printable(&name.replace('!', "/"))),
        model: (!words.is_empty()).then(|| words.join(" ")),
        size_bytes: number::<u64>(&format!("{folder}/size"))
            .unwrap_or(0)
            .saturating_mul(SECTOR),
        rotational: flag("queue/rotational"),
        removable: flag("removable").unwrap_or(false),
        read_only: flag("ro").unwrap_or(false),
        partitions: names(folder).iter().filter(is_partition).count() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn disks_are_told_from_what_is_made_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join("block").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("sda/device/vendor", "ATA     \n");
        write("sda/device/model", "Some Disk\n");
        write("sda/size", "2000\n");
        write("sda/queue/rotational", "1\n");
        write("sda/removable", "0\n");
        write("sda/ro", "1\n");
        write("sda/sda1/size", "1000\n");
        write("sda/sda2/size", "1000\n");
        write("sr0/device/model", "\n");
        write("sr0/removable", "1\n");
        write("vda/device/vendor", "0x1af4\n");
        write("vda/size", "4\n");
        write("loop0/size", "100\n");
        let output = Output {
            disks: disks(folder.path().to_str().unwrap()),
        };
        let input: Nothing = serde_json::from_value(json!({})).unwrap();
        let said = Storage::summarize(&input, &output);
        let expected = "/dev/sda: ATA Some Disk, 1.0 MB, rotating, read-only\n\
                        /dev/sr0: model unknown, no medium, removable\n\
                        /dev/vda: model unknown, 2.0 kB";
        assert_eq!(said, expected);
        assert_eq!(output.disks[0].partitions, 2);
        assert_eq!(disks("/nonexistent"), []);
        call::<Storage>(json!({})).unwrap();
    }
}
