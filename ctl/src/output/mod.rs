//! How answers are printed: tables and text for people, JSON for programs.

pub mod escape;
pub mod format;
pub mod table;

use std::io::Write as _;

use serde_json::Value;

use crate::error::Failure;

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON instead of text.
    pub json: bool,
}

impl Output {
    /// Prints one JSON document, or the text made by `text`.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(self, json: &Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json {
            let document = serde_json::to_string_pretty(json)
                .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
            line(&document)
        } else {
            line(text().trim_end_matches('\n'))
        }
    }

    /// Prints one item of a stream: one JSON object on one line, or the text.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn item(self, json: &Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json {
            line(&json.to_string())
        } else {
            line(&text())
        }
    }
}

/// Writes one line to standard output, at once. The text is escaped already.
///
/// # Errors
/// When standard output cannot be written (a closed pipe included).
pub fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::failed(format!("cannot write to standard output: {error}")))
}
