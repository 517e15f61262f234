//! A goal as its file holds it, one JSON object a line. Every key is known here or refused.

mod expect;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

pub use self::expect::*;

/// One goal with what must be so before it and after it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// Unique; the goal's folders are called after it.
    pub id: String,
    pub voice: String,
    pub kind: String,
    /// What the tester does first.
    #[serde(default)]
    pub setup: Vec<Step>,
    /// Steps after `setup`, in the conversation of the goal.
    #[serde(default)]
    pub before: Vec<Step>,
    /// The operator's words.
    pub goal: String,
    /// What the machine or its surroundings must offer.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What makes a goal that was beyond the appliance possible, in words: a person then takes it out.
    #[serde(default)]
    pub retire_when: Option<String>,
    pub expect: Expect,
}

/// Something that the tester does, or in `before` a goal that is given.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    Write(Write),
    Mkdir(String),
    Symlink(Link),
    Delete(String),
    Goal(String),
    Unit(Unit),
    Package(String),
    User(String),
    SshKey(SshKey),
    Interface(Interface),
    Http(Http),
    Service(Service),
    Container(Container),
    Git(Git),
    GitCommit(GitCommit),
}

/// A file of mode 0644; its folders are made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    pub path: String,
    pub content: String,
    /// Its time of change lies so many days back.
    #[serde(default)]
    pub age_days: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub path: String,
    pub target: String,
}

/// A service of this unit file, installed and started.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    pub name: String,
    pub content: String,
}

/// A key that may log in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshKey {
    pub user: String,
    pub key: String,
}

/// A dummy link, by its name or with an address (`192.0.2.1/24`).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Interface {
    Named(String),
    Addressed { name: String, address: String },
}

/// Something on 127.0.0.1 that answers every request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub port: u16,
    pub body: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub name: String,
    pub state: Running,
}

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Running {
    Running,
    Stopped,
}

/// Known so that it is not refused; no tester's hand makes one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    pub name: String,
    #[expect(dead_code, reason = "a goal with it is skipped")]
    image: String,
    #[expect(dead_code, reason = "a goal with it is skipped")]
    command: String,
}

/// A bare repository with one commit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Git {
    pub path: String,
    pub files: BTreeMap<String, String>,
    #[serde(default = "main_branch")]
    pub branch: String,
    #[serde(default = "first_message")]
    pub message: String,
    #[serde(default = "author")]
    pub author: String,
}

fn main_branch() -> String {
    "main".to_owned()
}

fn first_message() -> String {
    "First".to_owned()
}

fn author() -> String {
    "Tester <tester@example.org>".to_owned()
}

/// Known so that it is not refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitCommit {
    pub path: String,
    #[expect(dead_code, reason = "a goal with it is skipped")]
    files: BTreeMap<String, String>,
    #[expect(dead_code, reason = "a goal with it is skipped")]
    message: String,
}

/// The goals of some files, in their order.
///
/// # Errors
/// When a file cannot be read; at the first line that is not of the form, with file, line and key; when an id
/// is there twice.
pub fn read<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<Vec<Goal>> {
    let mut goals = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        goals.extend(parse(&file.display().to_string(), &text)?);
    }
    let mut ids = BTreeSet::new();
    for goal in &goals {
        ensure!(ids.insert(&goal.id), "two goals have the id {}", goal.id);
    }
    Ok(goals)
}

fn parse(file: &str, text: &str) -> Result<Vec<Goal>> {
    let mut goals = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("{file}:{}", number + 1);
        let goal: Goal = serde_json::from_str(line).with_context(place)?;
        check(&goal).with_context(place)?;
        goals.push(goal);
    }
    Ok(goals)
}

/// What the types do not say.
fn check(goal: &Goal) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    ensure!(
        !goal.id.is_empty() && goal.id.chars().all(plain),
        "the id {:?} is no name of a folder",
        goal.id
    );
    let expect = &goal.expect;
    let steps = goal
        .setup
        .iter()
        .chain(&goal.before)
        .chain(&expect.after)
        .filter_map(Step::path);
    let files = expect.files.keys().chain(&expect.unchanged);
    for path in steps.chain(files.map(String::as_str)) {
        ensure!(path.starts_with('/'), "the path {path:?} is not absolute");
    }
    for step in goal.setup.iter().chain(&expect.after) {
        if let Step::Goal(text) = step {
            bail!("the goal {text:?} stands in `setup` or `after`; it belongs in `before`");
        }
    }
    for port in expect.listening.keys() {
        port.parse::<u16>()
            .with_context(|| format!("listening: {port:?} is no port"))?;
    }
    Ok(())
}

