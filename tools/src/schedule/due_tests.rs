use super::*;
use crate::schedule::order::Order;
use crate::schedule::when::When;
use aios_role::Role;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-11-27, midnight UTC.
const START: i64 = 1_795_737_600_000;

fn schedule(when: &str) -> Schedule {
    Schedule {
        id: "00000001".into(),
        by: "CN=ann".into(),
        role: Role::Operator,
        created_ms: START,
        when_text: when.into(),
        when: When::parse(when, START, &TimeZone::UTC).unwrap(),
        order: Order::Goal("x".into()),
        digest: String::new(),
    }
}

/// The moments at which a schedule runs, by a clock that shows these times one after the other.
fn runs(when: &str, clock: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let schedule = schedule(when);
    let mut state = State::default();
    let mut runs = Vec::new();
    for now in clock {
        match decide(&schedule, &state, now, &TimeZone::UTC, false) {
            Due::Run { due_ms, .. } => {
                runs.push(due_ms - START);
                state.decide(&schedule, now);
            }
            Due::SetBack => state.behind_ms = Some(now),
            _ => {}
        }
    }
    runs
}

fn every(step: i64, from: i64, to: i64) -> impl Iterator<Item = i64> {
    (0..=(to - from) / step).map(move |number| START + from + number * step)
}

#[test]
fn a_clock_that_runs_has_each_time_run_once() {
    let found = runs("daily 02:00", every(30_000, 0, 3 * DAY));
    assert_eq!(found, [2 * HOUR, DAY + 2 * HOUR, 2 * DAY + 2 * HOUR]);
    let found = runs("every 15 minutes", every(30_000, 0, HOUR));
    assert_eq!(found, [15, 30, 45, 60].map(|minutes| minutes * MINUTE));
    assert_eq!(runs("in 10 minutes", every(30_000, 0, DAY)), [10 * MINUTE]);
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    let off = every(30_000, 0, HOUR).chain(every(30_000, 10 * DAY, 10 * DAY + MINUTE));
    assert_eq!(runs("daily 02:00", off), [2 * HOUR]);
    let jump = every(30_000, 0, MINUTE).chain(every(30_000, 400 * DAY, 400 * DAY + MINUTE));
    let found = runs("* * * * *", jump);
    assert_eq!(found, [MINUTE, 2 * MINUTE, 400 * DAY + MINUTE]);
    let after = START + 10 * DAY;
    let missed = |when: &str| {
        decide(
            &schedule(when),
            &State::default(),
            after,
            &TimeZone::UTC,
            false,
        )
    };
    let run = |due, missed| Due::Run {
        due_ms: START + due,
        missed,
        by_hand: false,
    };
    assert_eq!(missed("daily 02:00"), run(2 * HOUR, 9));
    assert_eq!(missed("in 10 minutes"), run(10 * MINUTE, 0));
    assert_eq!(missed("* * * * *"), run(MINUTE, MISSED_MAX));
}

#[test]
fn a_clock_that_is_set_back_repeats_nothing() {
    let back = |by: i64| {
        let before = every(30_000, 0, DAY + 3 * HOUR);
        before.chain(every(30_000, DAY + 3 * HOUR - by, 3 * DAY))
    };
    let days = [2 * HOUR, DAY + 2 * HOUR, 2 * DAY + 2 * HOUR];
    assert_eq!(runs("daily 02:00", back(2 * HOUR)), days);
    assert_eq!(runs("daily 02:00", back(DAY)), days);
    // Further than a day: the schedule lives by the clock as it is, until that has come near again.
    let again = [2 * HOUR, DAY + 2 * HOUR, 2 * HOUR - DAY, 2 * DAY + 2 * HOUR];
    assert_eq!(runs("daily 02:00", back(3 * DAY)), again);
    assert_eq!(runs("in 10 minutes", back(3 * DAY)), [10 * MINUTE]);
    // A clock that was years ahead for a moment does not keep the schedule from running for years.
    let ahead = [START, START + 4000 * DAY].into_iter();
    let found = runs("daily 02:00", ahead.chain(every(30_000, 0, DAY)));
    assert_eq!(found, [2 * HOUR, 2 * HOUR]);
    // At a boot the clock may be decades behind, and comes right again.
    let state = State {
        decided_ms: Some(START + 2 * HOUR),
        ..State::default()
    };
    for (now, expected) in [(-20_000 * DAY, Due::SetBack), (3 * HOUR, Due::No)] {
        let now = START + now;
        let found = decide(&schedule("daily 02:00"), &state, now, &TimeZone::UTC, false);
        assert_eq!(found, expected, "{now}");
    }
}

#[test]
fn stops_overlaps_and_suspensions_skip_and_are_told() {
    let check = |state: State, stopped: bool, expected: &Due| {
        let now = START + 2 * HOUR;
        let found = decide(
            &schedule("daily 02:00"),
            &state,
            now,
            &TimeZone::UTC,
            stopped,
        );
        assert_eq!(&found, expected, "{state:?}");
    };
    let due_ms = START + 2 * HOUR;
    let skip = |why, by_hand| Due::Skip {
        due_ms,
        why,
        by_hand,
    };
    let run = |by_hand| Due::Run {
        due_ms,
        missed: 0,
        by_hand,
    };
    let running = || State {
        running: Some(Running::default()),
        ..State::default()
    };
    let suspended = || State {
        suspended: "void".into(),
        requested: "x".into(),
        ..State::default()
    };
    let by_hand = || State {
        requested: "x".into(),
        decided_ms: Some(due_ms),
        ..State::default()
    };
    check(State::default(), false, &run(false));
    check(State::default(), true, &skip(STOPPED, false));
    check(running(), false, &skip(OVERLAPS, false));
    check(running(), true, &skip(STOPPED, false));
    check(suspended(), false, &Due::No);
    check(by_hand(), false, &run(true));
    check(by_hand(), true, &skip(STOPPED, true));
}

#[test]
fn the_next_time_is_told_while_there_is_one() {
    let check = |when: &str, state: &State, now: i64, expected: Option<i64>| {
        let found = next(&schedule(when), state, START + now, &TimeZone::UTC);
        assert_eq!(found.map(|next| next - START), expected, "{when} {now}");
    };
    let decided = |at: i64| State {
        decided_ms: Some(START + at),
        ..State::default()
    };
    let suspended = State {
        suspended: "void".into(),
        ..State::default()
    };
    check("daily 02:00", &State::default(), 0, Some(2 * HOUR));
    check(
        "daily 02:00",
        &State::default(),
        5 * DAY,
        Some(5 * DAY + 2 * HOUR),
    );
    check(
        "daily 02:00",
        &decided(2 * HOUR),
        HOUR,
        Some(DAY + 2 * HOUR),
    );
    check("daily 02:00", &suspended, 0, None);
    check("in 10 minutes", &State::default(), 0, Some(10 * MINUTE));
    check("in 10 minutes", &decided(10 * MINUTE), 0, None);
    // Nothing is known of what ran before this moment; what is still to come does.
    check("in 10 minutes", &decided(MINUTE), 0, Some(10 * MINUTE));
}
