//! Which model files there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Characters of a model's name.
const NAME_MAX: usize = 64;

/// May this be a model's name? It becomes a file's name: no separators, no leading dot.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.')
}

/// The models of a folder, by name; a folder that is not there holds none.
pub fn scan(folder: &Path) -> BTreeMap<String, PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    let model = |path: PathBuf| {
        let name = path
            .file_name()?
            .to_str()?
            .strip_suffix(".gguf")?
            .to_owned();
        is_name(&name).then_some((name, path))
    };
    entries
        .filter_map(|entry| model(entry.ok()?.path()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_out_of_the_folder() {
        let check = |name: &str, expected| assert_eq!(is_name(name), expected, "{name:?}");
        check("embedding", true);
        check("Phi-3_mini.q4", true);
        check("", false);
        check("..", false);
        check("a/b", false);
        check("a\0b", false);
        check(&"x".repeat(65), false);
    }

    #[test]
    fn only_gguf_files_are_models() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.gguf", "a.test.json", "b.bin", ".gguf"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found: Vec<String> = scan(folder.path()).into_keys().collect();
        assert_eq!(found, ["a"]);
        assert!(scan(Path::new("/nonexistent")).is_empty());
    }
}
