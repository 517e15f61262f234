//! The five fields of a line of cron: minute, hour, day of the month, month, day of the week. Pure.
//!
//! A field is `*`, a value, a range `1-5`, either of the two with a step (`*/15`, `8-18/2`), or several of
//! these with commas. Months and days of the week may be names (`jan`, `sun`). As in crontab(5), a line that
//! names days of the month and days of the week means the days that are one of them.

use jiff::civil::Date;

/// When a line of cron has its job run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// The values of a field, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// It began with `*`: it says nothing about which.
    any: bool,
}

/// What a field may hold.
struct Bounds {
    name: &'static str,
    least: u8,
    most: u8,
    /// Names of the values from `least` on.
    words: &'static [&'static str],
}

const MINUTE: Bounds = Bounds {
    name: "the minute",
    least: 0,
    most: 59,
    words: &[],
};
const HOUR: Bounds = Bounds {
    name: "the hour",
    least: 0,
    most: 23,
    words: &[],
};
const DAY: Bounds = Bounds {
    name: "the day of the month",
    least: 1,
    most: 31,
    words: &[],
};
const MONTH: Bounds = Bounds {
    name: "the month",
    least: 1,
    most: 12,
    words: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
/// Sunday is 0, and 7 too.
const WEEKDAY: Bounds = Bounds {
    name: "the day of the week",
    least: 0,
    most: 7,
    words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Cron {
    /// The line with these fields.
    ///
    /// # Errors
    /// What is wrong with which field.
    pub fn parse(fields: [&str; 5]) -> Result<Self, String> {
        let [minute, hour, day, month, weekday] = fields;
        let mut weekdays = WEEKDAY.parse(weekday)?;
        weekdays.bits |= weekdays.bits >> 7 & 1;
        Ok(Self {
            minutes: MINUTE.parse(minute)?,
            hours: HOUR.parse(hour)?,
            days: DAY.parse(day)?,
            months: MONTH.parse(month)?,
            weekdays,
        })
    }

    /// Is it for every hour, so that the hour that comes twice in autumn is two hours?
    pub fn is_hourly(&self) -> bool {
        self.hours.any && self.hours.bits.count_ones() == 24
    }

    /// Does it have its job run on this day?
    pub fn is_on(&self, date: Date) -> bool {
        let day = self.days.has(date.day().unsigned_abs());
        let weekday = self
            .weekdays
            .has(date.weekday().to_sunday_zero_offset().unsigned_abs());
        let named = match (self.days.any, self.weekdays.any) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        named && self.months.has(date.month().unsigned_abs())
    }

    /// Hours and minutes of a day on which its job runs, in order.
    pub fn times(&self) -> impl Iterator<Item = (i8, i8)> {
        let hours = (0..24).filter(|hour| self.hours.bits >> hour & 1 == 1);
        hours.flat_map(|hour| {
            let minutes = (0..60).filter(|minute| self.minutes.bits >> minute & 1 == 1);
            minutes.map(move |minute| (hour, minute))
        })
    }
}

impl Field {
    fn has(self, value: u8) -> bool {
        self.bits >> value & 1 == 1
    }
}

impl Bounds {
    fn parse(&self, text: &str) -> Result<Field, String> {
        let bits = text
            .split(',')
            .try_fold(0, |bits, part| Ok::<_, String>(bits | self.part(part)?))?;
        Ok(Field {
            bits,
            any: text.starts_with('*'),
        })
    }

    fn part(&self, part: &str) -> Result<u64, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None if step.is_some() => {
                return Err(self.fault(&format!(
                    "{part:?} has a step without a range: write {range}-{}/…",
                    self.most
                )));
            }
            None => (self.value(range)?, self.value(range)?),
        };
        if first > last {
            return Err(self.fault(&format!("the range {range:?} ends before it begins")));
        }
        let step = match step.map(str::parse::<u8>) {
            None => 1,
            Some(Ok(step @ 1..)) => step,
            Some(_) => return Err(self.fault(&format!("the step of {part:?} is no number"))),
        };
        let values = (first..=last).step_by(step.into());
        Ok(values.fold(0, |bits, value| bits | 1 << value))
    }

    fn value(&self, text: &str) -> Result<u8, String> {
        let named = (self.least..).zip(self.words);
        let mut named = named.filter(|(_, word)| text.eq_ignore_ascii_case(word));
        if let Some((value, _)) = named.next() {
            return Ok(value);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u8>() {
            Ok(value) if digits && (self.least..=self.most).contains(&value) => Ok(value),
            _ => Err(self.fault(&format!(
                "{text:?} is not between {} and {}",
                self.least, self.most
            ))),
        }
    }

    fn fault(&self, what: &str) -> String {
        format!("{} of the cron line: {what}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(line: &str) -> Result<Cron, String> {
        let fields: Vec<&str> = line.split(' ').collect();
        Cron::parse(fields.try_into().unwrap())
    }

    #[test]
    fn times_of_a_day() {
        let check = |line: &str, expected: &[(i8, i8)]| {
            let found: Vec<_> = cron(line).unwrap().times().collect();
            assert_eq!(found, expected, "{line}");
        };
        check("0 2 * * *", &[(2, 0)]);
        check("5,10 0,23 * * *", &[(0, 5), (0, 10), (23, 5), (23, 10)]);
        check("*/30 8-12/4 * * *", &[(8, 0), (8, 30), (12, 0), (12, 30)]);
        assert_eq!(cron("* * * * *").unwrap().times().count(), 1440);
        assert!(cron("0 * * * *").unwrap().is_hourly());
        for line in ["0 */2 * * *", "0 2 * * *", "0 0-22 * * *"] {
            assert!(!cron(line).unwrap().is_hourly(), "{line}");
        }
    }

    #[test]
    fn days_of_month_and_week_are_either_when_both_are_named() {
        let check = |line: &str, expected: &[i8]| {
            let cron = cron(line).unwrap();
            let days = (1..=28).filter(|&day| cron.is_on(Date::constant(2026, 2, day)));
            assert_eq!(days.collect::<Vec<_>>(), expected, "{line}");
        };
        check("0 0 1,15 * *", &[1, 15]);
        check("0 0 * * sun", &[1, 8, 15, 22]); // 2026-02-01 is a Sunday
        check("0 0 * * 7", &[1, 8, 15, 22]);
        check("0 0 * * 6-7", &[1, 7, 8, 14, 15, 21, 22, 28]);
        check("0 0 13 * Mon", &[2, 9, 13, 16, 23]);
        check("0 0 */10 * mon", &[]); // a star with a step is no named day: both must hold
        check("0 0 28 FEB *", &[28]);
        check("0 0 * 3-12 *", &[]);
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_field() {
        let check = |line: &str, why: &str| {
            let refused = cron(line).unwrap_err();
            assert!(refused.contains(why), "{line}: {refused}");
        };
        check("60 * * * *", "the minute");
        check("* 24 * * *", "the hour");
        check("* * 0 * *", "the day of the month");
        check("* * * 13 *", "the month");
        check("* * * * 8", "the day of the week");
        check("* * * * someday", "someday");
        check("5/10 * * * *", "without a range");
        check("9-5 * * * *", "before it begins");
        check("*/0 * * * *", "step");
        check("*/x * * * *", "step");
        check("1,,2 * * * *", "\"\"");
        check("+5 * * * *", "+5");
        check("-1 * * * *", "\"\"");
        check("1-300 * * * *", "300");
        check("* * * * *-", "\"*\"");
    }
}
