//! What the tester does with its own hand, before a goal and after it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::form::{Goal, Interface, Running as Wanted, SshKey, Step, Unit, Write};
use super::judge::{home_of, service_called};
use super::live::{Live, Running};
use super::root::{Root, below};
use super::{packet, repository};

/// The first number of a person's account.
const FIRST_PERSON: u32 = 1000;

/// What the machine lacks without which the goal cannot come true: a service, or a packet filter. A container
/// has fewer services than a machine with hardware, and the host's kernel decides about the packet filter.
///
/// # Errors
/// When the machine does not answer.
pub fn absent(goal: &Goal, live: &dyn Live) -> Result<Option<String>> {
    let expect = &goal.expect;
    let installs = |name: &str| {
        let mut steps = goal.setup.iter();
        steps.any(|step| matches!(step, Step::Unit(unit) if unit.name == name))
    };
    let names = expect.service.keys();
    let names = names.chain(&expect.restarted).chain(&expect.not_restarted);
    let mut names = names.filter(|name| !installs(name)).peekable();
    if names.peek().is_some() {
        let services = live.services()?;
        if let Some(name) = names.find(|name| service_called(&services, name).is_none()) {
            return Ok(Some(format!("this machine has no service {name}")));
        }
    }
    if !expect.firewall.is_empty() && !packet::has_filter(&live.rules()?) {
        return Ok(Some("this machine has no packet filter".to_owned()));
    }
    Ok(None)
}

/// Why a goal cannot be given here, or `None`.
pub fn lacking(goal: &Goal, root: &Root) -> Option<String> {
    let git = || root.look("/usr/bin/git").is_ok_and(|git| git.is_some());
    let lacks = |need: &&String| match need.as_str() {
        "git" => !git(),
        "spare interface" => false, // the step that makes it says when it cannot
        _ => true,
    };
    if let Some(need) = goal.needs.iter().find(lacks) {
        return Some(format!("it needs: {need}"));
    }
    let steps = goal
        .setup
        .iter()
        .chain(&goal.before)
        .chain(&goal.expect.after);
    let what = steps.into_iter().find_map(|step| match step {
        Step::Package(name) => Some(format!("the package {name}")),
        Step::Container(container) => Some(format!("the container {}", container.name)),
        Step::GitCommit(commit) => Some(format!("a commit in {}", commit.path)),
        _ => None,
    });
    what.map(|what| format!("this tester cannot set up {what}"))
}

/// Does a step. A goal is no step of the tester's.
///
/// # Errors
/// When it cannot be done.
pub fn take(step: &Step, root: &Root, running: &Running) -> Result<()> {
    match step {
        Step::Write(write) => write_file(root, write),
        Step::Mkdir(path) => root.make_folder(path).with_context(|| path.clone()),
        Step::Symlink(link) => root
            .link(&link.path, &link.target)
            .with_context(|| link.path.clone()),
        Step::Delete(path) => root.delete(path).with_context(|| path.clone()),
        Step::Unit(unit) => install(root, running, unit),
        Step::User(name) => add_account(root, name),
        Step::SshKey(key) => allow_key(root, key),
        Step::Interface(interface) => add_interface(running, interface),
        Step::Http(http) => running.serve(http),
        Step::Service(service) => {
            let what = match service.state {
                Wanted::Running => "start",
                Wanted::Stopped => "stop",
            };
            running
                .ctl
                .run(&["services", what, &service.name])
                .map(drop)
        }
        Step::Git(git) => repository::make(root, git),
        Step::Goal(_) | Step::Package(_) | Step::Container(_) | Step::GitCommit(_) => {
            bail!("that is no step of this tester's")
        }
    }
}

fn write_file(root: &Root, write: &Write) -> Result<()> {
    root.write(&write.path, write.content.as_bytes())
        .with_context(|| write.path.clone())?;
    if write.age_days > 0 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let changed = i64::try_from(now)? - i64::from(write.age_days) * 86_400;
        root.set_changed(&write.path, changed)?;
    }
    Ok(())
}

fn install(root: &Root, running: &Running, unit: &Unit) -> Result<()> {
    let path = below("/etc/systemd/system", &format!("{}.service", unit.name));
    root.write(&path, unit.content.as_bytes())?;
    // One that is made to fail refuses to start; that is what its goal is about.
    drop(running.ctl.output(&["services", "start", &unit.name])?);
    Ok(())
}

