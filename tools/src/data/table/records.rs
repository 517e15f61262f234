//! The records of a text with a delimiter between its values (RFC 4180), none with more values than a
//! table may have. The csv crate's own reader has a place for each value of a record, however many
//! there are: 32 MiB of commas would take ten times that.

use std::io::BufRead;

use aios_tool::budget::Share;
use csv_core::ReadRecordResult;

use super::{COLUMNS_MAX, Fault};

/// By how much the place for the text of a record grows at least, in bytes.
const PIECE: usize = 16 * 1024;

/// The records, one at a time.
pub(super) struct Records<R> {
    source: R,
    reader: csv_core::Reader,
    /// Holds the text of the record, its values one behind the other.
    text: Vec<u8>,
    /// Where each value ends in the text; a place for each that there may be, and one more.
    ends: Vec<usize>,
    /// How many values the record has.
    count: usize,
    /// The line where the record begins, from 1.
    pub(super) line: u64,
}

impl<R: BufRead> Records<R> {
    /// The records of a text.
    pub(super) fn of(source: R, delimiter: u8) -> Self {
        let reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        Self {
            source,
            reader,
            text: Vec::new(),
            ends: vec![0; COLUMNS_MAX + 1],
            count: 0,
            line: 0,
        }
    }

    /// Reads the next record; `false` at the end. What it takes in memory is counted in `share`.
    pub(super) fn next(&mut self, share: &mut Share) -> Result<bool, Fault> {
        self.line = self.reader.line();
        let (mut length, mut count) = (0, 0);
        loop {
            let input = self.source.fill_buf().map_err(|error| error.to_string())?;
            let (result, read, written, ended) =
                self.reader
                    .read_record(input, &mut self.text[length..], &mut self.ends[count..]);
            self.source.consume(read);
            length += written;
            count += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    let more = PIECE.max(self.text.len());
                    share.grow(2 * more as u64)?; // while it grows, there are two of it
                    self.text.resize(self.text.len() + more, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    let many =
                        format!("line {}: it has more than {COLUMNS_MAX} columns", self.line);
                    return Err(many.into());
                }
                ReadRecordResult::Record => {
                    self.count = count;
                    return self.is_text().map(|()| true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// How many values the record has.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Bytes of all its values.
    pub(super) fn bytes(&self) -> usize {
        self.ends[..self.count].last().copied().unwrap_or(0)
    }

    /// The values.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        let text = |value| std::str::from_utf8(value).unwrap_or_default(); // each is checked
        self.parts().map(text)
    }

    fn is_text(&self) -> Result<(), Fault> {
        match self.parts().all(|value| std::str::from_utf8(value).is_ok()) {
            true => Ok(()),
            false => Err(format!("line {}: it is no text in UTF-8", self.line).into()),
        }
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let ends = &self.ends[..self.count];
        let begins = std::iter::once(&0).chain(ends);
        begins
            .zip(ends)
            .map(|(begin, end)| &self.text[*begin..*end])
    }
}
