//! A moment as operators name it: `yesterday`, `2 hours`, `30m`, `2026-01-31`.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

/// The moment meant by a text, in Unix milliseconds. Durations count back from
/// now; days begin at midnight UTC.
pub fn parse(text: &str, now: OffsetDateTime) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let midnight = now.replace_time(time::Time::MIDNIGHT);
    let moment = match text.as_str() {
        "today" => midnight,
        "yesterday" => midnight.checked_sub(Duration::DAY)?,
        _ => duration(&text)
            .and_then(|back| now.checked_sub(back))
            .or_else(|| date(&text))
            .or_else(|| OffsetDateTime::parse(&text.to_ascii_uppercase(), &Rfc3339).ok())?,
    };
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

fn date(text: &str) -> Option<OffsetDateTime> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    Some(date.midnight().assume_utc())
}

/// `2h`, `2 hours`, `last hour`, `an hour ago`, `the last 3 days`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix("the ").unwrap_or(text);
    let text = text
        .strip_prefix("last ")
        .or_else(|| text.strip_prefix("past "))
        .unwrap_or(text);
    let text = text.strip_suffix(" ago").unwrap_or(text).trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = match text.split_at(digits) {
        ("", rest) => {
            let rest = rest
                .strip_prefix("an ")
                .or_else(|| rest.strip_prefix("a "))
                .unwrap_or(rest);
            (1, rest.strip_prefix("one ").unwrap_or(rest))
        }
        (count, rest) => (count.parse::<i64>().ok()?, rest),
    };
    let seconds = match unit.trim() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return None,
    };
    count.checked_mul(seconds).map(Duration::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn moments_are_read_as_operators_name_them() {
        let now = datetime!(2026-01-31 08:15:00 UTC);
        let check = |text: &str, expected: Option<OffsetDateTime>| {
            let expected = expected.map(|moment| moment.unix_timestamp() * 1000);
            assert_eq!(parse(text, now), expected, "{text}");
        };
        check("today", Some(datetime!(2026-01-31 00:00 UTC)));
        check("Yesterday", Some(datetime!(2026-01-30 00:00 UTC)));
        check("2h", Some(datetime!(2026-01-31 06:15 UTC)));
        check("an hour ago", Some(datetime!(2026-01-31 07:15 UTC)));
        check("the last 15 minutes", Some(datetime!(2026-01-31 08:00 UTC)));
        check("last week", Some(datetime!(2026-01-24 08:15 UTC)));
        check("2026-01-02", Some(datetime!(2026-01-02 00:00 UTC)));
        check(
            "2026-01-02T03:04:05Z",
            Some(datetime!(2026-01-02 03:04:05 UTC)),
        );
        check("soon", None);
        check("", None);
        check("9223372036854775807 weeks", None);
        check("99999999999999 s", None);
        check("2 h; ls", None);
        check("\u{663c}", None);
    }
}