impl Step {
    /// The path that it makes or takes away.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Write(write) => Some(&write.path),
            Self::Mkdir(path) | Self::Delete(path) => Some(path),
            Self::Symlink(link) => Some(&link.path),
            Self::Git(git) => Some(&git.path),
            _ => None,
        }
    }

    /// Does it change files of the goal's own, and nothing else?
    pub fn is_of_files(&self) -> bool {
        matches!(
            self,
            Self::Write(_) | Self::Mkdir(_) | Self::Symlink(_) | Self::Delete(_) | Self::Goal(_)
        )
    }
}

impl Goal {
    /// Does it reach further than the goal's own files and a restarted service? What it leaves would meet the
    /// goals after it.
    pub fn leaves_traces(&self) -> bool {
        let expect = &self.expect;
        let steps = self.setup.iter().chain(&self.before).chain(&expect.after);
        let elsewhere = ["/srv/", "/home/workspaces/", "/var/tmp/"];
        let files = expect.files.keys();
        steps.into_iter().any(|step| !step.is_of_files())
            || files
                .into_iter()
                .any(|path| !elsewhere.iter().any(|own| path.starts_with(own)))
            || !(expect.packages.is_empty()
                && expect.enabled.is_empty()
                && expect.users.is_empty()
                && expect.ssh_keys.is_empty()
                && expect.address.is_empty()
                && expect.listening.is_empty()
                && expect.http.all().is_empty())
            || !expect.firewall.is_empty()
            || expect.hostname.is_some()
            || !expect.not_judged().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(more: &str) -> String {
        format!(r#"{{"id":"a1","voice":"terse","kind":"read","goal":"x","expect":{{{more}}}}}"#)
    }

    #[test]
    fn a_key_that_nobody_knows_is_named_with_file_and_line() {
        let check = |text: String, parts: &[&str]| {
            let error = format!("{:#}", parse("f.jsonl", &text).unwrap_err());
            for part in parts {
                assert!(error.contains(part), "{error} lacks {part}");
            }
        };
        let good = line("");
        check(
            format!("{good}\n\n{}", line(r#""answre_all":["x"]"#)),
            &["f.jsonl:3", "answre_all"],
        );
        check(
            line(r#""files":{"/srv/a":{"existz":true}}"#),
            &["f.jsonl:1", "existz"],
        );
        check(
            line(r#""answer_all":["(open"]"#),
            &["f.jsonl:1", "(open", "expression"],
        );
        check(line(r#""truth":"moon""#), &["moon", "hostname"]);
        check(line(r#""unchanged":["srv/a"]"#), &["srv/a", "not absolute"]);
        check(
            good.replace(r#""goal""#, r#""setup":[{"wriet":{}}],"goal""#),
            &["wriet"],
        );
        check(good.replace("a1", "../a"), &["../a"]);
    }

    #[test]
    fn an_id_stands_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jsonl");
        std::fs::write(&file, format!("{0}\n{0}\n", line(""))).unwrap();
        let error = read([file.as_path()]).unwrap_err().to_string();
        assert!(error.contains("a1"), "{error}");
    }

    #[test]
    fn only_what_reaches_further_than_its_own_files_leaves_traces() {
        let check = |more: &str, expected: bool| {
            let goals = parse("f", &line(more)).unwrap();
            assert_eq!(goals[0].leaves_traces(), expected, "{more}");
        };
        check(r#""files":{"/srv/a1/x":{"exists":true}}"#, false);
        check(r#""restarted":["time"]"#, false);
        check(r#""files":{"/etc/passwd":{"lacks":"x"}}"#, true);
        check(r#""firewall":{"deny":[{"port":1,"from":"any"}]}"#, true);
        check(r#""schedule":{}"#, true);
    }

    #[test]
    fn the_two_sets_are_of_the_form() {
        let folder = crate::paths::repository().join("brain/data/test");
        let mut goals = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "jsonl") {
                goals += read([path.as_path()]).unwrap().len();
            }
        }
        assert!(goals >= 600, "{goals}");
    }
}
