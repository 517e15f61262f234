use super::*;

/// Central European time, by its rule: clocks go forward on 2026-03-29 and back on 2026-10-25.
fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// The next times, in UTC, of what was ordered at this moment in central Europe.
fn times(text: &str, ordered: &str, many: usize) -> Vec<String> {
    let (zone, ordered) = (berlin(), ms(ordered));
    let when = When::parse(text, ordered, &zone).unwrap();
    let kept = When::read(&when.written(text), ordered + 1, &zone).unwrap();
    assert_eq!(kept, when, "{text} is kept as it was taken");
    let mut found = Vec::new();
    let mut after = ordered;
    while let Some(next) = when.next(after, ordered, &zone)
        && found.len() < many
    {
        assert!(next > after, "{text}: time goes on");
        found.push(moment(next).to_string().replace(":00Z", "Z"));
        after = next;
    }
    found
}

#[test]
fn each_form_means_its_times() {
    let check = |text: &str, ordered: &str, expected: &[&str]| {
        let found = times(text, ordered, expected.len() + 1);
        let most = expected.len().min(found.len());
        assert_eq!(&found[..most], expected, "{text}");
    };
    let order = "2026-11-27T18:13:20Z";
    check("2026-12-01 03:00", order, &["2026-12-01T02:00Z"]);
    check("2026-12-01T03:00", order, &["2026-12-01T02:00Z"]);
    check("2026-12-01T03:00:00Z", order, &["2026-12-01T03:00Z"]);
    check("2026-12-01T03:00:00+09:00", order, &["2026-11-30T18:00Z"]);
    check("in 10 minutes", order, &["2026-11-27T18:23:20Z"]);
    check("IN 2 Weeks", order, &["2026-12-11T18:13:20Z"]);
    let quarters = ["2026-11-27T18:28:20Z", "2026-11-27T18:43:20Z"];
    check("every 15 minutes", order, &quarters);
    check("every day", order, &["2026-11-28T18:13:20Z"]);
    check("every minute", order, &["2026-11-27T18:14:20Z"]);
    check(
        "daily 02:00",
        order,
        &["2026-11-28T01:00Z", "2026-11-29T01:00Z"],
    );
    check("daily 23:59", order, &["2026-11-27T22:59Z"]);
    check(
        "weekly  sunday 4:30",
        order,
        &["2026-11-29T03:30Z", "2026-12-06T03:30Z"],
    );
    check("weekly fri 19:13", order, &["2026-12-04T18:13Z"]);
    check(
        "monthly 1 05:00",
        order,
        &["2026-12-01T04:00Z", "2027-01-01T04:00Z"],
    );
    let ends = [
        "2026-11-30T04:00Z",
        "2026-12-31T04:00Z",
        "2027-01-31T04:00Z",
        "2027-02-28T04:00Z",
    ];
    check("monthly 31 05:00", order, &ends);
    check(
        "0 5 * * 1-5",
        order,
        &["2026-11-30T04:00Z", "2026-12-01T04:00Z"],
    );
    check(
        "*/20 * * * *",
        order,
        &["2026-11-27T18:20Z", "2026-11-27T18:40Z"],
    );
    check(
        "0 0 29 2 *",
        order,
        &["2028-02-28T23:00Z", "2032-02-28T23:00Z"],
    );
    check("0 0 29 2 *", "2096-03-01T00:00:00Z", &["2104-02-28T23:00Z"]);
    assert_eq!(times("in 10 minutes", order, 5).len(), 1, "once is once");
}

#[test]
fn where_clocks_change_nothing_runs_twice_and_nothing_is_left_out() {
    let check = |text: &str, ordered: &str, expected: &[&str]| {
        assert_eq!(
            times(text, ordered, expected.len()),
            expected,
            "{text} {ordered}"
        );
    };
    let (spring, autumn) = ("2026-03-28T23:30:00Z", "2026-10-24T22:30:00Z");
    // 02:00 to 03:00 does not exist on 2026-03-29.
    check(
        "daily 02:30",
        spring,
        &["2026-03-29T01:30Z", "2026-03-30T00:30Z"],
    );
    check(
        "30 2,3 * * *",
        spring,
        &["2026-03-29T01:30Z", "2026-03-30T00:30Z"],
    );
    check(
        "0 2,3 * * *",
        spring,
        &["2026-03-29T01:00Z", "2026-03-30T00:00Z"],
    );
    check("2026-03-29 02:30", spring, &["2026-03-29T01:30Z"]);
    let hours = [
        "2026-03-29T00:00Z",
        "2026-03-29T01:00Z",
        "2026-03-29T02:00Z",
    ];
    check("0 * * * *", spring, &hours);
    // 02:00 to 03:00 comes twice on 2026-10-25.
    check(
        "daily 02:30",
        autumn,
        &["2026-10-25T00:30Z", "2026-10-26T01:30Z"],
    );
    check("2026-10-25 02:30", autumn, &["2026-10-25T00:30Z"]);
    let hours = [
        "2026-10-24T23:00Z",
        "2026-10-25T00:00Z",
        "2026-10-25T01:00Z",
        "2026-10-25T02:00Z",
    ];
    check("0 * * * *", autumn, &hours);
    check(
        "0 1-3 * * *",
        autumn,
        &[
            "2026-10-24T23:00Z",
            "2026-10-25T00:00Z",
            "2026-10-25T02:00Z",
        ],
    );
    check(
        "every hour",
        autumn,
        &[
            "2026-10-24T23:30Z",
            "2026-10-25T00:30Z",
            "2026-10-25T01:30Z",
        ],
    );
}

#[test]
fn every_counts_from_the_order_even_for_a_clock_before_it() {
    let when = When::Every(900_000);
    let next = |after| when.next(after, 1_000_000, &TimeZone::UTC);
    assert_eq!(next(1_000_000), Some(1_900_000));
    assert_eq!(next(1_899_999), Some(1_900_000));
    assert_eq!(next(50_000), Some(100_000));
    assert_eq!(next(i64::MAX), None);
    assert_eq!(next(i64::MIN), None);
}

#[test]
fn what_is_no_time_is_refused_with_what_to_write() {
    let check = |text: &str, why: &str| {
        let now = ms("2026-11-27T18:13:20Z");
        let refused = When::parse(text, now, &berlin()).unwrap_err();
        assert!(refused.contains(why), "{text}: {refused}");
    };
    check("", "five fields");
    check("tomorrow", "five fields");
    check("@reboot", "five fields");
    check("* * * *", "five fields");
    check("* * * * * *", "five fields");
    check("daily 25:00", "no time of a day");
    check("daily 2", "no time of a day");
    check("daily 02:00:00", "no time of a day");
    check("daily *:00", "no time of a day");
    check("weekly someday 02:00", "no day of the week");
    check("weekly sü 02:00", "no day of the week");
    check("monthly 32 02:00", "no day of a month");
    check("monthly 0 02:00", "no day of a month");
    check("every 59 seconds", "one minute");
    check("every 0 minutes", "no time between");
    check("every 99999999999999999999 days", "no time between");
    check("every 3 fortnights", "no unit");
    check("in -5 minutes", "no time between");
    check("in 11000 days", "ten years");
    check("2026-11-27 19:13", "is over");
    check("2037-12-01 00:00", "more than ten years");
    check("2026-13-01 00:00", "no moment");
    check("2026-02-30 00:00", "no moment");
    check("0 0 30 2 *", "never comes");
    check("61 * * * *", "the minute");
    check(&"x".repeat(201), "more than 200");
}
