//! Accounts, their keys, packages, and what starts at boot: read from their files.

use anyhow::Result;

use super::super::files::beginning;
use super::super::form::{Expect, Keys};
use super::super::root::{Root, below};
use super::{About, Judgement};

pub(super) fn accounts(expect: &Expect, root: &Root, found: &mut Judgement) {
    let passwd = || -> Result<String> {
        Ok(String::from_utf8_lossy(&root.read("/etc/passwd")?).into_owned())
    };
    if !expect.users.is_empty() || !expect.ssh_keys.is_empty() {
        found.check("users", passwd(), |found, passwd| {
            for (user, wanted) in &expect.users {
                if home_of(&passwd, user).is_some() != *wanted {
                    let is = if *wanted { "no" } else { "an" };
                    found.fault(About::Machine, format!("there is {is} account {user}"));
                }
            }
            for (user, wanted) in &expect.ssh_keys {
                let home = home_of(&passwd, user).unwrap_or_default();
                let file = below(home, ".ssh/authorized_keys");
                let text = root.read(&file).unwrap_or_default();
                keys(user, &String::from_utf8_lossy(&text), wanted, found);
            }
        });
    }
    for (package, wanted) in &expect.packages {
        let status = root
            .read("/var/lib/dpkg/status")
            .map_err(anyhow::Error::from);
        found.check("packages", status, |found, status| {
            let status = String::from_utf8_lossy(&status);
            if is_installed(&status, package) != *wanted {
                let is = if *wanted { "not" } else { "still" };
                found.fault(About::Machine, format!("{package} is {is} installed"));
            }
        });
    }
    for (service, wanted) in &expect.enabled {
        let unit = below(
            ENABLED,
            &format!("{}.service", service.trim_end_matches(".service")),
        );
        let link = root.look(&unit).map_err(anyhow::Error::from);
        found.check("enabled", link, |found, link| {
            if link.is_some() != *wanted {
                let does = if *wanted { "does not start" } else { "starts" };
                found.fault(About::Machine, format!("{service} {does} at boot"));
            }
        });
    }
}

/// Where links name the services that start at boot.
pub(super) const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants";

/// The home folder of an account (passwd(5)).
pub fn home_of<'a>(passwd: &'a str, user: &str) -> Option<&'a str> {
    let fields = passwd.lines().map(|line| line.split(':'));
    let mut of_user = fields
        .map(|fields| fields.collect::<Vec<_>>())
        .filter(|fields| fields.first() == Some(&user));
    of_user.next().and_then(|fields| fields.get(5).copied())
}

fn keys(user: &str, authorized: &str, wanted: &Keys, found: &mut Judgement) {
    let there: Vec<&str> = authorized
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(key_body)
        .collect();
    let may_log_in = |key: &String| key_body(key).is_some_and(|body| there.contains(&body));
    for key in wanted.has.iter().filter(|key| !may_log_in(key)) {
        found.fault(
            About::Machine,
            format!("{user} has no key {}", beginning(key)),
        );
    }
    for key in wanted.has_not.iter().filter(|key| may_log_in(key)) {
        found.fault(
            About::Machine,
            format!("{user} still has {}", beginning(key)),
        );
    }
}

/// The key's own letters: they begin with its type, and no option before them does.
fn key_body(line: &str) -> Option<&str> {
    line.split_whitespace()
        .find(|word| word.starts_with("AAAA"))
}

fn is_installed(status: &str, package: &str) -> bool {
    let mut stanzas = status.split("\n\n").map(|stanza| stanza.trim_start());
    let name = format!("Package: {package}");
    stanzas.any(|stanza| {
        stanza.lines().next() == Some(name.as_str())
            && stanza
                .lines()
                .any(|line| line.starts_with("Status:") && line.ends_with(" ok installed"))
    })
}
