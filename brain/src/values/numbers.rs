//! Whole numbers in digits or English words.

/// `20`, `1,000`, `5k`, `twenty-five`, `a hundred`, `two thousand and one`, `a dozen`, `#3`.
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim().trim_start_matches('#').to_lowercase();
    digits(&text).or_else(|| words(&text))
}

fn digits(text: &str) -> Option<u64> {
    let (text, factor) = match text.strip_suffix('k') {
        Some(thousands) => (thousands.trim_end(), 1000),
        None => (text, 1),
    };
    let grouped = text.split(',').enumerate().all(|(i, group)| {
        let long = if i == 0 {
            (1..=20).contains(&group.len())
        } else {
            group.len() == 3
        };
        long && group.bytes().all(|b| b.is_ascii_digit())
    });
    if !grouped || (text.contains(',') && text.find(',') > Some(3)) {
        return None;
    }
    text.replace(',', "")
        .parse::<u64>()
        .ok()?
        .checked_mul(factor)
}

/// What a number word does to the sum so far.
enum Word {
    Add(u64),
    Times(u64),
    /// `and`: nothing.
    Join,
}

fn words(text: &str) -> Option<u64> {
    let (mut total, mut group, mut any): (u64, u64, bool) = (0, 0, false);
    for text in text.split([' ', '-']).filter(|word| !word.is_empty()) {
        match word(text)? {
            Word::Join if any => {}
            Word::Join => return None,
            Word::Add(n) => group = group.checked_add(n)?,
            Word::Times(n) if n < 1000 => group = group.max(1).checked_mul(n)?,
            Word::Times(n) => {
                total = total.checked_add(group.max(1).checked_mul(n)?)?;
                group = 0;
            }
        }
        any = true;
    }
    any.then(|| total.checked_add(group)).flatten()
}

fn word(word: &str) -> Option<Word> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = [
        "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    let position = |list: &[&str]| list.iter().position(|w| *w == word).map(|i| i as u64);
    if let Some(unit) = position(&UNITS) {
        return Some(Word::Add(unit));
    }
    if let Some(ten) = position(&TENS) {
        return Some(Word::Add((ten + 2) * 10));
    }
    Some(match word {
        "a" | "an" => Word::Add(1),
        "couple" => Word::Times(2),
        "dozen" => Word::Times(12),
        "hundred" => Word::Times(100),
        "thousand" => Word::Times(1000),
        "million" => Word::Times(1_000_000),
        "and" | "of" => Word::Join,
        _ => return None,
    })
}