/// An account as useradd(8) makes it, with a home folder, without a password.
fn add_account(root: &Root, name: &str) -> Result<()> {
    let passwd = text(root, "/etc/passwd")?;
    if home_of(&passwd, name).is_some() {
        return Ok(());
    }
    let id = next_id(&passwd);
    let lines = [
        (
            "/etc/passwd",
            format!("{name}:x:{id}:{id}::/home/{name}:/bin/sh\n"),
            0o644,
        ),
        ("/etc/group", format!("{name}:x:{id}:\n"), 0o644),
        (
            "/etc/shadow",
            format!("{name}:*:20000:0:99999:7:::\n"),
            0o640,
        ),
    ];
    for (path, line, mode) in lines {
        let text = text(root, path)?;
        root.write(path, format!("{text}{line}").as_bytes())?;
        root.set_mode(path, mode)?;
    }
    let home = below("/home", name);
    root.make_folder(&home)?;
    Ok(root.give_to(&home, id)?)
}

fn allow_key(root: &Root, key: &SshKey) -> Result<()> {
    let passwd = text(root, "/etc/passwd")?;
    let home = home_of(&passwd, &key.user).with_context(|| format!("no account {}", key.user))?;
    let id = id_of(&passwd, &key.user).context("/etc/passwd is damaged")?;
    let folder = below(home, ".ssh");
    let file = below(&folder, "authorized_keys");
    let before = text(root, &file).unwrap_or_default();
    root.write(&file, format!("{before}{}\n", key.key).as_bytes())?;
    for (path, mode) in [(&folder, 0o700), (&file, 0o600)] {
        root.set_mode(path, mode)?;
        root.give_to(path, id)?;
    }
    Ok(())
}

fn text(root: &Root, path: &str) -> Result<String> {
    let bytes = root.read(path).with_context(|| path.to_owned())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The number after the greatest of a person's account.
fn next_id(passwd: &str) -> u32 {
    let ids = passwd.lines().filter_map(id_in);
    // `nobody` and its like are above them.
    let people = ids.filter(|id| (FIRST_PERSON..60_000).contains(id));
    people.max().map_or(FIRST_PERSON, |id| id + 1)
}

fn id_of(passwd: &str, user: &str) -> Option<u32> {
    let mut lines = passwd.lines();
    lines
        .find(|line| line.split(':').next() == Some(user))
        .and_then(id_in)
}

fn id_in(line: &str) -> Option<u32> {
    line.split(':').nth(2)?.parse().ok()
}

fn add_interface(running: &Running, interface: &Interface) -> Result<()> {
    let (name, address) = match interface {
        Interface::Named(name) => (name, None),
        Interface::Addressed { name, address } => (name, Some(address)),
    };
    let ip = |arguments: &[&str]| {
        let command = [&["ip"], arguments].concat();
        running.inside(&["--net"], &command).map(drop)
    };
    ip(&["link", "add", name, "type", "dummy"])?;
    if let Some(address) = address {
        ip(&["addr", "add", address, "dev", name])?;
    }
    ip(&["link", "set", name, "up"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    #[test]
    fn an_account_and_its_key_are_as_a_login_wants_them() {
        if !aios_testkit::needs::root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let nobody = "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n";
        for (path, text) in [
            ("/etc/passwd", nobody),
            ("/etc/group", ""),
            ("/etc/shadow", ""),
        ] {
            root.write(path, text.as_bytes()).unwrap();
        }
        for name in ["ops", "deploy", "ops"] {
            add_account(&root, name).unwrap();
        }
        let passwd = text(&root, "/etc/passwd").unwrap();
        assert_eq!(passwd.lines().count(), 3, "{passwd}");
        assert_eq!(id_of(&passwd, "deploy"), Some(1001));
        let key = SshKey {
            user: "deploy".into(),
            key: "ssh-ed25519 AAAA x".into(),
        };
        allow_key(&root, &key).unwrap();
        let file = folder.path().join("home/deploy/.ssh/authorized_keys");
        let meta = std::fs::metadata(&file).unwrap();
        assert_eq!(
            (meta.uid(), meta.permissions().mode() & 0o777),
            (1001, 0o600)
        );
        let shadow = std::fs::metadata(folder.path().join("etc/shadow")).unwrap();
        assert_eq!(shadow.permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn what_this_machine_does_not_offer_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let check = |more: &str, expected: Option<&str>| {
            let text =
                format!(r#"{{"id":"a","voice":"v","kind":"k","goal":"g","expect":{{}}{more}}}"#);
            let goal: Goal = serde_json::from_str(&text).unwrap();
            assert_eq!(lacking(&goal, &root).as_deref(), expected, "{more}");
        };
        check("", None);
        check(r#","needs":["git"]"#, Some("it needs: git"));
        check(
            r#","needs":["a package repository"]"#,
            Some("it needs: a package repository"),
        );
        check(
            r#","setup":[{"package":"nginx"}]"#,
            Some("this tester cannot set up the package nginx"),
        );
        root.write("/usr/bin/git", b"").unwrap();
        check(r#","needs":["git"]"#, None);
    }
}
