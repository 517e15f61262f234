//! What is to be at which paths.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::budget::{Held, Share};
use crate::changes::{Planned, may_be_changed_within};
use crate::context::Context;
use crate::error::ToolError;
use crate::file::meta::Meta;
use crate::file::name;
use crate::file::place::Place;
use crate::file::state::{State, hex};
use crate::preview::{Foreseen, Preview, TEXT_MAX};

/// Root's.
const ROOT: (u32, u32) = (0, 0);

/// What is to be at some paths, parents before what is in them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    parts: Vec<Part>,
    /// What a list of changes that others made takes in memory.
    share: Option<Arc<Share>>,
    /// A folder of aiOS's own state that it may change.
    own: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct Part {
    path: String,
    after: State,
    content: Option<Vec<u8>>,
    /// For a file with secrets: what of its text is shown.
    shown: Option<Shown>,
}

/// What of a text with secrets may be shown to people, in place of the text.
pub type Shown = fn(&str) -> String;

impl Plan {
    /// Nothing is to change.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for a tool that declares this folder of aiOS's own state
    /// ([`crate::spec::Declaration::within_own`]): what is in it may be changed.
    pub fn within_own(folder: &str, context: &Context) -> Self {
        Self {
            own: Some(context.state_dir().join(folder)),
            ..Self::default()
        }
    }

    /// A file gets this content. One that is there keeps owner, mode and attributes; a new one is
    /// root's and has this mode.
    ///
    /// # Errors
    /// `Denied` for a path that is aiOS's own; `Precondition` when something else than a file is there.
    pub fn content(
        self,
        path: &str,
        content: impl Into<Vec<u8>>,
        mode: u32,
    ) -> Result<Self, ToolError> {
        let meta = match State::at(path)? {
            State::File { meta, .. } => Meta {
                times: None,
                ..meta
            },
            State::Absent => Meta::new(mode, ROOT),
            other => {
                return Err(ToolError::Precondition(format!(
                    "{path} is a {}",
                    other.kind()
                )));
            }
        };
        self.file(path, content, meta)
    }

    /// The same for a file with secrets, such as `/etc/shadow`: a preview shows neither its text nor a
    /// digest of it, but what `shown` makes of the text before and after.
    ///
    /// # Errors
    /// As [`Self::content`].
    pub fn secret(
        self,
        path: &str,
        content: impl Into<Vec<u8>>,
        mode: u32,
        shown: Shown,
    ) -> Result<Self, ToolError> {
        let mut plan = self.content(path, content, mode)?;
        if let Some(part) = plan.parts.last_mut() {
            part.shown = Some(shown);
        }
        Ok(plan)
    }

    /// A file is to be there, with this content and this owner, mode and attributes.
    ///
    /// # Errors
    /// `Denied` for a path that is aiOS's own.
    pub fn file(
        self,
        path: &str,
        content: impl Into<Vec<u8>>,
        meta: Meta,
    ) -> Result<Self, ToolError> {
        let content = content.into();
        let after = State::File {
            meta,
            size: content.len() as u64,
            sha256: hex(&Sha256::digest(&content)),
        };
        self.part(path, after, Some(content))
    }

    /// A folder is to be there.
    ///
    /// # Errors
    /// `Denied` for a path that is aiOS's own.
    pub fn folder(self, path: &str, meta: Meta) -> Result<Self, ToolError> {
        self.part(path, State::Folder { meta }, None)
    }

    /// A symbolic link of root's is to be there.
    ///
    /// # Errors
    /// `Denied` for a path that is aiOS's own.
    pub fn link(self, path: &str, target: &str) -> Result<Self, ToolError> {
        let target = name::encode(Path::new(target));
        let meta = Meta::new(0o777, ROOT);
        self.part(path, State::Link { meta, target }, None)
    }

    /// Nothing is to be there. What is in a folder is to be named after it.
    ///
    /// # Errors
    /// `Denied` for a path that is aiOS's own.
    pub fn absent(self, path: &str) -> Result<Self, ToolError> {
        self.part(path, State::Absent, None)
    }

    /// What a program wrote over a folder. The contents are read: they and the list have a share of the
    /// memory for as long as the plan is there.
    ///
    /// # Errors
    /// `Denied` for a path that is aiOS's own; as [`Share::grow`].
    pub fn of(planned: Held<Vec<Planned>>) -> Result<Self, ToolError> {
        let (planned, mut share) = planned.into_parts();
        let mut plan = Self::new();
        for one in planned {
            let content = match (&one.after, &one.content) {
                (State::File { size, .. }, Some(kept)) => {
                    share.grow(*size).map_err(|error| match error {
                        ToolError::Precondition(why) => {
                            ToolError::Precondition(format!("too much would be written: {why}"))
                        }
                        error => error,
                    })?;
                    Some(whole(kept, *size)?)
                }
                _ => None,
            };
            plan = plan.part(&one.path, one.after, content)?;
        }
        plan.share = Some(Arc::new(share));
        Ok(plan)
    }

