//! How many tests passed and failed, as far as a test program says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tests of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
}

/// Reads what Rust's test harness, pytest, unittest, Jest or a writer of TAP says last about all
/// tests; `None` when none of them was there.
pub fn read(said: &str) -> Option<Counts> {
    let mut all: Option<Counts> = None;
    for line in said.lines() {
        if let Some(one) = line_of(line.trim()) {
            let so_far = all.get_or_insert_with(Counts::default);
            so_far.passed += one.passed;
            so_far.failed += one.failed;
        }
    }
    let unittest = unittest(said);
    all.or(unittest)
}

fn line_of(line: &str) -> Option<Counts> {
    let counts = |text: &str| {
        let mut found = Counts::default();
        for part in text.split([',', ';']) {
            let mut words = part.split_whitespace();
            let count = words.next()?.trim_start_matches('=').parse().ok();
            match (count, words.next()) {
                (Some(count), Some("passed")) => found.passed = count,
                (Some(count), Some("failed" | "error" | "errors")) => found.failed += count,
                _ => {}
            }
        }
        Some(found)
    };
    if let Some(rest) = line.strip_prefix("test result: ") {
        return counts(rest.split_once(". ")?.1);
    }
    if let Some(rest) = line.strip_prefix("Tests:") {
        return counts(rest);
    }
    if let Some(count) = line.strip_prefix("# pass ") {
        let passed = count.trim().parse().ok()?;
        return Some(Counts { passed, failed: 0 });
    }
    if let Some(count) = line.strip_prefix("# fail ") {
        let failed = count.trim().parse().ok()?;
        return Some(Counts { passed: 0, failed });
    }
    let bar = line.trim_matches('=').trim();
    let is_pytest = line.starts_with('=') && bar.contains(" in ") && bar.ends_with('s');
    is_pytest.then(|| counts(bar)).flatten()
}

/// `Ran 3 tests in 0.001s`, and `OK` or `FAILED (failures=1, errors=1)`.
fn unittest(said: &str) -> Option<Counts> {
    let ran = said.lines().find_map(|line| {
        let rest = line.strip_prefix("Ran ")?;
        rest.split(' ').next()?.parse::<u64>().ok()
    })?;
    let ended = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("FAILED ("));
    let numbers = ended
        .into_iter()
        .flat_map(|rest| rest.trim_end_matches(')').split(", "));
    let failed = numbers
        .filter_map(|part| part.split_once('='))
        .filter(|(what, _)| matches!(*what, "failures" | "errors"))
        .filter_map(|(_, count)| count.parse::<u64>().ok())
        .sum::<u64>();
    Some(Counts {
        passed: ran.saturating_sub(failed),
        failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_test_programs_are_read() {
        let check = |said: &str, expected: Option<(u64, u64)>| {
            let read = read(said).map(|counts| (counts.passed, counts.failed));
            assert_eq!(read, expected, "{said}");
        };
        check(
            "test result: ok. 3 passed; 0 failed; 1 ignored\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; finished in 0.1s",
            Some((4, 2)),
        );
        check(
            "===== 2 failed, 5 passed, 1 warning in 0.12s =====",
            Some((5, 2)),
        );
        check("Ran 5 tests in 0.001s\n\nOK\n", Some((5, 0)));
        check(
            "Ran 5 tests in 0.001s\n\nFAILED (failures=1, errors=2)\n",
            Some((2, 3)),
        );
        check("# tests 3\n# pass 2\n# fail 1\n", Some((2, 1)));
        check("Tests:       1 failed, 2 passed, 3 total", Some((2, 1)));
        check("all went well", None);
        check("", None);
    }
}
