//! When a schedule's order is carried out: what people write, and the next time that it means. Pure.
//!
//! | written | means |
//! |---|---|
//! | `2026-12-01 03:00` | once, in the node's time zone |
//! | `2026-12-01T02:00:00Z` | once, whatever the time zone |
//! | `in 10 minutes` (`hours`, `days`, `weeks`) | once, so long after the order |
//! | `every 15 minutes` (`hours`, `days`, `weeks`) | again and again after so much time, counted from the order |
//! | `daily 02:00`, `weekly sunday 04:30` | by the clock on the wall |
//! | `monthly 1 05:00` | so, too; in a month without that day, on its last day |
//! | `0 5 * * 1-5` | a line of cron ([`super::cron`]) |
//!
//! Where the clocks change: a time that is left out in spring means the time an hour later (02:30 is 03:30),
//! and what has two causes to run then runs once. A time that comes twice in autumn means the first; a cron
//! line for every hour means both. `every` counts time that passes, and no change of clocks concerns it.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;

/// The longest text, in characters.
pub const TEXT_MAX: usize = 200;
/// The shortest time between two runs, in seconds.
const PERIOD_MIN_S: u64 = 60;
/// The longest time that is counted, in seconds: ten years.
const AHEAD_MAX_S: u64 = 3660 * 86_400;
/// Days that are searched: February 29 comes again after eight years at most.
const SEARCHED_DAYS: usize = 8 * 366 + 2;

/// When an order is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// At this moment, Unix milliseconds.
    Once(i64),
    /// After each so many milliseconds, counted from the moment of the order.
    Every(i64),
    /// By the calendar and the clock on the wall.
    Calendar {
        /// Which days and times.
        cron: Cron,
        /// In a month without this day, on its last day instead.
        month_end: Option<i8>,
    },
}

impl When {
    /// What this text means when it is ordered now (Unix milliseconds) in this time zone.
    ///
    /// # Errors
    /// What may be written instead, or why that never comes.
    pub fn parse(text: &str, now_ms: i64, zone: &TimeZone) -> Result<Self, String> {
        let when = Self::read(text, now_ms, zone)?;
        if let Self::Once(at) = when {
            if at <= now_ms {
                return Err(format!("{} is over", shown(at, zone)));
            }
            let ahead = u64::try_from(at.saturating_sub(now_ms) / 1000).unwrap_or(0);
            if ahead > AHEAD_MAX_S {
                return Err(format!("{} is more than ten years ahead", shown(at, zone)));
            }
        }
        match when.next(now_ms, now_ms, zone) {
            Some(_) => Ok(when),
            None => Err(format!("{text:?} never comes")),
        }
    }

    /// The same for a text that was taken before: what is over may be over.
    ///
    /// # Errors
    /// What may be written instead.
    pub fn read(text: &str, now_ms: i64, zone: &TimeZone) -> Result<Self, String> {
        if text.chars().count() > TEXT_MAX {
            return Err(format!("has more than {TEXT_MAX} characters"));
        }
        let lower = text.to_ascii_lowercase();
        let words: Vec<&str> = lower.split_ascii_whitespace().collect();
        match *words.as_slice() {
            ["in", many, unit] => {
                let ahead = i64::try_from(span_s(many, unit)?).unwrap_or(i64::MAX);
                let whole = now_ms.saturating_add(999).div_euclid(1000); // seconds, as it is kept
                let at = whole.saturating_add(ahead).saturating_mul(1000);
                Ok(Self::Once(at))
            }
            ["every", unit] => every("1", unit),
            ["every", many, unit] => every(many, unit),
            ["daily", time] => calendar(time, "*", "*", None),
            ["weekly", day, time] => calendar(time, "*", weekday(day)?, None),
            ["monthly", day, time] => monthly(day, time),
            [date, time] if date.contains('-') => once(&format!("{date}T{time}"), zone),
            [moment] if moment.contains('-') => once(moment, zone),
            [minute, hour, day, month, weekday] => Ok(Self::Calendar {
                cron: Cron::parse([minute, hour, day, month, weekday])?,
                month_end: None,
            }),
            _ => Err(format!("{text:?} is no time; {FORMS}")),
        }
    }

    /// The text by which it is kept: a moment is written in UTC, whatever was said.
    pub fn written(&self, text: &str) -> String {
        match self {
            Self::Once(at) => moment(*at).to_string(),
            _ => text
                .split_ascii_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .to_ascii_lowercase(),
        }
    }

    /// The first time after this moment, both in Unix milliseconds. `ordered_ms` is when it was ordered.
    pub fn next(&self, after_ms: i64, ordered_ms: i64, zone: &TimeZone) -> Option<i64> {
        match self {
            Self::Once(at) => (*at > after_ms).then_some(*at),
            Self::Every(period) => {
                let passed = after_ms.checked_sub(ordered_ms)?.div_euclid(*period);
                let next = passed.checked_add(1)?.checked_mul(*period)?;
                ordered_ms.checked_add(next)
            }
            Self::Calendar { cron, month_end } => {
                let days = Days {
                    cron,
                    month_end: *month_end,
                    zone,
                };
                days.next(after_ms)
            }
        }
    }
}

/// What may be written, for whoever wrote something else.
const FORMS: &str = "write a moment (\"2026-12-01 03:00\", \"in 10 minutes\"), \"every 15 minutes\", \
                     \"daily 02:00\", \"weekly sunday 04:30\", \"monthly 1 05:00\", or the five fields of a \
                     cron line (\"0 5 * * 1-5\")";

