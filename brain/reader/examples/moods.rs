//! Prints how each sentence of a table (`LABEL<TAB>SENTENCE`) is read, where that differs from its label.
//! `cargo run -p aios-reader --example moods FILE…`; `-` instead of a file reads sentences from standard input.

use std::io::Read;

use aios_reader::{Mood, Reading, read};

fn main() {
    let mut wrong = [0_usize; 3];
    let mut count = 0;
    for file in std::env::args().skip(1) {
        let mut text = String::new();
        match file.as_str() {
            "-" => drop(std::io::stdin().read_to_string(&mut text)),
            path => text = std::fs::read_to_string(path).unwrap_or_default(),
        }
        for line in text.lines() {
            let Some((label, sentence)) = line.split_once('\t') else {
                println!("{:<40} {line}", labels(&read(line)));
                continue;
            };
            count += 1;
            let reading = read(sentence);
            let found = labels(&reading);
            let orders = label.split('+').any(|one| one == "order");
            let kind = match (orders, reading.orders()) {
                (false, true) => 0,
                (true, false) => 1,
                _ if label != found => 2,
                _ => continue,
            };
            wrong[kind] += 1;
            println!(
                "{} {label} / {found}: {sentence}",
                ["ACTS ", "MISS ", "other"][kind]
            );
        }
    }
    println!(
        "{count} sentences: {} would act and must not, {} would not act and must, {} differ otherwise",
        wrong[0], wrong[1], wrong[2]
    );
}

fn labels(reading: &Reading) -> String {
    let name = |mood: Mood| match mood {
        Mood::Order => "order",
        Mood::Ban => "ban",
        Mood::AskAct(_) => "question-act",
        Mood::AskState => "question-state",
        Mood::Statement => "statement",
        Mood::Unclear => "unclear",
        Mood::Unknown => "unknown",
    };
    let all: Vec<&str> = reading
        .clauses
        .iter()
        .map(|clause| name(clause.mood))
        .collect();
    all.join("+")
}
