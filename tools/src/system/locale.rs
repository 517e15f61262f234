//! `system.locale`: in which language and with which forms programs speak.

use super::settings::value;
use crate::procfs::{printable, read};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// Where the language of new programs is set; locale.conf(5), and Debian's file.
const FILES: [&str; 2] = ["/etc/locale.conf", "/etc/default/locale"];
/// Where languages lie that programs can speak.
const INSTALLED: &str = "/usr/lib/locale";
/// What programs use when nothing is set.
const DEFAULT: &str = "C";

/// The tool `system.locale`.
pub struct Locale;

/// The setting.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The locale of new programs (`LANG`): `C.UTF-8`; `C` when none is set.
    pub locale: String,
    /// The file that sets it; absent when none does.
    pub set_in: Option<String>,
    /// Locales that are installed.
    pub installed: Vec<String>,
}

impl Tool for Locale {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "system.locale",
            "Shows the language setting, and which are installed.",
        )
        .needing("system", "read", "locale")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let locale = match &output.set_in {
            Some(file) => format!("the locale is {} (set in {file})", output.locale),
            None => format!("no locale is set, so programs use {}", output.locale),
        };
        match output.installed.is_empty() {
            true => format!("{locale}; none is installed beside it"),
            false => format!("{locale}; installed: {}", output.installed.join(", ")),
        }
    }
}

impl Look for Locale {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let set = FILES.iter().find_map(|file| {
            let text = read(file).ok()?;
            Some((value(&text, "LANG")?, (*file).to_owned()))
        });
        let (locale, set_in) = match set {
            Some((locale, file)) => (locale, Some(file)),
            None => (DEFAULT.to_owned(), None),
        };
        let entries = std::fs::read_dir(INSTALLED).into_iter().flatten().flatten();
        let mut installed: Vec<String> = entries
            .map(|entry| printable(&entry.file_name().to_string_lossy()))
            .filter(|name| name != "locale-archive")
            .collect();
        installed.sort_unstable();
        Ok(Output {
            locale,
            set_in,
            installed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;

    #[test]
    fn it_says_what_is_set_or_that_nothing_is() {
        let done = call::<Locale>(json!({})).unwrap();
        assert!(!done.output["locale"].as_str().unwrap().is_empty());
        assert!(done.summary.contains("locale is"), "{}", done.summary);
        let none = Output {
            locale: "C".into(),
            set_in: None,
            installed: Vec::new(),
        };
        let input: Nothing = serde_json::from_value(json!({})).unwrap();
        let said = Locale::summarize(&input, &none);
        assert_eq!(
            said,
            "no locale is set, so programs use C; none is installed beside it"
        );
    }
}