    fn part(
        mut self,
        path: &str,
        after: State,
        content: Option<Vec<u8>>,
    ) -> Result<Self, ToolError> {
        may_be_changed_within(path, self.own.as_slice())?;
        let path = path.to_owned();
        self.parts.push(Part {
            path,
            after,
            content,
            shown: None,
        });
        Ok(self)
    }

    /// What it would change.
    ///
    /// # Errors
    /// When it cannot be seen how something is now.
    pub fn preview(&self) -> Result<Preview, ToolError> {
        let mut changes = Vec::new();
        for part in &self.parts {
            let before = State::at(&part.path)?;
            if before.is_as(&part.after) {
                continue;
            }
            changes.push(part.foreseen(&before)?);
        }
        Ok(changes.into_iter().collect())
    }

    /// Writes the contents into files of this folder; the plan as data.
    pub(super) fn with_contents_in(self, folder: &Path) -> std::io::Result<Vec<Planned>> {
        let mut planned = Vec::new();
        for (number, part) in self.parts.into_iter().enumerate() {
            let content = match part.content {
                None => None,
                Some(content) => {
                    let file = folder.join(number.to_string());
                    std::fs::write(&file, content)?;
                    Some(file)
                }
            };
            planned.push(Planned {
                path: part.path,
                after: part.after,
                content,
            });
        }
        Ok(planned)
    }
}

impl Part {
    fn foreseen(&self, before: &State) -> Result<Foreseen, ToolError> {
        let Some(content) = &self.content else {
            return Ok(Foreseen::at(&self.path, before, &self.after));
        };
        let old = content_of(&self.path, before)?;
        let Some(shown) = self.shown else {
            return Ok(Foreseen::at(&self.path, before, &self.after).with_content(&old, content));
        };
        let [old, new] = [&old, content].map(|text| shown(&String::from_utf8_lossy(text)));
        let one = Foreseen::at_secret(&self.path, before, &self.after);
        Ok(one.with_content(old.as_bytes(), new.as_bytes()))
    }
}

/// The content of a file that has this size.
fn whole(path: &Path, size: u64) -> Result<Vec<u8>, ToolError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(size + 1).read_to_end(&mut content));
    read.map_err(|error| ToolError::io(path.display(), error))?;
    match content.len() as u64 == size {
        true => Ok(content),
        false => Err(ToolError::Failed(format!(
            "{} has not the size that was planned",
            path.display()
        ))),
    }
}

/// The text of the file at a resolved path, for a plan; `None` when there is no file. No link is followed.
///
/// # Errors
/// `Precondition` when it is no file, is larger than `most` bytes, or is no text in UTF-8.
pub fn text_at(path: &str, most: u64) -> Result<Option<String>, ToolError> {
    let Some(place) = Place::open_if_any(path)? else {
        return Ok(None);
    };
    if place.stat()?.is_none() {
        return Ok(None);
    }
    let mut content = Vec::new();
    let file = place.open_content()?;
    file.take(most + 1)
        .read_to_end(&mut content)
        .map_err(|error| ToolError::io(path, error))?;
    if content.len() as u64 > most {
        let most = crate::format::bytes(most);
        return Err(ToolError::Precondition(format!(
            "{path} is larger than {most}"
        )));
    }
    let text = String::from_utf8(content)
        .map_err(|_| ToolError::Precondition(format!("{path} is no text in UTF-8")))?;
    Ok(Some(text))
}

/// The content of a file as far as it would be compared; of anything else, none.
fn content_of(path: &str, state: &State) -> Result<Vec<u8>, ToolError> {
    match state {
        State::File { size, .. } if *size <= TEXT_MAX as u64 => {
            let mut content = Vec::new();
            let mut file = Place::open(path)?.open_content()?;
            file.read_to_end(&mut content)
                .map_err(|error| ToolError::io(path, error))?;
            Ok(content)
        }
        // Not shown: it is too large for a comparison, like any file that is not text.
        State::File { .. } => Ok(vec![0]),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_with_secrets_neither_text_nor_digest_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("shadow");
        std::fs::write(&path, "ada:$y$secret:1\n").unwrap();
        let path = path.to_str().unwrap();
        let names = |text: &str| text.replace("$y$secret", "set").replace("$y$other", "set");
        let after = "ada:$y$secret:1\nbob:$y$other:1\n";
        let plan = Plan::new().secret(path, after, 0o640, names).unwrap();
        let text = serde_json::to_string(&plan.preview().unwrap()).unwrap();
        assert!(text.contains("+bob:set:1"), "{text}");
        assert!(!text.contains("$y$") && !text.contains("SHA"), "{text}");
    }

    #[test]
    fn a_text_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
        std::fs::write(root.join("a"), "abc").unwrap();
        std::os::unix::fs::symlink("a", root.join("link")).unwrap();
        assert_eq!(text_at(&at("none"), 9), Ok(None));
        assert_eq!(text_at(&at("a"), 3), Ok(Some("abc".to_owned())));
        text_at(&at("a"), 2).unwrap_err();
        text_at(&at("link"), 9).unwrap_err();
    }
}
