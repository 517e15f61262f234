//! Accounts. aiOS's own are those of one table, which PID 1 carries with it: no file says who they
//! are. All others are packages', from `/etc/passwd` (a static executable has no NSS).
//!
//! **No account of a package has a number of aiOS's own** ([`OWN_IDS`]), whatever the file says: such
//! a line is passed over. `/etc/passwd` and `/etc/group` are in the writable layer.

use std::path::Path;
use std::sync::LazyLock;

use aios_files::{AIOS_GID, IDENTITIES, OWN_IDS};
use serde::Deserialize;

/// The home of aiOS's own accounts: none.
const NO_HOME: &str = "/nonexistent";

/// As whom a service runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Further groups: `aios` for aiOS's own accounts, else none.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: String,
}

impl Account {
    /// uid 0, which needs no table.
    pub fn root() -> Self {
        Self {
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            home: "/root".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Table {
    identity: Vec<Identity>,
}

#[derive(Deserialize)]
struct Identity {
    name: String,
    uid: u32,
}

static OWN: LazyLock<Vec<Identity>> = LazyLock::new(|| {
    // Err: the tests read the same text, so it has not passed them.
    toml::from_str::<Table>(IDENTITIES).map_or_else(|_| Vec::new(), |table| table.identity)
});

/// The account of this name, for a manifest.
pub fn find(name: &str) -> Option<Account> {
    if name == "root" {
        return Some(Account::root());
    }
    if let Some(own) = OWN.iter().find(|own| own.name == name) {
        return Some(Account {
            uid: own.uid,
            gid: AIOS_GID,
            groups: vec![AIOS_GID],
            home: NO_HOME.to_owned(),
        });
    }
    packaged(|own, _| own == name).map(|(_, account)| account)
}

/// The account of a package that has this name or, as systemd.exec(5) has it for `User=`, this
/// number; with its name. None of aiOS's own.
pub fn find_by_name_or_number(wanted: &str) -> Option<(String, Account)> {
    let is_root = wanted == "root" || wanted.parse() == Ok(0);
    if is_root {
        return Some(("root".to_owned(), Account::root()));
    }
    packaged(|name, _| name == wanted).or_else(|| {
        let uid: u32 = wanted.parse().ok()?;
        packaged(|_, account| account.uid == uid)
    })
}

/// The first account of `/etc/passwd` that is so, and that a package may have.
fn packaged(is_it: impl Fn(&str, &Account) -> bool) -> Option<(String, Account)> {
    let table = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    let mut all = table.lines().filter_map(parse);
    let (name, account) = all.find(|(name, account)| is_it(name, account))?;
    Some((name.to_owned(), account))
}

/// The groups that list this account, beside its own (`/etc/group`). None of aiOS's own.
pub fn groups_of(user: &str) -> Vec<u32> {
    let table = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let lists = |(_, _, members): &(&str, u32, &str)| members.split(',').any(|name| name == user);
    let all = table.lines().filter_map(parse_group);
    all.filter(lists).map(|(_, gid, _)| gid).collect()
}

/// The number of a group, by name or number. None of aiOS's own.
pub fn find_group(name: &str) -> Option<u32> {
    let table = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let mut all = table.lines().filter_map(parse_group);
    let found = all.find(|(own, _, _)| *own == name);
    let number = || name.parse().ok().filter(|gid| !OWN_IDS.contains(gid));
    found.map(|(_, gid, _)| gid).or_else(number)
}

/// A group of a package's: name, gid, members.
fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let (name, gid) = (fields.next()?, fields.nth(1)?.parse().ok()?);
    (!OWN_IDS.contains(&gid)).then_some((name, gid, fields.next().unwrap_or_default()))
}

/// An account of a package's, with its name.
fn parse(line: &str) -> Option<(&str, Account)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    if OWN_IDS.contains(&uid) || OWN_IDS.contains(&gid) {
        return None;
    }
    let home = fields
        .nth(1)
        .filter(|home| !home.is_empty())
        .unwrap_or("/")
        .to_owned();
    let account = Account {
        uid,
        gid,
        groups: Vec::new(),
        home,
    };
    Some((name, account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_numbers_and_members() {
        assert_eq!(parse_group("shadow:x:42:a,b"), Some(("shadow", 42, "a,b")));
        assert_eq!(parse_group("shadow:x:many:"), None);
    }

    #[test]
    fn no_package_has_an_account_or_a_group_of_aioss_own() {
        let line = "redis:x:103:104:redis:/var/lib/redis:/bin/false";
        let (name, account) = parse(line).unwrap();
        assert_eq!((name, account.uid, account.gid), ("redis", 103, 104));
        assert_eq!(account.groups, Vec::<u32>::new());
        for line in [
            "redis:x:904:104::/:/bin/false",
            "redis:x:103:900::/:/bin/false",
            "aios-tools:x:904:900:::",
            "redis:x:many:104:::",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
        assert_eq!(parse_group("aios:x:900:redis"), None);
        assert_eq!(parse_group("other:x:949:redis"), None);
        assert_eq!(find_group("900"), None);
        assert_eq!(find_by_name_or_number("aios-tools"), None);
        assert_eq!(find_by_name_or_number("904"), None);
    }

    #[test]
    fn aioss_own_accounts_need_no_file() {
        let tools = find("aios-tools").unwrap();
        assert_eq!((tools.uid, tools.gid), (904, 900));
        assert_eq!(tools.groups, vec![900]);
        assert_eq!(find("aios-agent-dev").unwrap().uid, 917);
        assert_eq!(find("aios-other"), None);
    }

    #[test]
    fn only_the_exact_name_or_number_is_found() {
        assert_eq!(find("roo"), None);
        assert_eq!(find("0"), None, "a manifest names its account");
        let check = |wanted: &str, expected: Option<(&str, u32)>| {
            let found = find_by_name_or_number(wanted);
            let found = found
                .as_ref()
                .map(|(name, account)| (name.as_str(), account.uid));
            assert_eq!(found, expected, "{wanted}");
        };
        check("nobody", Some(("nobody", 65_534)));
        check("65534", Some(("nobody", 65_534)));
        check("0", Some(("root", 0)));
        check("4000000000", None);
        check("nobody ", None);
    }
}
