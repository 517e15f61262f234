//! The tables of accounts as texts, and what an order makes of them: passwd(5), shadow(5), group(5),
//! gshadow(5), subuid(5). No effect; a line that an order does not concern stays as it is, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use aios_files::OWN_IDS;

/// The numbers of people's accounts: `FIRST_UID` to `LAST_UID` of Debian's adduser.conf(5).
pub const PEOPLE: RangeInclusive<u32> = 1000..=59_999;
/// How many subordinate numbers an account gets, and the first of all: login.defs(5) of Debian.
const SUBORDINATE: (u64, u64) = (100_000, 65_536);
/// The last number that an account may have subordinate: login.defs(5), `SUB_UID_MAX`.
const SUBORDINATE_MAX: u64 = 600_100_000;

/// One of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// Who there is.
    Passwd,
    /// Their passwords' hashes.
    Shadow,
    /// Groups and their members.
    Group,
    /// The same, with the groups' passwords.
    Gshadow,
    /// Which users a person may use within containers of their own.
    Subuid,
    /// Which groups.
    Subgid,
}

/// All tables.
pub const FILES: [File; 6] = [
    File::Passwd,
    File::Shadow,
    File::Group,
    File::Gshadow,
    File::Subuid,
    File::Subgid,
];

impl File {
    /// Where it is.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Passwd => "/etc/passwd",
            Self::Shadow => "/etc/shadow",
            Self::Group => "/etc/group",
            Self::Gshadow => "/etc/gshadow",
            Self::Subuid => "/etc/subuid",
            Self::Subgid => "/etc/subgid",
        }
    }

    /// May its text be shown?
    pub const fn has_secrets(self) -> bool {
        matches!(self, Self::Shadow | Self::Gshadow)
    }
}

/// Whose an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The superuser.
    Root,
    /// A daemon or agent of aiOS.
    Own,
    /// A person's.
    Person,
    /// The system's or a package's.
    Service,
}

impl Sort {
    /// In a sentence: `… is an account of aiOS`.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Own => "an account of aiOS",
            Self::Person => "a person's account",
            Self::Service => "an account of the system or of a package",
        }
    }

    /// In one word, for answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Own => "aios",
            Self::Person => "person",
            Self::Service => "service",
        }
    }

    fn of(uid: u32) -> Self {
        match uid {
            0 => Self::Root,
            uid if OWN_IDS.contains(&uid) => Self::Own,
            uid if PEOPLE.contains(&uid) => Self::Person,
            _ => Self::Service,
        }
    }
}

/// Is there a password by which somebody could log in?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// There is one.
    Set,
    /// Nobody gets in by a password.
    Locked,
    /// Everybody gets in without one.
    Empty,
}

impl Password {
    /// What a field of shadow(5) says.
    fn of(field: &str) -> Self {
        match field {
            "" => Self::Empty,
            locked if locked.starts_with(['!', '*']) => Self::Locked,
            _ => Self::Set,
        }
    }

    /// In one word, for answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Locked => "locked",
            Self::Empty => "empty",
        }
    }
}

/// A line of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its own group.
    pub gid: u32,
    /// Whose it is, in words.
    pub full_name: String,
    /// Its home folder.
    pub home: String,
    /// What a login runs.
    pub shell: String,
}

impl Account {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let mut next = || fields.next();
        let (name, _, uid, gid) = (next()?, next()?, next()?, next()?);
        Some(Self {
            name: name.to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            full_name: next()?.to_owned(),
            home: next()?.to_owned(),
            shell: next()?.to_owned(),
        })
    }

    /// Whose it is.
    pub fn sort(&self) -> Sort {
        Sort::of(self.uid)
    }
}

/// A new account as it is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New<'a> {
    /// Its name, valid by Debian's rule.
    pub name: &'a str,
    /// Whose it is, in words: without `:` and control characters.
    pub full_name: &'a str,
    /// What a login runs.
    pub shell: &'a str,
    /// The number that it must have: of the home folder that is there already.
    pub uid: Option<u32>,
    /// Today, in days since 1970: when its password was last changed.
    pub day: u64,
}

/// The texts of the tables; `None`: there is no such file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables(BTreeMap<File, Option<String>>);

impl Tables {
    /// The text of one.
    pub fn text(&self, file: File) -> Option<&str> {
        self.0.get(&file)?.as_deref()
    }

    /// The same, to be changed.
    pub fn text_mut(&mut self, file: File) -> &mut Option<String> {
        self.0.entry(file).or_default()
    }

    fn lines(&self, file: File) -> impl Iterator<Item = &str> {
        self.text(file).unwrap_or_default().lines()
    }

    /// The fields of the line of this name.
    fn fields(&self, file: File, name: &str) -> Option<Vec<&str>> {
        let mut lines = self.lines(file).map(|line| line.split(':').collect());
        lines.find(|fields: &Vec<&str>| fields.first() == Some(&name))
    }

