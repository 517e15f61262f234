//! The unified format of differences (diff(1), `--unified`), read and applied exactly.

/// A run of lines that change, with lines around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Its heading, for people.
    heading: String,
    /// The line that it begins at in the old text, from 0.
    at: usize,
    /// The lines that the old text has there, with their ends.
    old: Vec<Vec<u8>>,
    /// The lines that take their place.
    new: Vec<Vec<u8>>,
}

/// Reads the hunks of a patch of one file.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn parse(patch: &[u8]) -> Result<Vec<Hunk>, String> {
    let mut lines = patch
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .peekable();
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut heads = 0;
    while let Some((number, line)) = lines.next() {
        if line.starts_with(b"--- ") {
            heads += 1;
            if heads > 1 {
                return Err("it is for more than one file; give one patch for each".to_owned());
            }
            continue;
        }
        if !line.starts_with(b"@@ ") {
            if hunks.is_empty() || is_blank(line) {
                continue; // what diff and git write before the first hunk
            }
            return Err(format!("line {} belongs to no hunk", number + 1));
        }
        let fault = |why: &str| format!("line {}: {why}", number + 1);
        let (begin, mut old_left, mut new_left) =
            heading(line).ok_or_else(|| fault("this is no heading of a hunk"))?;
        let mut hunk = Hunk {
            heading: shown(line),
            // "0,0": before the first line.
            at: if old_left == 0 {
                begin
            } else {
                begin.saturating_sub(1)
            },
            old: Vec::new(),
            new: Vec::new(),
        };
        let mut last = b' ';
        while old_left > 0
            || new_left > 0
            || lines.peek().is_some_and(|(_, l)| l.starts_with(b"\\"))
        {
            let Some((number, line)) = lines.next() else {
                return Err(format!("the hunk {} is cut off", hunk.heading));
            };
            let fault = |why: &str| format!("line {}: {why}", number + 1);
            let (mark, text) = match line.split_first() {
                // Editors take the space from an empty line.
                Some((b'\n', _)) => (b' ', line),
                Some((mark, text)) => (*mark, text),
                None => return Err(fault("is empty")),
            };
            let take = |left: &mut usize| -> Result<(), String> {
                *left = left
                    .checked_sub(1)
                    .ok_or_else(|| fault("the hunk has more lines than its heading says"))?;
                Ok(())
            };
            match mark {
                b' ' => {
                    take(&mut old_left)?;
                    take(&mut new_left)?;
                    hunk.old.push(text.to_vec());
                    hunk.new.push(text.to_vec());
                }
                b'-' => {
                    take(&mut old_left)?;
                    hunk.old.push(text.to_vec());
                }
                b'+' => {
                    take(&mut new_left)?;
                    hunk.new.push(text.to_vec());
                }
                // "\ No newline at end of file": of the line before it.
                b'\\' => without_end(&mut hunk, last),
                _ => return Err(fault("begins with none of ' ', '-', '+'")),
            }
            last = mark;
        }
        hunks.push(hunk);
    }
    match hunks.is_empty() {
        true => Err("it has no hunk (@@ … @@)".to_owned()),
        false => Ok(hunks),
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn without_end(hunk: &mut Hunk, last: u8) {
    let cut = |lines: &mut Vec<Vec<u8>>| {
        if let Some(line) = lines.last_mut().filter(|line| line.ends_with(b"\n")) {
            line.pop();
        }
    };
    if last != b'+' {
        cut(&mut hunk.old);
    }
    if last != b'-' {
        cut(&mut hunk.new);
    }
}

/// `@@ -3,4 +3,5 @@`: the first line in the old text, how many lines in the old and in the new one.
fn heading(line: &[u8]) -> Option<(usize, usize, usize)> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("@@ -")?;
    let (old, rest) = text.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| -> Option<(usize, usize)> {
        match text.split_once(',') {
            Some((first, count)) => Some((first.parse().ok()?, count.parse().ok()?)),
            None => Some((text.parse().ok()?, 1)),
        }
    };
    let (begin, old) = range(old)?;
    let (_, new) = range(new)?;
    Some((begin, old, new))
}