/// A calendar, and where its clock hangs.
struct Days<'a> {
    cron: &'a Cron,
    month_end: Option<i8>,
    zone: &'a TimeZone,
}

impl Days<'_> {
    fn next(&self, after_ms: i64) -> Option<i64> {
        let first = self
            .zone
            .to_datetime(moment(after_ms))
            .date()
            .yesterday()
            .ok()?;
        let mut date = Some(first);
        let mut found: Option<i64> = None;
        for _ in 0..SEARCHED_DAYS {
            let Some(today) = date else { break };
            let earliest = self.on(today).filter(|at| *at > after_ms).min();
            // A time that was left out at the end of one day is in the next one.
            if let Some(before) = found {
                return earliest.map(|at| at.min(before)).or(found);
            }
            found = earliest;
            date = today.tomorrow().ok();
        }
        found
    }

    /// All moments of a day, in Unix milliseconds.
    fn on(&self, date: Date) -> impl Iterator<Item = i64> {
        let is_end = |day| day > date.days_in_month() && date.day() == date.days_in_month();
        let is_on = self.cron.is_on(date) || self.month_end.is_some_and(is_end);
        let times = is_on.then(|| self.cron.times()).into_iter().flatten();
        times.flat_map(move |(hour, minute)| self.moments(date.at(hour, minute, 0, 0)))
    }

    /// The moments at which the clock shows this: none beyond the end of all calendars.
    fn moments(&self, time: DateTime) -> impl Iterator<Item = i64> {
        let ambiguous = self.zone.to_ambiguous_timestamp(time);
        let twice = matches!(ambiguous.offset(), AmbiguousOffset::Fold { .. });
        let second = (twice && self.cron.is_hourly()).then(|| ambiguous.later());
        let all = [Some(ambiguous.compatible()), second].into_iter().flatten();
        all.filter_map(Result::ok).map(Timestamp::as_millisecond)
    }
}

fn monthly(day: &str, time: &str) -> Result<When, String> {
    let number = day.parse().ok().filter(|day| (1..=31).contains(day));
    let number: i8 = number.ok_or_else(|| format!("{day:?} is no day of a month"))?;
    calendar(time, &number.to_string(), "*", Some(number))
}

fn calendar(time: &str, day: &str, weekday: &str, month_end: Option<i8>) -> Result<When, String> {
    let refused = || format!("{time:?} is no time of a day such as 02:00");
    let (hour, minute) = time.split_once(':').ok_or_else(refused)?;
    let digits = |text: &str| {
        (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(hour) || !digits(minute) {
        return Err(refused());
    }
    let cron = Cron::parse([minute, hour, day, "*", weekday]).map_err(|_| refused())?;
    Ok(When::Calendar { cron, month_end })
}

fn weekday(word: &str) -> Result<&'static str, String> {
    const DAYS: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    let named = |day: &&&str| **day == word || &day[..3] == word;
    let day = DAYS.iter().find(named);
    day.map(|day| &day[..3])
        .ok_or_else(|| format!("{word:?} is no day of the week"))
}

fn every(many: &str, unit: &str) -> Result<When, String> {
    let seconds = span_s(many, unit)?;
    if seconds < PERIOD_MIN_S {
        return Err("the smallest period is one minute".to_owned());
    }
    let period = i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000);
    Ok(When::Every(period))
}

/// A span of time in seconds: 1 to [`AHEAD_MAX_S`].
fn span_s(many: &str, unit: &str) -> Result<u64, String> {
    let factor = match unit.strip_suffix('s').unwrap_or(unit) {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        "week" => 7 * 86_400,
        _ => {
            return Err(format!(
                "{unit:?} is no unit: write minutes, hours, days or weeks"
            ));
        }
    };
    let digits = many.bytes().all(|byte| byte.is_ascii_digit());
    let count = many.parse::<u64>().ok().filter(|_| digits);
    let seconds = count.and_then(|count| count.checked_mul(factor));
    seconds
        .filter(|seconds| (1..=AHEAD_MAX_S).contains(seconds))
        .ok_or_else(|| format!("\"{many} {unit}\" is no time between a second and ten years"))
}

/// A moment of the calendar, in the node's time zone unless it says another.
fn once(text: &str, zone: &TimeZone) -> Result<When, String> {
    let upper = text.to_ascii_uppercase();
    if let Ok(at) = upper.parse::<Timestamp>() {
        return Ok(When::Once(at.as_millisecond()));
    }
    let refused = |_| format!("{text:?} is no moment such as 2026-12-01 03:00");
    let time: DateTime = upper.parse().map_err(refused)?;
    let at = zone.to_ambiguous_timestamp(time).compatible();
    Ok(When::Once(at.map_err(refused)?.as_millisecond()))
}

fn moment(milliseconds: i64) -> Timestamp {
    let clamped = SignedDuration::from_millis(milliseconds);
    let (least, most) = (Timestamp::MIN, Timestamp::MAX);
    Timestamp::from_duration(clamped).unwrap_or(if milliseconds < 0 { least } else { most })
}

/// A moment for people, with the time of the zone.
pub fn shown(milliseconds: i64, zone: &TimeZone) -> String {
    let time = moment(milliseconds);
    let local = zone.to_datetime(time);
    let offset = zone.to_offset(time);
    let (date, clock) = (local.date(), local.time());
    format!(
        "{date} {:02}:{:02}:{:02} (UTC{offset})",
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

#[cfg(test)]
#[path = "when_tests.rs"]
mod tests;
