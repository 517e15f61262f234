//! `git.*` on real repositories, friendly and hostile ones, through the whole pipeline.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

#[path = "../../tests/common/mod.rs"]
mod common;
mod scene;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use aios_tool::error::ToolError;
use scene::{Scene, tree};
use serde_json::{Value, json};

/// git as a person of this machine would use it, to make what the tools then meet.
fn git(folder: &Path, words: &[&str]) -> String {
    let mut git = Command::new("git");
    let answer = git
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["-c", "user.name=P", "-c", "user.email=p@example.org"])
        .args(["-c", "init.defaultBranch=main"])
        .args(words)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "git {words:?}: {errors}");
    String::from_utf8(answer.stdout).unwrap()
}

fn repository(scene: &Scene) -> (std::path::PathBuf, Value) {
    let folder = scene.path("app");
    std::fs::create_dir(&folder).unwrap();
    let argument = json!(folder.to_str().unwrap());
    (folder, argument)
}

/// Does it, undoes it, and does it again.
fn there_and_back(scene: &Scene, folder: &Path, tool: &str, arguments: &Value) -> String {
    let before = tree(folder);
    let preview = scene.preview(tool, arguments.clone()).unwrap();
    assert!(preview.count() > 0, "{tool}: {preview:?}");
    let again = scene.preview(tool, arguments.clone()).unwrap();
    assert_eq!(preview.digest(), again.digest(), "{tool}");
    assert_eq!(
        tree(folder),
        before,
        "{tool}: its preview changed something"
    );
    let done = scene.done(tool, arguments.clone());
    assert!(done.reversible, "{tool}");
    assert_ne!(tree(folder), before, "{tool}");
    scene.machine.undo(&done).unwrap();
    assert_eq!(tree(folder), before, "{tool}: undone");
    assert!(scene.is_tidy(), "{tool}");
    scene.done(tool, arguments.clone()).summary
}

#[test]
fn a_repository_lives_and_every_step_is_taken_back() {
    let Some(scene) = Scene::new(&["git"]) else {
        return;
    };
    let (folder, at) = repository(&scene);
    let refused = scene
        .act("git.status", json!({"repository": at}))
        .unwrap_err();
    assert!(
        refused.to_string().ends_with("make one: git.init"),
        "{refused}"
    );
    there_and_back(&scene, &folder, "git.init", &json!({"repository": at}));
    std::fs::create_dir(folder.join("src")).unwrap();
    std::fs::write(folder.join("src/a"), "one\n").unwrap();
    std::fs::write(folder.join("b"), "two\n").unwrap();
    let status = scene.done("git.status", json!({"repository": at}));
    assert!(
        status
            .summary
            .ends_with("on main, 2 files differ, 0 of them staged"),
        "{}",
        status.summary
    );
    let commit = json!({"repository": at, "message": "First\n\nMore."});
    let refused = scene.act("git.commit", commit.clone()).unwrap_err();
    assert_eq!(refused.to_string(), "nothing is staged; stage it: git.add");
    let one = json!({"repository": at, "files": ["src"]});
    let said = there_and_back(&scene, &folder, "git.add", &one);
    assert!(said.ends_with("1 files are staged"), "{said}");
    let preview = scene.preview("git.commit", commit.clone()).unwrap();
    assert!(preview.changes[0].diff.contains("+one"), "{preview:?}");
    there_and_back(&scene, &folder, "git.commit", &commit);
    let said = git(&folder, &["log", "--format=%an <%ae> %s", "--name-only"]);
    assert_eq!(said, "aiOS <aios@localhost> First\n\nsrc/a\n");
    let next = json!({"repository": at, "branch": "feature/x"});
    there_and_back(&scene, &folder, "git.branch", &next);
    there_and_back(&scene, &folder, "git.checkout", &next);
    scene.done("git.add", json!({"repository": at}));
    scene.done(
        "git.commit",
        json!({"repository": at, "message": "Second", "author": "A B", "email": "a@b"}),
    );
    // The working tree loses a file, and gets it back with undo.
    let back = json!({"repository": at, "branch": "main"});
    there_and_back(&scene, &folder, "git.checkout", &back);
    assert!(!folder.join("b").exists() && folder.join("src/a").exists());
    let all = scene.done("git.branches", json!({"repository": at}));
    assert!(
        all.summary.contains("has 2 branches: feature/x") && all.summary.contains("*main"),
        "{}",
        all.summary
    );
    let log = scene.done("git.log", json!({"repository": at, "from": "feature/x"}));
    assert!(
        log.summary.contains("Second (A B <a@b>)\n"),
        "{}",
        log.summary
    );
    std::fs::write(folder.join("src/a"), "other\n").unwrap();
    let diff = scene.done("git.diff", json!({"repository": at}));
    assert!(
        diff.summary
            .ends_with("1 files differ, 1 lines came, 1 went"),
        "{}",
        diff.summary
    );
    // Never over changes that are not committed.
    git(&folder, &["branch", "away", "feature/x"]);
    std::fs::write(folder.join("b"), "mine\n").unwrap();
    let before = tree(&folder);
    let refused = scene.act("git.checkout", next).unwrap_err();
    assert!(matches!(refused, ToolError::Precondition(_)), "{refused}");
    assert_eq!(tree(&folder), before);
    git(&folder, &["fsck", "--strict"]);
}