/// Applies hunks to a text, exactly where they say.
///
/// # Errors
/// Which hunk does not fit, and where.
pub fn apply(text: &[u8], hunks: &[Hunk]) -> Result<Vec<u8>, String> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut whole = Vec::with_capacity(text.len());
    let mut done = 0;
    for (number, hunk) in hunks.iter().enumerate() {
        let misfit = |why: String| {
            Err(format!(
                "hunk {} ({}) does not fit: {why}",
                number + 1,
                hunk.heading
            ))
        };
        if hunk.at < done {
            return misfit("it begins before the end of the hunk before it".to_owned());
        }
        let end = hunk.at + hunk.old.len();
        if end > lines.len() {
            return misfit(format!("the file has only {} lines", lines.len()));
        }
        let there = lines[hunk.at..end].iter().zip(&hunk.old);
        if let Some(at) = there
            .into_iter()
            .position(|(there, old)| *there != &old[..])
        {
            return misfit(format!(
                "line {} is {:?}, not {:?}",
                hunk.at + at + 1,
                shown(lines[hunk.at + at]),
                shown(&hunk.old[at])
            ));
        }
        whole.extend(lines[done..hunk.at].concat());
        whole.extend(hunk.new.concat());
        done = end;
    }
    whole.extend(lines[done..].concat());
    Ok(whole)
}

/// A line as far as an error shows it.
fn shown(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches('\n').chars().take(60);
    aios_tool::format::printable(&line.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_tool::preview::unified;
    use proptest::prelude::*;

    fn patched(text: &str, patch: &str) -> Result<String, String> {
        let hunks = parse(patch.as_bytes())?;
        apply(text.as_bytes(), &hunks).map(|whole| String::from_utf8(whole).unwrap())
    }

    #[test]
    fn a_patch_fits_exactly_or_says_where_it_does_not() {
        let check = |text: &str, patch: &str, expected: Result<&str, &str>| {
            let found = patched(text, patch);
            match expected {
                Ok(whole) => assert_eq!(found.as_deref(), Ok(whole), "{patch}"),
                Err(part) => {
                    let error = found.unwrap_err();
                    assert!(error.contains(part), "{error} without {part}");
                }
            }
        };
        let one = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n";
        check("a\nb\nc\n", one, Ok("a\nB\nc\n"));
        check(
            "a\nx\nc\n",
            one,
            Err("hunk 1 (@@ -1,3 +1,3 @@) does not fit: line 2 is \"x\", not \"b\""),
        );
        check("a\n", one, Err("has only 1 lines"));
        check("0\na\nb\nc\n", one, Err("line 1 is \"0\""));
        check("", "@@ -0,0 +1 @@\n+a\n", Ok("a\n"));
        check("a\n", "@@ -1 +0,0 @@\n-a\n", Ok(""));
        check("a\n", "@@ -1,0 +2 @@\n+b\n", Ok("a\nb\n"));
        check(
            "a",
            "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n",
            Ok("b\n"),
        );
        check(
            "a\n",
            "@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n",
            Ok("b"),
        );
        check(
            "a\n",
            "@@ -1 +1 @@\n-a\n+b\n+c\n",
            Err("belongs to no hunk"),
        );
        check(
            "a\n",
            "@@ -1 +1 @@\n-a\n-c\n",
            Err("more lines than its heading says"),
        );
        check("a\n", "@@ -1,2 +1 @@\n-a\n", Err("is cut off"));
        check("a\n", "@@ -1 +1 @@\n-a\n?b\n", Err("begins with none of"));
        check("a\n", "@@ here @@\n", Err("no heading"));
        check("a\n", "nothing\n", Err("has no hunk"));
        check(
            "a\n",
            &format!("{one}--- a/y\n+++ b/y\n"),
            Err("more than one file"),
        );
        let twice = "@@ -2 +2 @@\n-b\n+x\n@@ -1 +1 @@\n-a\n+y\n";
        check(
            "a\nb\n",
            twice,
            Err("hunk 2 (@@ -1 +1 @@) does not fit: it begins before"),
        );
        check(
            "a\n\nb\n",
            "@@ -1,3 +1,3 @@\n-a\n+x\n\n b\n",
            Ok("x\n\nb\n"),
        );
        check(
            "a\n",
            "@@ -18446744073709551615,1 +1 @@\n-a\n+b\n",
            Err("does not fit"),
        );
    }

    proptest! {
        #[test]
        fn what_differs_is_made_equal(old in "([ab]\n){0,12}[ab]{0,1}", new in "([ab]\n){0,12}[ab]{0,1}") {
            prop_assume!(old != new);
            let patch = unified(&old, &new, ["x", "x"]).text;
            prop_assert_eq!(patched(&old, &patch), Ok(new));
        }

        #[test]
        fn no_patch_makes_it_panic(text in ".{0,40}", patch in "(@@ -[0-9]{1,2},[0-9] \\+1,[0-9] @@\n|[ +\\\\-]?[a\n]){0,12}") {
            let _ = patched(&text, &patch);
        }
    }
}
