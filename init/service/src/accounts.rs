//! Accounts, from `/etc/passwd` (a static executable has no NSS).

use std::path::Path;

use aios_files::AIOS_GID;

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

/// The account of this name.
pub fn find(name: &str) -> Option<Account> {
    if name == "root" {
        return Some(Account::root());
    }
    let table = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    let mut all = table.lines().filter_map(parse);
    all.find(|(own, _)| *own == name)
        .map(|(_, account)| account)
}

/// The account of this name or, as systemd.exec(5) has it for `User=`, of this number; with its
/// name.
pub fn find_by_name_or_number(wanted: &str) -> Option<(String, Account)> {
    if let Some(account) = find(wanted) {
        return Some((wanted.to_owned(), account));
    }
    let uid: u32 = wanted.parse().ok()?;
    if uid == 0 {
        return Some(("root".to_owned(), Account::root()));
    }
    let table = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    let mut all = table.lines().filter_map(parse);
    let (name, account) = all.find(|(_, account)| account.uid == uid)?;
    Some((name.to_owned(), account))
}

/// The groups that list this account, beside its own (`/etc/group`).
pub fn groups_of(user: &str) -> Vec<u32> {
    let table = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let lists = |(_, _, members): &(&str, u32, &str)| members.split(',').any(|name| name == user);
    let all = table.lines().filter_map(parse_group);
    all.filter(lists).map(|(_, gid, _)| gid).collect()
}

/// The number of a group, by name or number.
pub fn find_group(name: &str) -> Option<u32> {
    let table = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let mut all = table.lines().filter_map(parse_group);
    let found = all.find(|(own, _, _)| *own == name);
    found.map(|(_, gid, _)| gid).or_else(|| name.parse().ok())
}

fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let (name, gid) = (fields.next()?, fields.nth(1)?);
    Some((name, gid.parse().ok()?, fields.next().unwrap_or_default()))
}

fn parse(line: &str) -> Option<(&str, Account)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let home = fields
        .nth(1)
        .filter(|home| !home.is_empty())
        .unwrap_or("/")
        .to_owned();
    let groups = if name.starts_with("aios-") {
        vec![AIOS_GID]
    } else {
        Vec::new()
    };
    let account = Account {
        uid,
        gid,
        groups,
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
    fn accounts_are_read_line_by_line() {
        let line = "aios-memory:x:903:900:memory:/var/lib/aios/memory:/bin/false";
        let (name, account) = parse(line).unwrap();
        assert_eq!(name, "aios-memory");
        assert_eq!((account.uid, account.gid), (903, 900));
        assert_eq!(account.groups, vec![900]);
        assert_eq!(parse("aios-memory:x:many:900:::"), None);
        let (_, www) = parse("www:x:33:33::/var/www:/bin/sh").unwrap();
        assert_eq!(www.groups, Vec::<u32>::new());
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