#[test]
fn a_copy_is_made_from_a_folder_and_taken_back() {
    let Some(scene) = Scene::new(&["git"]) else {
        return;
    };
    let (folder, at) = repository(&scene);
    git(&folder, &["init", "-q"]);
    std::fs::write(folder.join("a"), "one\n").unwrap();
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "First"]);
    let copy = scene.path("copy");
    let arguments = json!({"source": at, "destination": copy.to_str().unwrap()});
    let before = tree(copy.parent().unwrap());
    scene.preview("git.clone", arguments.clone()).unwrap();
    let done = scene.done("git.clone", arguments.clone());
    assert!(done.summary.contains("on main at"), "{}", done.summary);
    assert_eq!(std::fs::read_to_string(copy.join("a")).unwrap(), "one\n");
    scene.machine.undo(&done).unwrap();
    assert_eq!(tree(copy.parent().unwrap()), before);
    // What is no repository leaves nothing.
    std::fs::remove_dir_all(folder.join(".git")).unwrap();
    let refused = scene.act("git.clone", arguments).unwrap_err();
    assert!(matches!(refused, ToolError::Precondition(_)), "{refused}");
    assert!(!copy.exists());
    for source in [
        "ext::sh -c true",
        "ssh://localhost/x",
        "http://127.0.0.1:1/x",
        "http://[::1]/x",
    ] {
        let arguments = json!({"source": source, "destination": copy.to_str().unwrap()});
        let refused = scene.act("git.clone", arguments).unwrap_err();
        assert!(
            matches!(refused, ToolError::Invalid(_) | ToolError::Denied(_)),
            "{source}: {refused}"
        );
        assert!(!copy.exists());
    }
}

/// A script that leaves a mark where git works.
fn trap(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "#!/bin/sh\necho caught >> \"${MARK:-caught}\"\ncat\n").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn nothing_that_a_hostile_repository_names_is_run() {
    let Some(scene) = Scene::new(&["git"]) else {
        return;
    };
    let (folder, at) = repository(&scene);
    git(&folder, &["init", "-q"]);
    std::fs::write(folder.join("a"), "one\n").unwrap();
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "First"]);
    git(&folder, &["branch", "next"]);
    let trap_file = folder.join("trap");
    trap(&trap_file);
    let path = trap_file.to_str().unwrap();
    for hook in [
        "pre-commit",
        "commit-msg",
        "prepare-commit-msg",
        "post-commit",
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ] {
        trap(&folder.join(".git/hooks").join(hook));
    }
    for key in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.editor",
        "core.pager",
        "core.askPass",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "diff.external",
        "gpg.program",
        "credential.helper",
        "filter.x.clean",
        "filter.x.smudge",
        "filter.x.process",
        "diff.x.textconv",
        "diff.x.command",
        "merge.x.driver",
        "pager.log",
        "pager.diff",
        "alias.status",
        "alias.add",
        "interactive.diffFilter",
        "sequence.editor",
        "trailer.x.command",
        "uploadpack.packObjectsHook",
        "remote.origin.uploadpack",
    ] {
        git(&folder, &["config", key, path]);
    }
    for (key, value) in [
        ("commit.gpgSign", "true"),
        ("log.showSignature", "true"),
        ("filter.x.required", "false"),
        ("alias.log", "!sh trap"),
        ("diff.submodule", "diff"),
        ("submodule.recurse", "true"),
    ] {
        git(&folder, &["config", key, value]);
    }
    git(
        &folder,
        &["config", "include.path", "/etc/passwd-that-is-not-there"],
    );
    std::fs::write(folder.join(".gitattributes"), "* filter=x diff=x merge=x\n").unwrap();
    std::fs::write(folder.join("a"), "two\n").unwrap();
    std::fs::write(folder.join("c"), "three\n").unwrap();
    let whole = json!({"repository": at});
    for tool in [
        "git.status",
        "git.diff",
        "git.log",
        "git.branches",
        "git.add",
    ] {
        scene.done(tool, whole.clone());
    }
    scene.done("git.commit", json!({"repository": at, "message": "Second"}));
    scene.done("git.branch", json!({"repository": at, "branch": "third"}));
    scene.done("git.checkout", json!({"repository": at, "branch": "next"}));
    let copy = scene.path("copy");
    scene.done(
        "git.clone",
        json!({"source": at, "destination": copy.to_str().unwrap()}),
    );
    let caught = Command::new("find")
        .arg(scene.machine.folder.path())
        .args(["-name", "caught*"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(caught.stdout).unwrap(), "");
    // The trap works: a person who uses git there is caught.
    std::fs::write(folder.join("d"), "four\n").unwrap();
    drop(
        Command::new("git")
            .current_dir(&folder)
            .args(["add", "d"])
            .output()
            .unwrap(),
    );
    assert!(folder.join("caught").exists());
}

#[test]
fn what_is_elsewhere_is_not_followed() {
    let Some(scene) = Scene::new(&["git"]) else {
        return;
    };
    let (folder, at) = repository(&scene);
    let other = scene.path("other");
    std::fs::create_dir(&other).unwrap();
    git(&other, &["init", "-q"]);
    let whole = json!({"repository": at});
    let text = format!("gitdir: {}/.git\n", other.display());
    std::fs::write(folder.join(".git"), text).unwrap();
    assert!(scene.act("git.status", whole.clone()).is_err());
    std::fs::remove_file(folder.join(".git")).unwrap();
    std::os::unix::fs::symlink(other.join(".git"), folder.join(".git")).unwrap();
    assert!(scene.act("git.status", whole).is_err());
    let (here, name) = (
        json!({"repository": "/etc/aios"}),
        json!({"repository": at, "branch": "--x"}),
    );
    assert!(matches!(
        scene.act("git.init", here).unwrap_err(),
        ToolError::Denied(_)
    ));
    assert!(matches!(
        scene.act("git.branch", name).unwrap_err(),
        ToolError::Invalid(_)
    ));
    let outside = json!({"repository": at, "files": ["../other"]});
    assert!(matches!(
        scene.act("git.add", outside).unwrap_err(),
        ToolError::Invalid(_)
    ));
}