    /// All accounts, as the table has them.
    pub fn accounts(&self) -> Vec<Account> {
        self.lines(File::Passwd)
            .filter_map(Account::parse)
            .collect()
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Option<Account> {
        let mut all = self.accounts().into_iter();
        all.find(|account| account.name == name)
    }

    /// Is there a password? `None`: the table of passwords does not know the account.
    pub fn password(&self, name: &str) -> Option<Password> {
        Some(Password::of(self.fields(File::Shadow, name)?.get(1)?))
    }

    /// The number of a group.
    pub fn group(&self, name: &str) -> Option<u32> {
        self.fields(File::Group, name)?.get(2)?.parse().ok()
    }

    /// Whom a group has as members, beside those whose own group it is.
    fn members(&self, group: &str) -> Vec<&str> {
        let fields = self.fields(File::Group, group).unwrap_or_default();
        members(&fields)
    }

    /// The groups of an account by name, its own first.
    pub fn groups(&self, account: &Account) -> Vec<String> {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for line in self.lines(File::Group) {
            let fields: Vec<&str> = line.split(':').collect();
            let Some(name) = fields.first() else { continue };
            if fields.get(2).and_then(|gid| gid.parse().ok()) == Some(account.gid) {
                own.push((*name).to_owned());
            } else if members(&fields).contains(&account.name.as_str()) {
                others.push((*name).to_owned());
            }
        }
        own.append(&mut others);
        own
    }

    /// The tables with another account, which has no password, and a group of its own.
    ///
    /// # Errors
    /// What stands in the way, for people.
    pub fn with(&self, new: &New<'_>) -> Result<(Self, Account), String> {
        let New {
            name,
            full_name,
            shell,
            day,
            ..
        } = new;
        if self.account(name).is_some() {
            return Err(format!("there is an account {name} already"));
        }
        if self.group(name).is_some() {
            return Err(format!(
                "there is a group {name} already, which the account would get as its own"
            ));
        }
        for file in [File::Shadow, File::Gshadow, File::Subuid, File::Subgid] {
            if self.fields(file, name).is_some() {
                let path = file.path();
                return Err(format!(
                    "{path} has a line for {name}, left by a former account"
                ));
            }
        }
        let uid = self.free_number(new.uid)?;
        let home = format!("/home/{name}");
        let mut after = self.clone();
        after.append(
            File::Passwd,
            &format!("{name}:x:{uid}:{uid}:{full_name}:{home}:{shell}"),
        );
        after.append(File::Shadow, &format!("{name}:!:{day}:0:99999:7:::"));
        after.append(File::Group, &format!("{name}:x:{uid}:"));
        after.append(File::Gshadow, &format!("{name}:!::"));
        for file in [File::Subuid, File::Subgid] {
            if let Some(first) = self.free_range(file)? {
                after.append(file, &format!("{name}:{first}:{}", SUBORDINATE.1));
            }
        }
        let account = after.account(name).ok_or("the new line cannot be read")?;
        Ok((after, account))
    }

    /// A number that no account and no group has: the wanted one, or the first after the highest used,
    /// so that files of a removed account do not become another's.
    fn free_number(&self, wanted: Option<u32>) -> Result<u32, String> {
        let number = |line: &str| line.split(':').nth(2).and_then(|text| text.parse().ok());
        let lines = self.lines(File::Passwd).chain(self.lines(File::Group));
        let taken: BTreeSet<u32> = lines.filter_map(number).collect();
        if let Some(wanted) = wanted {
            return match PEOPLE.contains(&wanted) && !taken.contains(&wanted) {
                true => Ok(wanted),
                false => Err(format!("the number {wanted} is taken or not a person's")),
            };
        }
        let highest = taken.iter().rev().find(|uid| PEOPLE.contains(uid));
        let next = highest.map_or(*PEOPLE.start(), |uid| uid + 1);
        let mut all = (next..=*PEOPLE.end()).chain(PEOPLE);
        all.find(|uid| !taken.contains(uid))
            .ok_or_else(|| "there is no number left for another account".to_owned())
    }

    /// The first subordinate number behind all others; `None`: this machine has no such table.
    fn free_range(&self, file: File) -> Result<Option<u64>, String> {
        if self.text(file).is_none() {
            return Ok(None);
        }
        let end = |line: &str| -> Option<u64> {
            let mut fields = line.split(':').skip(1);
            let (first, count): (u64, u64) =
                (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            first.checked_add(count)
        };
        let next = self.lines(file).filter_map(end).max().unwrap_or(0);
        let first = next.max(SUBORDINATE.0);
        match first + SUBORDINATE.1 <= SUBORDINATE_MAX {
            true => Ok(Some(first)),
            false => Err(format!("{} has no room for another account", file.path())),
        }
    }

    /// The tables without an account, and without its own group if nobody else is in that.
    pub fn without(&self, account: &Account) -> Self {
        let name = account.name.as_str();
        let mut after = self.clone();
        for file in [File::Passwd, File::Shadow, File::Subuid, File::Subgid] {
            after.edit(file, |line| match first(line) == name {
                true => None,
                false => Some(line.to_owned()),
            });
        }
        let others = after.accounts();
        let is_own = self.group(name) == Some(account.gid)
            && !others.iter().any(|other| other.gid == account.gid)
            && self.members(name).iter().all(|member| *member == name);
        for file in [File::Group, File::Gshadow] {
            after.edit(file, |line| match is_own && first(line) == name {
                true => None,
                false => Some(without_member(line, name, file)),
            });
        }
        after
    }

    /// The tables with the account in a group, or not in it.
    ///
    /// # Errors
    /// What stands in the way, for people.
    pub fn with_membership(&self, name: &str, group: &str, is_in: bool) -> Result<Self, String> {
        let gid = self.group(group);
        let gid = gid.ok_or_else(|| format!("there is no group {group:?}"))?;
        if !is_in && self.account(name).is_some_and(|account| account.gid == gid) {
            return Err(format!("{group} is the account's own group"));
        }
        let mut after = self.clone();
        for file in [File::Group, File::Gshadow] {
            after.edit(file, |line| {
                Some(match (first(line) == group, is_in) {
                    (false, _) => line.to_owned(),
                    (true, false) => without_member(line, name, file),
                    (true, true) => with_member(line, name),
                })
            });
        }
        Ok(after)
    }

    fn append(&mut self, file: File, line: &str) {
        if let Some(Some(text)) = self.0.get_mut(&file) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(line);
            text.push('\n');
        }
    }

    /// Changes each line, or takes it away.
    fn edit(&mut self, file: File, change: impl Fn(&str) -> Option<String>) {
        if let Some(Some(text)) = self.0.get_mut(&file) {
            *text = text
                .split_inclusive('\n')
                .filter_map(|line| match line.strip_suffix('\n') {
                    Some(bare) => change(bare).map(|line| line + "\n"),
                    None => change(line),
                })
                .collect();
        }
    }
}

/// Groups whose members get at secrets of the whole machine, or are root where a program of that name
/// is installed.
const POWERFUL: [&str; 11] = [
    "admin",
    "disk",
    "docker",
    "incus",
    "incus-admin",
    "kmem",
    "libvirt",
    "lxd",
    "shadow",
    "sudo",
    "wheel",
];

/// Groups by which an account would get at secrets of the whole machine, or be root or aiOS.
pub fn is_reserved(group: &str, gid: u32) -> bool {
    gid == 0 || OWN_IDS.contains(&gid) || POWERFUL.contains(&group)
}

fn first(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

/// The members that a line of group(5) or gshadow(5) names: both have them in the fourth field.
fn members<'a>(fields: &[&'a str]) -> Vec<&'a str> {
    let field = fields.get(3).copied().unwrap_or_default();
    field.split(',').filter(|name| !name.is_empty()).collect()
}

