//! A log file's lines, the last one first, read in windows of a bounded size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes that are read at once. Longer than any line: the logger writes none of more than 8 KiB.
const WINDOW: usize = 32 * 1024;

/// Whole lines of a file, from a place in it back to its start.
#[derive(Debug)]
pub struct Backwards {
    file: File,
    /// What of the file is before the window.
    before: u64,
    window: Vec<u8>,
}

impl Backwards {
    /// The lines of the first `length` bytes. What comes after their last line feed is not finished
    /// and is left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(file: File, length: u64) -> io::Result<Self> {
        let mut this = Self {
            file,
            before: length,
            window: Vec::new(),
        };
        this.read_on()?;
        let end = this.window.iter().rposition(|byte| *byte == b'\n');
        this.window.truncate(end.map_or(0, |end| end + 1));
        Ok(this)
    }

    /// Where the last whole line ends, before any was taken.
    pub fn end(&self) -> u64 {
        self.before + self.window.len() as u64
    }

    /// The line before the last one that was taken, without its line feed. Pieces of a line that is
    /// longer than a window come as lines of their own.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        // An empty window is an empty line if its line feed was there.
        let is_line = !self.window.is_empty() || self.before > 0;
        if self.window.last() == Some(&b'\n') {
            self.window.pop();
        }
        loop {
            if let Some(feed) = self.window.iter().rposition(|byte| *byte == b'\n') {
                return Ok(Some(self.window.split_off(feed + 1)));
            }
            if !is_line {
                return Ok(None);
            }
            if self.before == 0 || self.window.len() >= WINDOW {
                return Ok(Some(std::mem::take(&mut self.window)));
            }
            self.read_on()?;
        }
    }

    /// Puts the piece of the file that is before the window in front of it.
    fn read_on(&mut self) -> io::Result<()> {
        let length = self.before.min(WINDOW as u64);
        self.before -= length;
        let mut piece = vec![0; usize::try_from(length).unwrap_or(WINDOW)];
        self.file.read_exact_at(&mut piece, self.before)?;
        piece.append(&mut self.window);
        self.window = piece;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut lines = Backwards::new(file, text.len() as u64).unwrap();
        let end = text.rfind('\n').map_or(0, |feed| feed + 1);
        assert_eq!(lines.end(), end as u64);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            assert!(lines.window.len() <= 2 * WINDOW);
            found.push(String::from_utf8(line).unwrap());
        }
        found.reverse();
        assert_eq!(found, expected);
    }

    #[test]
    fn whole_lines_come_from_the_end() {
        check("", &[]);
        check("unfinished", &[]);
        check("one\n", &["one"]);
        check("one\ntwo\nunfini", &["one", "two"]);
        check("\n\nthree\n", &["", "", "three"]);
    }

    #[test]
    fn lines_are_whole_across_windows() {
        let lines: Vec<String> = (0..20_000).map(|number| format!("line {number}")).collect();
        let text = lines.join("\n") + "\n";
        assert!(text.len() > 5 * WINDOW);
        check(&text, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let long = "x".repeat(WINDOW - 10);
        check(&format!("a\n{long}\nb\n"), &["a", &long, "b"]);
    }

    #[test]
    fn a_file_without_lines_is_read_in_pieces() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'x'; 10 * WINDOW]).unwrap();
        file.write_all(b"\n").unwrap();
        let mut lines = Backwards::new(file, 10 * WINDOW as u64 + 1).unwrap();
        let mut bytes = 0;
        while let Some(piece) = lines.next_line().unwrap() {
            assert!(piece.len() <= 2 * WINDOW, "{} bytes", piece.len());
            bytes += piece.len();
        }
        assert_eq!(bytes, 10 * WINDOW);
    }
}
