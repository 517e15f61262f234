//! All rules of the operator: the file, the chain, and the chain as the kernel lists it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::rule::Rule;
use crate::{CHAIN, TABLE};

/// The largest file that is read, in bytes: 256 lines of the longest rule, twice.
const FILE_MAX: u64 = 64 * 1024;

/// So many rules there may be: each is compared with each new connection.
const RULES_MAX: usize = 256;

/// The rules, in order: the first that fits decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// Why a file holds no rules.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// It cannot be read.
    #[error("the operator's firewall rules cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A line is no rule.
    #[error("the operator's firewall rules, line {line}: {why}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// Why it is none.
        why: String,
    },
    /// There are more than may be.
    #[error("the operator has {RULES_MAX} firewall rules, and more there cannot be")]
    TooMany,
}

/// What the file begins with, for whoever opens it.
const HEAD: &str = "\
# The operator's rules of the packet filter, in order: the first that fits a packet decides.
# Lines such as \"allow tcp 443 from 10.0.0.0/8\" or \"deny udp 5000-5010\". aios-network loads them at each
# start. No rule reaches the management port or the port of SSH.
";

impl Rules {
    /// Reads a file; without a file there are no rules.
    ///
    /// # Errors
    /// When it cannot be read, or a line is wrong.
    pub fn read(path: &Path) -> Result<Self, Wrong> {
        let mut text = String::new();
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file").into());
        }
        file.take(FILE_MAX + 1).read_to_string(&mut text)?;
        match text.len() as u64 > FILE_MAX {
            true => Err(Wrong::TooMany),
            false => Self::parse(&text),
        }
    }

    /// The rules of a text: one a line. Empty lines and what follows a `#` say nothing.
    ///
    /// # Errors
    /// When a line is no rule.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let mut rules = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let rule = line.parse().map_err(|why| Wrong::Line {
                line: number + 1,
                why,
            })?;
            rules = rules.with(rule)?;
        }
        Ok(rules)
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let lines = self.0.iter().map(|rule| format!("{rule}\n"));
        HEAD.to_owned() + &lines.collect::<String>()
    }

    /// The same with one more, the last.
    fn with(mut self, rule: Rule) -> Result<Self, Wrong> {
        if self.0.len() == RULES_MAX {
            return Err(Wrong::TooMany);
        }
        self.0.push(rule);
        Ok(self)
    }

    /// The same with this one as the first: what was said last decides. One for the same packets, which
    /// nothing would reach any more, goes.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub fn with_first(mut self, rule: Rule) -> Result<Self, Wrong> {
        self.0.retain(|one| !one.is_for_the_same(&rule));
        if self.0.len() == RULES_MAX {
            return Err(Wrong::TooMany);
        }
        self.0.insert(0, rule);
        Ok(self)
    }

    /// The same without the rules that are like this one.
    pub fn without(mut self, rule: &Rule) -> Self {
        self.0.retain(|one| one != rule);
        self
    }

    /// In order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.0.iter()
    }

    /// The rule of this number, from 1.
    pub fn get(&self, number: usize) -> Option<&Rule> {
        self.0.get(number.checked_sub(1)?)
    }

    /// The chain, to stand in the text of its table.
    pub fn chain(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|rule| format!("\t\t{}\n", rule.counted()));
        format!("\tchain {CHAIN} {{\n{}\t}}\n", lines.collect::<String>())
    }

    /// The text for nft(8) that puts these rules in the place of those that the chain has.
    pub fn replacement(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|rule| format!("add rule inet {TABLE} {CHAIN} {}\n", rule.counted()));
        format!("flush chain inet {TABLE} {CHAIN}\n") + &lines.collect::<String>()
    }

    /// The text for nft(8) by which it can say whether it takes the rules, also where the table of
    /// aiOS does not stand. Only to be checked, not to be loaded.
    pub fn trial(&self) -> String {
        format!("table inet {TABLE}_trial {{\n{}}}\n", self.chain())
    }

    /// Are these the rules that the kernel lists?
    pub fn are(&self, listed: &[Listed]) -> bool {
        self.0.len() == listed.len()
            && self
                .0
                .iter()
                .zip(listed)
                .all(|(rule, listed)| rule.statement() == listed.statement)
    }
}

/// A rule of the chain as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its statement, without the counter.
    pub statement: String,
    /// Packets on which it decided since it was loaded: the first of each connection.
    pub packets: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

/// The rules in the listing of a chain by nft(8).
pub fn listed(chain: &str) -> Vec<Listed> {
    chain.lines().filter_map(one_listed).collect()
}

