//! The pages point to what is there: their links to files and headings, and the paths that they name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read the repository should stop"
)]

use std::path::{Path, PathBuf};

/// Folders that hold no pages of ours, or far too many files.
const PASSED_OVER: [&str; 3] = ["target", ".git", "node_modules"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// All Markdown files below a folder.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() && !PASSED_OVER.contains(&name.as_str()) {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

fn all_pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    pages(&repository(), &mut found);
    assert!(found.len() > 8, "{found:?}");
    found
}

/// The page without its blocks of code.
fn prose(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let parts = text.split("```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// The names by which a page's headings are linked: lower case, hyphens for spaces, no other marks.
fn anchors(path: &Path) -> Vec<String> {
    let prose = prose(path);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// The targets of `[text](target)`.
fn links(prose: &str) -> Vec<&str> {
    let ends = prose.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .collect()
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    for page in all_pages() {
        let prose = prose(&page);
        let local = |target: &&str| !target.contains("://") && !target.contains(' ');
        for target in links(&prose).into_iter().filter(local) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            assert!(to.exists(), "{}: {target}", page.display());
            let is_there = heading.is_empty() || anchors(&to).iter().any(|known| known == heading);
            assert!(is_there, "{}: {target}: no such heading", page.display());
        }
    }
}

/// What a page may name: folders, and files with these endings.
const NAMED: [&str; 8] = ["md", "proto", "py", "rs", "sh", "toml", "tsv", "txt"];

/// `tools/src/store.rs` and the like: a path below a folder at the repository's top, or below the
/// folder of the page.
#[test]
fn each_path_that_a_page_names_is_there() {
    let root = repository();
    for page in all_pages() {
        let prose = prose(&page);
        let folder = page.parent().unwrap();
        for text in prose.split('`').skip(1).step_by(2) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
            let Some((first, rest)) = text.split_once('/') else {
                continue;
            };
            // What is built, and what only looks like a path, is not in the repository.
            let ending = Path::new(text)
                .extension()
                .and_then(|ending| ending.to_str());
            if !text.chars().all(plain)
                || [first, rest].contains(&"")
                || first == "target"
                || ending.is_some_and(|ending| !NAMED.contains(&ending))
            {
                continue;
            }
            let bases = [root.as_path(), folder];
            let is_ours = bases.iter().any(|base| base.join(first).is_dir());
            let is_there = bases.iter().any(|base| base.join(text).exists());
            assert!(is_there || !is_ours, "{}: {text}", page.display());
        }
    }
}
