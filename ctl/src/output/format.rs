//! Times, durations and sizes for people.

use time::OffsetDateTime;
use time::macros::format_description;

/// A Unix time in milliseconds as `2026-01-02 03:04:05Z`; `-` for 0.
pub fn time(unix_ms: i64) -> String {
    if unix_ms == 0 {
        return "-".to_owned();
    }
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| format!("{unix_ms} ms"))
}

/// Milliseconds as `1.25 s`, `3 min 4 s`, `2 d 5 h`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{}.{:02} s", seconds, ms % 1000 / 10),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// Bytes as `12.3 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ => format!("{value:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short_and_exact_enough() {
        assert_eq!(time(0), "-");
        assert_eq!(time(1_700_000_000_123), "2023-11-14 22:13:20Z");
        assert_eq!(time(i64::MAX), format!("{} ms", i64::MAX));
        let check = |ms, expected: &str| assert_eq!(duration(ms), expected);
        check(0, "0 ms");
        check(1_255, "1.25 s");
        check(184_000, "3 min 4 s");
        check(u64::MAX, "213503982334 d 14 h");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(12_900_000), "12.3 MiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
    }
}
