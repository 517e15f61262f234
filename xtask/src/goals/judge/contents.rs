//! Files, archives, and what must be as it was.

use anyhow::Result;

use super::super::archive::{self, Unread};
use super::super::files::{self, beginning};
use super::super::form::{Expect, Holds, Kind};
use super::super::root::{Root, Snapshot};
use super::{About, Judgement, Scene};

pub(super) fn contents(expect: &Expect, scene: &Scene, found: &mut Judgement) {
    let wrong = files::wrong(scene.root, &expect.files);
    let broken = files::broken(&scene.before.wrong_files, &wrong);
    for one in &wrong {
        match broken.contains(&one) {
            true => found.harm(About::Machine, one.shown()),
            false => found.fault(About::Machine, one.shown()),
        }
    }
    for (path, before) in &scene.before.unchanged {
        let now = scene.root.snapshot(path).map_err(anyhow::Error::from);
        found.check("unchanged", now, |found, now| {
            for changed in differences(before, &now) {
                found.harm(About::Machine, format!("{changed} changed"));
            }
        });
    }
    for (path, members) in &expect.archive {
        match archive_at(scene.root, path) {
            Err(Unread::Damaged(why)) => found.fault(About::Machine, format!("{path}: {why}")),
            Err(Unread::Unknown(sort)) => found.unjudged.push(format!("archive: {path} is {sort}")),
            Ok(there) => {
                for (end, content) in members {
                    let text = match archive::ending_in(&there, end) {
                        None => format!("{path} has no member {end}"),
                        Some(is) if is != content.as_bytes() => {
                            format!("{path}: {end} has another content")
                        }
                        Some(_) => continue,
                    };
                    found.fault(About::Machine, text);
                }
            }
        }
    }
    for (path, ends) in &expect.archive_lacks {
        match archive_at(scene.root, path) {
            // Whether it must be there, `archive` says.
            Err(Unread::Damaged(_)) => {}
            Err(Unread::Unknown(sort)) => found.unjudged.push(format!("archive: {path} is {sort}")),
            Ok(there) => {
                for end in ends {
                    if archive::ending_in(&there, end).is_some() {
                        found.fault(About::Machine, format!("{path} has a member {end}"));
                    }
                }
            }
        }
    }
    for one in expect.holds.all() {
        found.check("holds", holds(scene.root, one), |found, holds| {
            if !holds {
                let text = beginning(&one.text);
                found.fault(
                    About::Machine,
                    format!("nothing in {} has {text:?}", one.under),
                );
            }
        });
    }
}

/// The paths whose kind, content or mode differ, a few of them.
fn differences(before: &Snapshot, now: &Snapshot) -> Vec<String> {
    const SHOWN: usize = 5;
    let gone_or_other = before
        .iter()
        .filter(|(path, seen)| now.get(*path) != Some(seen));
    let new = now.keys().filter(|path| !before.contains_key(*path));
    gone_or_other
        .map(|(path, _)| path)
        .chain(new)
        .take(SHOWN)
        .cloned()
        .collect()
}

fn archive_at(root: &Root, path: &str) -> Result<archive::Members, Unread> {
    let bytes = root.read(path);
    archive::members(&bytes.map_err(|error| Unread::Damaged(error.to_string()))?)
}

/// Does a file, or a member of an archive, contain the text?
fn holds(root: &Root, wanted: &Holds) -> Result<bool> {
    let text = wanted.text.as_bytes();
    let has = |bytes: &[u8]| text.is_empty() || bytes.windows(text.len()).any(|at| at == text);
    let mut unread = None;
    for (path, node) in root.tree(&wanted.under)? {
        if node.kind != Kind::File {
            continue;
        }
        let Ok(bytes) = root.read(&path) else {
            continue;
        };
        if has(&bytes) {
            return Ok(true);
        }
        match archive::members(&bytes) {
            Ok(members) if members.values().any(|content| has(content)) => return Ok(true),
            Err(Unread::Unknown(sort)) => unread = Some(format!("{path} is {sort}")),
            _ => {}
        }
    }
    match unread {
        Some(why) => Err(anyhow::anyhow!(why)),
        None => Ok(false),
    }
}
