//! Reads texts, one JSON string a line, and prints for each what the operator model reads instead:
//! `{"text": …, "places": [[start, end, start in the goal, end in the goal], …]}`, all in characters.
//! The training uses it: `brain/masking.py`.

use std::io::{BufRead, BufWriter, Write};

use aios_reader::read;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let goal: String = serde_json::from_str(&line?)?;
        let masked = read(&goal).masked();
        let chars = |text: &str, byte: usize| text[..byte].chars().count();
        let place = |place: &aios_reader::Place| {
            [
                chars(&masked.text, place.masked.start),
                chars(&masked.text, place.masked.end),
                chars(&goal, place.span.start),
                chars(&goal, place.span.end),
            ]
        };
        // What is left out at the beginning is a place without width.
        let start = masked.original(0..0).start;
        let places = std::iter::once([0, 0, 0, start]).chain(masked.places.iter().map(place));
        let places: Vec<[usize; 4]> = places.collect();
        let row = serde_json::json!({"text": masked.text, "places": places});
        writeln!(out, "{row}")?;
    }
    Ok(())
}
