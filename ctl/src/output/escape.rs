//! Text from the appliance must not drive the operator's terminal: control
//! characters, and those that reorder or hide text, are shown as escapes.

/// For one line: newline and tab are escaped too.
pub fn line(text: &str) -> String {
    escape(text, |_| false)
}

/// For a block of text: newlines and tabs stay.
pub fn text(text: &str) -> String {
    escape(text, |character| matches!(character, '\n' | '\t'))
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if keep(character) || !is_dangerous(character) {
            safe.push(character);
        } else {
            safe.extend(character.escape_default());
        }
    }
    safe
}

/// C0 and C1 controls, line separators, and Unicode's bidirectional and
/// invisible formatting characters.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_or_reorders_text_passes() {
        let check = |input, expected: &str| assert_eq!(line(input), expected);
        check("plain ünïcode ✓", "plain ünïcode ✓");
        check("\x1b[2Jgone", "\\u{1b}[2Jgone");
        check("a\nb\tc\r", "a\\nb\\tc\\r");
        check("\u{9b}31m", "\\u{9b}31m");
        check("\u{202e}txt.exe", "\\u{202e}txt.exe");
        check("bell\u{7}del\u{7f}", "bell\\u{7}del\\u{7f}");
    }

    #[test]
    fn a_block_keeps_its_lines_and_nothing_else() {
        assert_eq!(text("a\n\tb\r\x1b]0;t\x07"), "a\n\tb\\r\\u{1b}]0;t\\u{7}");
    }
}