fn with_member(line: &str, name: &str) -> String {
    let fields: Vec<&str> = line.split(':').collect();
    if members(&fields).contains(&name) {
        return line.to_owned();
    }
    let comma = if line.ends_with(':') { "" } else { "," };
    format!("{line}{comma}{name}")
}

/// A line without this member; of gshadow(5), without this administrator either.
fn without_member(line: &str, name: &str, file: File) -> String {
    let lists: &[usize] = match file {
        File::Gshadow => &[2, 3],
        _ => &[3],
    };
    let part = |(place, field): (usize, &str)| -> String {
        match lists.contains(&place) && field.split(',').any(|member| member == name) {
            true => {
                let rest: Vec<&str> = field.split(',').filter(|member| *member != name).collect();
                rest.join(",")
            }
            false => field.to_owned(),
        }
    };
    let fields: Vec<String> = line.split(':').enumerate().map(part).collect();
    fields.join(":")
}

/// A table of passwords as it may be shown: each password is only `set`, `locked` or `empty`, and the
/// day of its change is left out.
pub fn without_secrets(text: &str) -> String {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let password = Password::of(fields.get(1).copied().unwrap_or_default()).word();
        let rest = match fields.len() {
            4 => format!(":{}", fields[2..].join(":")), // gshadow: administrators, members
            _ => String::new(),
        };
        format!("{}:{password}{rest}\n", first(line))
    };
    text.lines().map(line).collect()
}

/// For tests: the tables of a small machine.
#[cfg(test)]
pub(crate) fn example() -> Tables {
    let mut tables = Tables::default();
    let texts = [
        (
            File::Passwd,
            "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:w:/var/www:/usr/sbin/nologin\n\
             aios-tools:x:904:900:aiOS:/nonexistent:/usr/sbin/nologin\n\
             ada:x:1000:1000:Ada:/home/ada:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/sh",
        ),
        (
            File::Shadow,
            "root:*:19000::::::\nada:$y$j9T$hash:20000:0:99999:7:::\nbob::20000:0:99999:7:::\n",
        ),
        (
            File::Group,
            "root:x:0:\nshadow:x:42:\naios:x:900:\ndocker:x:990:ada,bob\nada:x:1000:\nbob:x:1001:ada\n",
        ),
        (File::Gshadow, "docker:!:ada:ada,bob\nada:!::\nbob:!::ada\n"),
        (File::Subuid, "ada:100000:65536\n"),
    ];
    for (file, text) in texts {
        *tables.text_mut(file) = Some(text.to_owned());
    }
    tables
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
