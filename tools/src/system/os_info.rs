//! `system.os_info`: which aiOS runs, on which kernel and from which slot.

use super::settings::value;
use crate::procfs::{printable, read};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `system.os_info`.
pub struct OsInfo;

/// The system.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Version of aiOS.
    pub version: String,
    /// The distribution whose packages it has, as os-release(5) names it: `Debian GNU/Linux 13`.
    pub base: Option<String>,
    /// Release of the kernel.
    pub kernel: String,
    /// When and how the kernel was built.
    pub kernel_build: String,
    /// Instruction set: `x86_64`, `aarch64`.
    pub architecture: String,
    /// The slot of the disk that it was started from: `a` or `b`; absent when it was started from
    /// none, as in a container or from an installation medium.
    pub slot: Option<String>,
    /// The root hash by which every block of the root file system is checked (dm-verity), hex;
    /// absent when it is not checked.
    pub root_hash: Option<String>,
}

impl Tool for OsInfo {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "system.os_info",
            "Shows the version of aiOS, its kernel and the slot that it was started from.",
        )
        .needing("system", "read", "os_info")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let Output {
            version,
            kernel,
            architecture,
            ..
        } = output;
        let base = match &output.base {
            Some(base) => format!(" on {base}"),
            None => String::new(),
        };
        let slot = match &output.slot {
            Some(slot) => format!("from slot {slot}"),
            None => "from no slot".to_owned(),
        };
        format!("aiOS {version}{base}, Linux {kernel} ({architecture}), {slot}")
    }
}

impl Look for OsInfo {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let names = rustix::system::uname();
        let text = |name: &std::ffi::CStr| printable(&name.to_string_lossy());
        let release = read("/etc/os-release").unwrap_or_default();
        let booted = booted(&read("/proc/cmdline").unwrap_or_default());
        Ok(Output {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            base: value(&release, "PRETTY_NAME"),
            kernel: text(names.release()),
            kernel_build: text(names.version()),
            architecture: text(names.machine()),
            slot: booted.slot,
            root_hash: booted.root_hash,
        })
    }
}

/// What the kernel was told about where it is started from.
#[derive(Debug, Default, PartialEq, Eq)]
struct Booted {
    slot: Option<String>,
    root_hash: Option<String>,
}

fn booted(command_line: &str) -> Booted {
    let words = || command_line.split(|c: char| c.is_whitespace() || c == '"');
    let slot = words().find_map(|word| word.strip_prefix("aios.slot="));
    // dm-init: "… verity … sha256 <root hash> <salt>".
    let hash = words().skip_while(|word| *word != "sha256").nth(1);
    Booted {
        slot: slot.map(printable),
        root_hash: hash.map(printable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn slot_and_root_hash_are_what_the_kernel_was_told() {
        let line = "quiet \"dm-mod.create=vroot,,,ro,0 8 verity 1 /dev/vda /dev/vda 4096 4096 1 1 \
                    sha256 abcd ef01\" aios.slot=b";
        let expected = Booted {
            slot: Some("b".into()),
            root_hash: Some("abcd".into()),
        };
        assert_eq!(booted(line), expected);
        assert_eq!(booted("console=ttyS0"), Booted::default());
    }

    #[test]
    fn version_and_kernel_are_the_running_ones() {
        let done = call::<OsInfo>(json!({})).unwrap();
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(done.output["kernel"], kernel.trim());
        let begin = format!("aiOS {}", env!("CARGO_PKG_VERSION"));
        assert!(done.summary.starts_with(&begin), "{}", done.summary);
    }
}
