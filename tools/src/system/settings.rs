//! Files of settings, a `NAME=value` on each line: os-release(5), locale.conf(5).

/// The value of a name; of several, the last. Quotes around it are left out.
pub fn value(text: &str, name: &str) -> Option<String> {
    let of = |line: &str| {
        let rest = line.trim().strip_prefix(name)?.strip_prefix('=')?;
        Some(aios_tool::format::printable(unquoted(rest.trim())))
    };
    text.lines()
        .filter_map(of)
        .next_back()
        .filter(|value| !value.is_empty())
}

fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_names() {
        let text = "# LANG=no\nLANG=C\n LANG=\"de_DE.UTF-8\"\nLANGUAGE=de\nID='x y'\nEMPTY=\n";
        let check = |name, expected: Option<&str>| {
            assert_eq!(value(text, name).as_deref(), expected, "{name}");
        };
        check("LANG", Some("de_DE.UTF-8"));
        check("LANGUAGE", Some("de"));
        check("ID", Some("x y"));
        check("EMPTY", None);
        check("NONE", None);
        assert_eq!(unquoted("\""), "\"");
    }
}
