//! The time zone of this node: what localtime(5) says.

use std::fs::File;
use std::io::Read as _;

use jiff::tz::TimeZone;

/// The node's time zone, in the format of tzfile(5); UTC where it is missing.
const ZONE: &str = "/etc/localtime";
/// The largest file that is read, in bytes: the largest zone has some 4 KiB.
const ZONE_MAX: u64 = 64 * 1024;

/// The node's time zone as it is now.
pub fn of_node() -> TimeZone {
    let mut data = Vec::new();
    let read = File::open(ZONE).and_then(|file| file.take(ZONE_MAX).read_to_end(&mut data));
    match read {
        Ok(_) => of(&data),
        Err(_) => TimeZone::UTC, // there is none: the clock on the wall shows UTC
    }
}

/// The zone of such a file; UTC when it is none.
fn of(data: &[u8]) -> TimeZone {
    TimeZone::tzif("node", data).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_zone_is_utc() {
        for data in [&b""[..], b"TZif", b"TZif2\0\0\xff\xff\xff\xff", &[0; 1000]] {
            assert_eq!(of(data), TimeZone::UTC);
        }
    }
}