fn one_listed(line: &str) -> Option<Listed> {
    let (before, counted) = line.trim().split_once("counter packets ")?;
    let mut words = counted.split(' ');
    let packets = words.next()?.parse().ok()?;
    let bytes = words.nth(1)?.parse().ok()?;
    let after: Vec<&str> = words.collect();
    Some(Listed {
        statement: format!("{before}{}", after.join(" ")),
        packets,
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_the_rules_is_read_as_the_rules() {
        let check = |text: &str, lines: &[&str]| {
            let rules = Rules::parse(text).unwrap();
            let found: Vec<String> = rules.iter().map(ToString::to_string).collect();
            assert_eq!(found, lines);
            assert_eq!(Rules::parse(&rules.text()).unwrap(), rules);
        };
        check("", &[]);
        check(
            "# a note\n\n  \nallow tcp 80 # the shop\r\n",
            &["allow tcp 80"],
        );
        check(
            "deny udp from 10.0.0.0/8\nallow any 53",
            &["deny udp from 10.0.0.0/8", "allow any 53"],
        );
    }

    #[test]
    fn what_was_said_last_decides() {
        let check = |before: &str, rule: &str, after: &str| {
            let rules = Rules::parse(before).unwrap();
            let with = rules.with_first(rule.parse().unwrap()).unwrap();
            assert_eq!(with, Rules::parse(after).unwrap(), "{before} and {rule}");
        };
        check("", "allow tcp 80", "allow tcp 80");
        check("deny udp", "allow tcp 80", "allow tcp 80\ndeny udp");
        check(
            "deny udp\ndeny tcp 80",
            "allow tcp 80",
            "allow tcp 80\ndeny udp",
        );
        check("allow tcp 80", "allow tcp 80", "allow tcp 80");
        check(
            "allow tcp 80 from ::1",
            "deny tcp 80",
            "deny tcp 80\nallow tcp 80 from ::1",
        );
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let wrong = Rules::parse("allow tcp 80\n\naccept all\n").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the operator's firewall rules, line 3: a rule begins with allow or deny"
        );
        let many = "deny udp\n".repeat(RULES_MAX);
        assert!(Rules::parse(&many).is_ok());
        assert!(matches!(
            Rules::parse(&(many + "deny tcp")),
            Err(Wrong::TooMany)
        ));
    }

    #[test]
    fn a_file_that_is_not_there_has_no_rules_and_one_that_is_too_large_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules");
        assert_eq!(Rules::read(&file).unwrap(), Rules::default());
        assert!(Rules::read(folder.path()).is_err());
        std::fs::write(&file, "#".repeat(64 * 1024 + 1)).unwrap();
        assert!(matches!(Rules::read(&file), Err(Wrong::TooMany)));
        std::fs::write(&file, [0xff]).unwrap();
        assert!(matches!(Rules::read(&file), Err(Wrong::Read(_))));
    }

    #[test]
    fn rules_are_put_into_the_chain_in_one_text() {
        let rules = Rules::parse("allow tcp 80\ndeny any from 10.0.0.0/8").unwrap();
        assert_eq!(
            rules.replacement(),
            "flush chain inet aios operator\n\
             add rule inet aios operator tcp dport 80 counter accept\n\
             add rule inet aios operator ip saddr 10.0.0.0/8 meta l4proto { 6, 17 } counter drop\n"
        );
        assert_eq!(
            rules.chain(),
            "\tchain operator {\n\t\ttcp dport 80 counter accept\n\
             \t\tip saddr 10.0.0.0/8 meta l4proto { 6, 17 } counter drop\n\t}\n"
        );
    }

    #[test]
    fn what_the_kernel_lists_is_compared_with_the_rules() {
        let text = "table inet aios {\n\tchain operator {\n\
                    \t\ttcp dport 80 counter packets 12 bytes 720 accept\n\
                    \t\tudp dport 53 counter packets 0 bytes 0 drop\n\t}\n}\n";
        let found = listed(text);
        assert_eq!(
            found[0],
            Listed {
                statement: "tcp dport 80 accept".into(),
                packets: 12,
                bytes: 720
            }
        );
        let check = |text: &str, are: bool| {
            assert_eq!(Rules::parse(text).unwrap().are(&found), are, "{text}");
        };
        check("allow tcp 80\ndeny udp 53", true);
        check("allow tcp 80", false);
        check("deny udp 53\nallow tcp 80", false);
        check("allow tcp 80\ndeny udp 54", false);
    }
}
