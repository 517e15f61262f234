//! Sentences of people who did not see the rules, each with what they said that it wants
//! (`tests/moods/`, one table a writer: `LABEL<TAB>SENTENCE`, the labels of several clauses
//! joined by `+`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics when a promise is broken"
)]

use aios_reader::{Change, read};

/// Fewer sentences would prove little.
const SENTENCES_LEAST: usize = 900;

/// Of the orders so many in a hundred must be read as orders: for the others the operator is asked.
const ORDERS_LEAST_PERCENT: usize = 95;

fn sentences() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/moods");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let (label, sentence) = line
                .split_once('\t')
                .unwrap_or_else(|| panic!("{file:?}: {line}"));
            all.push((label.to_owned(), sentence.to_owned()));
        }
    }
    assert!(all.len() >= SENTENCES_LEAST, "{} sentences", all.len());
    all
}

#[test]
fn what_orders_nothing_is_never_read_as_an_order() {
    let acts = |(label, sentence): &(String, String)| {
        !label.split('+').any(|one| one == "order") && read(sentence).orders()
    };
    let wrong: Vec<_> = sentences().into_iter().filter(acts).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Of what orders nothing so few in a hundred may be words that no rule knows: for these alone a
/// second witness could be wrong, and do harm.
const UNKNOWN_MOST_PERCENT: usize = 2;

/// Of the bans so many may be taken for an order of an act that forbids something for later.
const BANS_MOST: usize = 2;

#[test]
fn a_second_witness_can_pass_by_nearly_nothing_that_orders_nothing() {
    let others: Vec<_> = sentences()
        .into_iter()
        .filter(|(label, _)| !label.split('+').any(|one| one == "order"))
        .collect();
    let verbs = ["disable", "forbid"].map(str::to_owned);
    let change = |is_ban| Change {
        families: &[],
        changed: &[],
        verbs: &verbs,
        is_ban,
    };
    let passes = |is_ban| {
        let passes = move |(_, sentence): &&(String, String)| {
            read(sentence).permits(&change(is_ban), true).is_ok()
        };
        others.iter().filter(passes).collect::<Vec<_>>()
    };
    let passed = passes(false);
    let by_a_ban = passes(true);
    assert!(by_a_ban.len() <= passed.len() + BANS_MOST, "{by_a_ban:#?}");
    assert!(
        passed.len() * 100 <= others.len() * UNKNOWN_MOST_PERCENT,
        "{} of {}: {passed:#?}",
        passed.len(),
        others.len()
    );
}

#[test]
fn orders_in_any_form_are_read_as_orders() {
    let orders: Vec<_> = sentences()
        .into_iter()
        .filter(|(label, _)| label.split('+').any(|one| one == "order"))
        .collect();
    let missed: Vec<_> = orders
        .iter()
        .filter(|(_, sentence)| !read(sentence).orders())
        .collect();
    let read = orders.len() - missed.len();
    assert!(
        read * 100 >= orders.len() * ORDERS_LEAST_PERCENT,
        "{read} of {}: {missed:#?}",
        orders.len()
    );
}
