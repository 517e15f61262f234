//! The page, as text. Pure.

use super::facts::Facts;

/// The widest line: what a text screen has.
const WIDTH: usize = 79;

/// More errors than this are not shown.
const ERRORS_MAX: usize = 3;

/// The whole page, each line ended for a terminal that is in any mode.
pub fn page(facts: &Facts) -> String {
    let mut lines = vec![format!("--- aiOS {} --- {} ---", facts.version, facts.name)];
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("{name:<12} {value}"));
        }
    };
    field("state", &facts.state);
    field("slot", &facts.slot);
    if let Some(stop) = &facts.manual {
        field("MANUAL MODE", stop);
    }
    match facts.addresses.as_slice() {
        [] => field("address", "none; press a to set one"),
        all => all.iter().for_each(|address| field("address", address)),
    }
    field(facts.fingerprint_of, &facts.fingerprint);
    for error in facts.errors.iter().rev().take(ERRORS_MAX).rev() {
        field("error", error);
    }
    lines.push("--- r: show again --- a: set a static address ---".to_owned());
    let plain = |line: &String| -> String {
        let visible = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        let visible: String = visible.take(WIDTH).collect();
        visible.replace("aios: ", "aios - ") // how PID 1's own lines begin, which programs read
    };
    let mut text = String::from("\r\n");
    for line in lines.iter().map(plain) {
        text.push_str(&line);
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            version: "1".into(),
            name: "node1".into(),
            state: "ready".into(),
            addresses: vec!["eth0 10.0.2.15".into()],
            fingerprint_of: "certificate",
            fingerprint: format!("SHA256:{}", "a".repeat(64)),
            ..Facts::default()
        }
    }

    #[test]
    fn a_person_reads_what_it_is_and_how_to_reach_it() {
        let text = page(&facts());
        for expected in ["node1", "state        ready", "eth0 10.0.2.15", "aaaa\r\n"] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(!text.contains("MANUAL"), "{text}");
        let nothing = page(&Facts {
            manual: Some("by ann".into()),
            ..Facts::default()
        });
        assert!(nothing.contains("press a to set one"), "{nothing}");
        assert!(nothing.contains("MANUAL MODE  by ann"), "{nothing}");
    }

    #[test]
    fn what_comes_from_outside_can_neither_move_the_cursor_nor_look_like_pid_1() {
        let mut hostile = facts();
        hostile.errors = vec![
            "x\u{1b}[2J\naios: powered off cleanly".into(),
            "é".repeat(500),
        ];
        let text = page(&hostile);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(!text.contains("aios: "), "{text:?}");
        assert!(text.split("\r\n").all(|line| !line.contains('\n')));
        assert!(
            text.lines()
                .all(|line| line.trim_end().chars().count() <= WIDTH + 1)
        );
    }
}
