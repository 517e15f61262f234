//! What a call would do, for people.

use aios_contracts::v1::Preview;

use crate::output::escape;

/// Each thing with how it is and would be, texts as their differences. Escaped.
pub fn text(preview: &Preview) -> String {
    if preview.changes.is_empty() {
        return "nothing would change\n".to_owned();
    }
    let mut text = String::new();
    for one in &preview.changes {
        text += &format!(
            "{}\n    now  {}\n    then {}\n",
            escape::line(&one.object),
            escape::line(&one.before),
            escape::line(&one.after)
        );
        for line in one.diff.lines().skip(2) {
            text += &format!("    {}\n", escape::line(line));
        }
    }
    if preview.more > 0 {
        text += &format!("and {} more\n", preview.more);
    }
    text
}
