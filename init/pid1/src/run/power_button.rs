//! The power button: ACPI's input device says when it is pressed.
//!
//! Only devices that are such a button are opened, never a keyboard: PID 1 has
//! no business with what people type.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the kernel calls it (`drivers/acpi/button.c`).
const NAME: &str = "Power Button";
/// `struct input_event` of linux/input.h on 64 bits: time (16), type, code, value.
const EVENT: usize = 24;
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;
const PRESSED: i32 = 1;

/// All power buttons of the machine; PCs have up to two (fixed and ACPI device).
pub fn open() -> Vec<File> {
    find(Path::new("/sys/class/input"))
        .iter()
        .filter_map(|path| {
            let mut options = File::options();
            let options = options.read(true).custom_flags(nix::libc::O_NONBLOCK);
            options.open(path).ok()
        })
        .collect()
}

fn find(class: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(class).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("event"))
        .filter(|entry| {
            let name = std::fs::read_to_string(entry.path().join("device/name"));
            name.is_ok_and(|name| name.trim() == NAME)
        })
        .map(|entry| Path::new("/dev/input").join(entry.file_name()))
        .collect();
    found.sort();
    found
}

/// Takes what the button has to say: was it pressed? Err: it is gone.
pub fn was_pressed(mut button: &File) -> std::io::Result<bool> {
    let mut bytes = [0; 16 * EVENT];
    match button.read(&mut bytes) {
        Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => Ok(pressed(bytes.get(..length).unwrap_or_default())),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn pressed(events: &[u8]) -> bool {
    events.chunks_exact(EVENT).any(|event| {
        let Some((_, [t0, t1, c0, c1, value @ ..])) = event.split_first_chunk::<16>() else {
            return false;
        };
        let value: [u8; 4] = value.try_into().unwrap_or_default();
        u16::from_ne_bytes([*t0, *t1]) == EV_KEY
            && u16::from_ne_bytes([*c0, *c1]) == KEY_POWER
            && i32::from_ne_bytes(value) == PRESSED
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut bytes = vec![7; 16];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        bytes
    }

    #[test]
    fn only_the_power_key_going_down_counts() {
        let check = |events: &[Vec<u8>], expected| {
            assert_eq!(pressed(&events.concat()), expected, "{events:?}");
        };
        check(&[event(1, 116, 1), event(0, 0, 0)], true);
        check(&[event(0, 0, 0), event(1, 116, 1)], true);
        check(&[event(1, 116, 0)], false);
        check(&[event(1, 30, 1)], false);
        check(&[event(1, 116, 1)[..20].to_vec()], false);
        check(&[], false);
    }

    #[test]
    fn no_keyboard_is_opened() {
        let class = tempfile::tempdir().unwrap();
        for (device, name) in [
            ("event0", "Power Button"),
            ("event1", "AT Translated Set 2 keyboard"),
            ("mouse0", "Power Button"),
        ] {
            let folder = class.path().join(device).join("device");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        }
        assert_eq!(find(class.path()), [PathBuf::from("/dev/input/event0")]);
    }
}
