//! Git repositories of the appliance: made for it, and read without running anything that it wrote.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::form::{Git, Kind};
use super::root::{Root, below};

/// What of a repository is copied to read its log: no configuration and no hook, which could name programs.
const READ: [&str; 4] = ["HEAD", "packed-refs", "refs", "objects"];

/// Makes a bare repository with one commit.
///
/// # Errors
/// When git fails here, or it cannot be written there.
pub fn make(root: &Root, git: &Git) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (work, bare) = (folder.path().join("work"), folder.path().join("bare"));
    for (name, content) in &git.files {
        let file = work.join(name);
        std::fs::create_dir_all(file.parent().unwrap_or(&work))?;
        std::fs::write(&file, content)?;
    }
    let (name, mail) = git.author.split_once('<').unwrap_or((&git.author, ""));
    let identity = [
        format!("user.name={}", name.trim()),
        format!("user.email={}", mail.trim_end_matches('>')),
    ];
    run(&work, &["init", "--quiet", "--initial-branch", &git.branch])?;
    run(&work, &["add", "--all"])?;
    let message = ["--message", &git.message];
    let commit = ["-c", &identity[0], "-c", &identity[1], "commit", "--quiet"];
    run(&work, &[&commit[..], &message[..]].concat())?;
    run(
        folder.path(),
        &["clone", "--quiet", "--bare", "work", "bare"],
    )?;
    copy_in(&bare, root, &git.path)
}

/// The subject of the newest commit of what is checked out; `None` when there is no commit. The repository is at
/// the path, or in `.git` there.
///
/// # Errors
/// When it cannot be copied.
pub fn newest_subject(root: &Root, path: &str) -> Result<Option<String>> {
    let inside = below(path, ".git");
    let path = match root.look(&inside)? {
        Some(node) if node.kind == Kind::Directory => inside,
        _ => path.to_owned(),
    };
    let folder = tempfile::tempdir()?;
    run(folder.path(), &["init", "--quiet", "--bare"])?;
    for name in READ {
        copy_out(root, &below(&path, name), &folder.path().join(name))?;
    }
    let log = git(folder.path(), &["log", "-1", "--format=%s"]).output()?;
    let subject = String::from_utf8_lossy(&log.stdout).trim_end().to_owned();
    Ok(log.status.success().then_some(subject))
}

fn run(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = git(folder, arguments).output().context("cannot run git")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "git {}: {said}",
        arguments.join(" ")
    );
    Ok(())
}

/// git with none of this machine's configuration.
fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR");
    git
}

fn copy_in(from: &Path, root: &Root, to: &str) -> Result<()> {
    root.make_folder(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = below(to, &entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => copy_in(&entry.path(), root, &to)?,
            false => root.write(&to, &std::fs::read(entry.path())?)?,
        }
    }
    Ok(())
}

/// Copies folders and files. Links are left out, and `alternates`, which would name folders of this machine.
fn copy_out(root: &Root, from: &str, to: &Path) -> Result<()> {
    match root.look(from)?.map(|node| node.kind) {
        Some(Kind::Directory) => {
            std::fs::create_dir_all(to)?;
            for name in root
                .names(from)?
                .iter()
                .filter(|name| *name != "alternates")
            {
                copy_out(root, &below(from, name), &to.join(name))?;
            }
        }
        Some(Kind::File) => std::fs::write(to, root.read(from)?)?,
        Some(Kind::Symlink) | None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_commit_is_told_and_nothing_of_the_repository_runs() {
        if !aios_testkit::needs::programs(&["git"]) && Command::new("git").output().is_err() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let git: Git = serde_json::from_str(
            r#"{"path":"/srv/o.git","branch":"winter","message":"Tighten the lines","files":{"d/a":"1"}}"#,
        )
        .unwrap();
        make(&root, &git).unwrap();
        let newest = |path| newest_subject(&root, path).unwrap();
        assert_eq!(newest("/srv/o.git").as_deref(), Some("Tighten the lines"));
        assert_eq!(newest("/srv/none"), None);
        let mark = folder.path().join("ran");
        let evil = format!(
            "[log]\n\tshowSignature = true\n[gpg]\n\tprogram = touch {}\n[core]\n\tpager = touch {0}\n",
            mark.display()
        );
        root.write("/srv/o.git/config", evil.as_bytes()).unwrap();
        assert!(newest("/srv/o.git").is_some());
        assert!(!mark.exists());
    }
}
