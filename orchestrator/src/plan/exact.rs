//! The exact level: the common commands of a Unix shell, as operators type them, and the phrases of
//! our documents, read as typed calls. Nothing is ever run by a shell. Pure.
//!
//! A line is read only when every word of it has its place in a form: `ls /srv` is a call, `ls
//! is broken` and `ls | wc -l` are left to the levels that understand sentences.

use aios_brain::{Argument, Source};

/// A command that was read: an act, with its arguments as they were typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The tool.
    pub act: &'static str,
    /// What was said for its parameters.
    pub said: Vec<Argument>,
}

/// The call that the goal is, if it is a command of a known form or one of our documented phrases.
pub fn command(goal: &str) -> Option<Command> {
    typed(goal).or_else(|| phrase(goal))
}

/// The phrases of our documents, over words and placeholders ([`aios_reader::Masked`]): `{file=x}`
/// is a path that ends like a file's, `{path=x}` any path, `{text=x}` a text.
const PHRASES: &[(&str, &str)] = &[
    (
        "write|save {text=content} to|into|in {path=path}",
        "fs.write",
    ),
    ("put {text=content} into|in {file=path}", "fs.write"),
    ("append|add {text=content} to {path=path}", "fs.append"),
    ("add {text=content} to the end of {path=path}", "fs.append"),
    ("delete|remove|erase {path=path}", "fs.delete"),
    ("copy {path=source} to {path=destination}", "fs.copy"),
    ("move|rename {path=source} to {path=destination}", "fs.move"),
    ("create|make the|a folder|directory {path=path}", "fs.mkdir"),
    ("read|show|print {file=path}", "fs.read"),
    ("list {path=path}", "fs.list"),
];

/// Words before and after a phrase that are no part of it. Whether it is an order with them, the
/// guard tells.
const POLITE: [&str; 16] = [
    "do you think you could",
    "don't forget to",
    "could you",
    "can you",
    "would you",
    "will you",
    "i want you to",
    "i'd like you to",
    "go ahead and",
    "please",
    "pls",
    "kindly",
    "now",
    "for me",
    "thanks",
    "thank you",
];

/// One of our phrases, to its last word.
fn phrase(goal: &str) -> Option<Command> {
    let masked = aios_reader::read(goal).masked();
    let lower = masked.text.to_lowercase().replace('’', "'");
    let mut lower = lower.as_str();
    loop {
        lower = lower.trim_matches(|c: char| c.is_whitespace() || ".,!?".contains(c));
        let before = POLITE.iter().find_map(|polite| lower.strip_prefix(polite));
        let rest = before.filter(|rest| rest.starts_with([' ', ',']));
        let after = POLITE.iter().find_map(|polite| lower.strip_suffix(polite));
        let rest = rest.or(after.filter(|rest| rest.ends_with([' ', ','])));
        match rest {
            Some(rest) => lower = rest,
            None => break,
        }
    }
    let words: Vec<&str> = lower
        .split_whitespace()
        .map(|word| word.trim_end_matches(','))
        .collect();
    PHRASES.iter().find_map(|(pattern, act)| {
        let parts: Vec<&str> = pattern.split(' ').collect();
        if parts.len() != words.len() {
            return None;
        }
        let mut said = Vec::new();
        for (part, word) in parts.iter().zip(&words) {
            let Some((kind, name)) = inner(part, "{", "}").and_then(|slot| slot.split_once('='))
            else {
                part.split('|').find(|one| one == word)?;
                continue;
            };
            let place = masked.places.iter().find(|place| place.name == *word)?;
            let fits = place.name.starts_with(kind) || kind == "path" && word.starts_with("file");
            fits.then(|| said.push(argument(name, &place.value)))?;
        }
        Some(Command { act, said })
    })
}

/// The call that the line is in shell words.
fn typed(line: &str) -> Option<Command> {
    let words = words(line)?;
    let words: &[Word] = match words.split_first() {
        Some((first, rest)) if first.is("sudo") => rest,
        _ => &words,
    };
    FORMS.iter().find_map(|form| form.read(words))
}

/// One way to type a call.
///
/// The pattern's parts stand between blanks: a word, or several by `|`; `[-al]`, any number of
/// flags of these letters, or none; `{x}`, one word that is the argument `x`, and no flag;
/// `{/x}`, an absolute path; `{-x}`, a number that is counted from the end; `+{x}`, what follows
/// a plus; `{x..}`, all words to the next part.
struct Form {
    pattern: &'static str,
    act: &'static str,
    /// Arguments that the form has beside those that are typed.
    fixed: &'static [(&'static str, &'static str)],
}

const fn form(pattern: &'static str, act: &'static str) -> Form {
    Form {
        pattern,
        act,
        fixed: &[],
    }
}

const fn with(
    pattern: &'static str,
    act: &'static str,
    fixed: &'static [(&'static str, &'static str)],
) -> Form {
    Form {
        pattern,
        act,
        fixed,
    }
}

const FORMS: &[Form] = &[
    // Files
    form("cat|less|more|view {/path}", "fs.read"),
    with("head {/path}", "fs.read", &[("lines", "10")]),
    with("tail {/path}", "fs.read", &[("lines", "-10")]),
    form("head -n {lines} {/path}", "fs.read"),
    form("tail -n {-lines} {/path}", "fs.read"),
    form("head -{lines} {/path}", "fs.read"),
    form("tail {-lines} {/path}", "fs.read"),
    form("ls|dir|ll [-lahrtAF1] {/path}", "fs.list"),
    form("mkdir [-pv] {/path}", "fs.mkdir"),
    with("touch {/path}", "fs.append", &[("content", "")]),
    form("mv [-vn] {/source} {/destination}", "fs.move"),
    form("cp [-rRavp] {/source} {/destination}", "fs.copy"),
    form("rm [-rRfv] {/path}", "fs.delete"),
    form("ln -s {target} {/path}", "fs.symlink"),
    form("chmod {mode} {/path}", "fs.chmod"),
    with("chmod -R {mode} {/path}", "fs.chmod", &[("below", "yes")]),
    form("chown {owner:group} {/path}", "fs.chown"),
    with(
        "chown -R {owner:group} {/path}",
        "fs.chown",
        &[("below", "yes")],
    ),
    form("chgrp {group} {/path}", "fs.chown"),
    with("chgrp -R {group} {/path}", "fs.chown", &[("below", "yes")]),
    form("stat|file {/path}", "fs.stat"),
    form("du [-shc] {/path}", "fs.disk_usage"),
    form("find {/path} -name|-iname {pattern}", "fs.search"),
    form("find {/path} -type f -name|-iname {pattern}", "fs.search"),
    form("find {/path} -size +{min_size}", "fs.search"),
    form(
        "tar czf|-czf|cvzf|-cvzf|cf|-cf {/destination} {/source}",
        "fs.archive",
    ),
    form(
        "tar xzf|-xzf|xvzf|-xvzf|xf|-xf {/archive} -C {/destination}",
        "fs.extract",
    ),
    form("echo {content..} > {/path}", "fs.write"),
    form("echo {content..} >> {/path}", "fs.append"),
    with(
        "sha256sum {/path}",
        "fs.checksum",
        &[("algorithm", "sha256")],
    ),
    with(
        "sha512sum {/path}",
        "fs.checksum",
        &[("algorithm", "sha512")],
    ),
    with("md5sum {/path}", "fs.checksum", &[("algorithm", "md5")]),
    // Texts
    form("grep [-nEa] {pattern} {/path}", "text.extract"),
    form("wc [-lwc] {/path}", "text.count"),
    form("grep -c {pattern} {/path}", "text.count"),
    form("diff [-u] {/path} {/other}", "text.diff"),
    // Processes
    form("ps [-auxefw]", "process.list"),
    form("ps aux|auxw|ef|ax", "process.list"),
    with("top|htop", "process.list", &[("sort_by", "cpu")]),
    form("ps -p {pid}", "process.info"),
    with("kill {pid}", "process.signal", &[("signal", "TERM")]),
    with(
        "kill -9|-KILL|-SIGKILL {pid}",
        "process.signal",
        &[("signal", "KILL")],
    ),
    with(
        "kill -1|-HUP|-SIGHUP {pid}",
        "process.signal",
        &[("signal", "HUP")],
    ),
    with(
        "kill -15|-TERM|-SIGTERM {pid}",
        "process.signal",
        &[("signal", "TERM")],
    ),
    form("kill -s {signal} {pid}", "process.signal"),
    // The machine
    form("uname [-arsmv]", "system.os_info"),
    form("hostname|hostnamectl", "system.hostname"),
    form("uptime", "system.uptime"),
    form("date|timedatectl", "system.time"),
    form("locale", "system.locale"),
    form("free [-hmgk]", "monitor.memory"),
    form("df [-hT]", "monitor.disk"),
    form("df [-hT] {/path}", "storage.usage"),
    form("lscpu|nproc", "hw.cpu"),
    form("lsblk|mount|findmnt [-fl]", "storage.volumes"),
    form("lshw|dmidecode|lspci|inxi", "hw.info"),
    form("sensors", "hw.sensors"),
    form("nvidia-smi", "monitor.gpu"),
    // The network
    form("ip [-br46] a|addr|address|link", "net.interfaces"),
    form("ip a|addr|address|link show", "net.interfaces"),
    form("ifconfig [-a]", "net.interfaces"),
    form("ip r|route", "net.routes"),
    form("route [-n]", "net.routes"),
    with(
        "ss|netstat -tulpn|-tulnp|-tlnp|-tlpn|-lntp|-tln|-lnt|-ltn|-tul|-ltnp|-tuln|-tulpan",
        "net.connections",
        &[("which", "listening")],
    ),
    form("ss|netstat [-tuna]", "net.connections"),
    form("ping {host}", "net.ping"),
    form("ping -c {count} {host}", "net.ping"),
    form("curl [-sSLkf] {url}", "net.http_request"),
    with(
        "curl -I|-sI {url}",
        "net.http_request",
        &[("method", "HEAD")],
    ),
    form("wget {url} -O {/path}", "net.download"),
    form("wget -O {/path} {url}", "net.download"),
    form("curl [-sSLf] -o {/path} {url}", "net.download"),
    form("dig|host|nslookup {host}", "net.dns_lookup"),
    form("getent hosts|ahosts {host}", "net.dns_lookup"),
    form("nc -zv|-z {host} {port}", "net.check_port"),
    form("lsof -i :{port}", "net.listen_check"),
    // Services and their logs
    form("systemctl status {service}", "service.status"),
    form("systemctl is-active {service}", "service.status"),
    form("systemctl start {service}", "service.start"),
    form("systemctl stop {service}", "service.stop"),
    form("systemctl restart {service}", "service.restart"),
    form("systemctl reload {service}", "service.reload"),
    form("systemctl enable {service}", "service.enable"),
    form("systemctl disable {service}", "service.disable"),
    form("systemctl list-units", "service.list"),
    form("service {service} status", "service.status"),
    form("service {service} start", "service.start"),
    form("service {service} stop", "service.stop"),
    form("service {service} restart", "service.restart"),
    form("service {service} reload", "service.reload"),
    form("journalctl", "service.logs"),
    form("journalctl -u {service}", "service.logs"),
    form("journalctl -u {service} -n {lines}", "service.logs"),
    form("journalctl -n {lines}", "service.logs"),
    form("journalctl -n {lines} -u {service}", "service.logs"),
    // Packages
    form("apt|apt-get [-y] install [-y] {package}", "pkg.install"),
    form("apt|apt-get [-y] remove [-y] {package}", "pkg.remove"),
    form("apt|apt-get [-y] purge [-y] {package}", "pkg.purge"),
    form("apt|apt-get [-y] autoremove [-y]", "pkg.autoremove"),
    form(
        "apt|apt-get [-y] upgrade|dist-upgrade|full-upgrade [-y]",
        "pkg.upgrade",
    ),
    form("apt|apt-cache search {words..}", "pkg.search"),
    form("apt|apt-cache show|policy {package}", "pkg.info"),
    form("apt list --installed", "pkg.list"),
    form("dpkg -l", "pkg.list"),
    form("dpkg -L {package}", "pkg.files"),
    // git
    form("git -C {/repository} status", "git.status"),
    form("git -C {/repository} log", "git.log"),
    form("git -C {/repository} diff", "git.diff"),
    form("git -C {/repository} branch", "git.branches"),
    form("git -C {/repository} add [-A]", "git.add"),
    form(
        "git -C {/repository} checkout|switch {branch}",
        "git.checkout",
    ),
    form("git -C {/repository} commit -m {message}", "git.commit"),
    form("git clone {source} {/destination}", "git.clone"),
    form("git init {/repository}", "git.init"),
    // Accounts
    form("useradd|adduser [-m] {name}", "user.add"),
    form("userdel|deluser {name}", "user.remove"),
    with("userdel -r {name}", "user.remove", &[("home", "delete")]),
    form("usermod -aG {group} {name}", "user.group_add"),
    form("usermod -a -G {group} {name}", "user.group_add"),
    form("id {of}", "user.list"),
    // The packet filter
    form("ufw allow {port:protocol}", "firewall.allow"),
    form("ufw deny {port:protocol}", "firewall.deny"),
    form("ufw status", "firewall.rules"),
    form("nft list ruleset", "firewall.rules"),
    form("iptables -L|-S|-nL", "firewall.rules"),
];

/// A word of a line, without its quotes.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is(&self, literal: &str) -> bool {
        !self.quoted && self.text == literal
    }
}

/// The line's words as a shell has them; `None` when a shell would do more than call one program.
fn words(line: &str) -> Option<Vec<Word>> {
    let mut words: Vec<Word> = Vec::new();
    let mut current: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let word = || Word {
            text: String::new(),
            quoted: false,
        };
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '$' | '`' | '\\') => return None,
            (Some(_), c) => current.get_or_insert_with(word).text.push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                current.get_or_insert_with(word).quoted = true;
            }
            (None, '#') if current.is_none() => return None,
            (None, '\n' | '|' | '&' | ';' | '$' | '`' | '<' | '(' | ')' | '{' | '}' | '\\') => {
                return None;
            }
            (None, '>') => {
                words.extend(current.take());
                let twice = chars.next_if_eq(&'>').is_some();
                words.push(Word {
                    text: if twice { ">>" } else { ">" }.into(),
                    quoted: false,
                });
            }
            (None, c) if c.is_whitespace() => words.extend(current.take()),
            (None, c) => current.get_or_insert_with(word).text.push(c),
        }
    }
    words.extend(current);
    quote.is_none().then_some(words)
}

impl Form {
    fn read(&self, words: &[Word]) -> Option<Command> {
        let parts: Vec<&str> = self.pattern.split(' ').collect();
        let mut said = Vec::new();
        if !matches(&parts, words, &mut said) {
            return None;
        }
        let fixed = self.fixed.iter().map(|(name, value)| argument(name, value));
        said.extend(fixed);
        Some(Command {
            act: self.act,
            said,
        })
    }
}

/// Do the words have exactly these parts? What they say is added to `said`.
fn matches(parts: &[&str], words: &[Word], said: &mut Vec<Argument>) -> bool {
    let Some((part, parts)) = parts.split_first() else {
        return words.is_empty();
    };
    if let Some(letters) = inner(part, "[-", "]") {
        let flags = |word: &&Word| {
            let flags = word.text.strip_prefix('-').filter(|_| !word.quoted);
            flags.is_some_and(|flags| {
                !flags.is_empty() && flags.chars().all(|c| letters.contains(c))
            })
        };
        let count = words.iter().take_while(flags).count();
        return matches(parts, &words[count..], said);
    }
    let Some((word, rest)) = words.split_first() else {
        return false;
    };
    if let Some(name) = inner(part, "{", "..}") {
        let end = parts
            .first()
            .and_then(|next| rest.iter().position(|word| word.is(next)));
        let end = if parts.is_empty() {
            Some(rest.len())
        } else {
            end
        };
        let Some(end) = end else { return false };
        let taken = &words[..=end];
        // Flags, globs, and `2> FILE`, which a shell reads in another way.
        let odd = |word: &Word| {
            !word.quoted && (word.text.starts_with('-') || word.text.contains(['*', '?', '~']))
        };
        let channel = taken.last().is_some_and(|word| {
            !word.quoted && word.text.len() == 1 && word.text.bytes().all(|b| b.is_ascii_digit())
        });
        if taken.iter().any(odd) || channel && !parts.is_empty() {
            return false;
        }
        let texts: Vec<&str> = taken.iter().map(|word| &*word.text).collect();
        said.push(argument(name, &texts.join(" ")));
        return matches(parts, &rest[end..], said);
    }
    take(part, word, said) && matches(parts, rest, said)
}

/// Is the word this part?
fn take(part: &str, word: &Word, said: &mut Vec<Argument>) -> bool {
    let Some((lead, slot)) = part.split_once('{') else {
        return part.split('|').any(|literal| word.is(literal));
    };
    let slot = slot.trim_end_matches('}');
    let Some(text) = word.text.strip_prefix(lead) else {
        return false;
    };
    let flag = text.starts_with('-') || text.is_empty();
    let glob = !word.quoted && text.contains(['*', '?', '~']) && slot != "pattern" && slot != "url";
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(name) = slot.strip_prefix('-') {
        let bare = text.strip_prefix('-').unwrap_or(text);
        said.push(argument(name, &format!("-{bare}")));
        return number(bare);
    }
    if flag || glob {
        return false;
    }
    if let Some(name) = slot.strip_prefix('/') {
        said.push(argument(name, text));
        return text.starts_with('/');
    }
    if let Some((first, second)) = slot.split_once(':') {
        let (one, two) = text
            .split_once([':', '/'])
            .map_or((text, None), |(one, two)| (one, Some(two)));
        said.push(argument(first, one));
        said.extend(two.map(|two| argument(second, two)));
        return !one.is_empty() && two != Some("");
    }
    if lead == "-" && !number(text) {
        return false;
    }
    said.push(argument(slot, text));
    true
}

fn inner<'a>(part: &'a str, open: &str, close: &str) -> Option<&'a str> {
    part.strip_prefix(open)?.strip_suffix(close)
}

fn argument(name: &str, text: &str) -> Argument {
    Argument {
        name: name.to_owned(),
        text: text.to_owned(),
        source: Source::Goal,
        bytes: 0..0,
        is_exact: true,
        confidence: 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let Some(command) = command(line) else {
            return "-".into();
        };
        let mut said: Vec<String> = command
            .said
            .iter()
            .map(|one| format!("{}={}", one.name, one.text))
            .collect();
        said.sort();
        format!("{} {}", command.act, said.join(" "))
            .trim_end()
            .into()
    }

    #[test]
    fn commands_are_calls_and_sentences_are_not() {
        let check = |line: &str, expected: &str| assert_eq!(shown(line), expected, "{line}");
        check("cat /etc/hosts", "fs.read path=/etc/hosts");
        check("cat '/srv/My Notes/a b'", "fs.read path=/srv/My Notes/a b");
        check("tail -n 2 /var/log/a", "fs.read lines=-2 path=/var/log/a");
        check("tail -5 /var/log/a", "fs.read lines=-5 path=/var/log/a");
        check("head -5 /var/log/a", "fs.read lines=5 path=/var/log/a");
        check("ls -la /srv", "fs.list path=/srv");
        check("mkdir -p /srv/a/b", "fs.mkdir path=/srv/a/b");
        check("sudo rm -rf /srv/a", "fs.delete path=/srv/a");
        check("ln -s ../a /srv/b", "fs.symlink path=/srv/b target=../a");
        check(
            "chown -R www:web /srv",
            "fs.chown below=yes group=web owner=www path=/srv",
        );
        check("chown www /srv", "fs.chown owner=www path=/srv");
        check(
            "echo hi there > /srv/a",
            "fs.write content=hi there path=/srv/a",
        );
        check(
            "echo 'x > y'>>/srv/a",
            "fs.append content=x > y path=/srv/a",
        );
        check(
            "find /srv -name '*.log'",
            "fs.search path=/srv pattern=*.log",
        );
        check(
            "find /srv -type f -name *.log",
            "fs.search path=/srv pattern=*.log",
        );
        check("find /srv -size +10M", "fs.search min_size=10M path=/srv");
        check("kill -9 42", "process.signal pid=42 signal=KILL");
        check("kill 42", "process.signal pid=42 signal=TERM");
        check("usermod -aG web ada", "user.group_add group=web name=ada");
        check("ss -tulpn", "net.connections which=listening");
        check("curl -sL http://x/", "net.http_request url=http://x/");
        check("systemctl restart nginx", "service.restart service=nginx");
        check(
            "journalctl -u ssh -n 20",
            "service.logs lines=20 service=ssh",
        );
        check("apt-get install -y nginx", "pkg.install package=nginx");
        check("ufw allow 53/udp", "firewall.allow port=53 protocol=udp");
        check(
            "git -C /srv/a commit -m \"It's done\"",
            "git.commit message=It's done repository=/srv/a",
        );
        for line in [
            "ls",
            "ls is broken",
            "ls /srv | wc -l",
            "ls /srv; rm -rf /srv",
            "rm /srv/*",
            "rm -rf --no-preserve-root /",
            "rm /srv/a /srv/b",
            "cat $(which x)",
            "cat \"/srv/$x\"",
            "cat notes.txt",
            "kill the lights",
            "kill -STOP 5",
            "date with me",
            "mount /dev/sdb1 /mnt",
            "echo hi >",
            "echo -n hi > /srv/a",
            "echo hi 2> /srv/a",
            "echo hi # > /srv/a",
            "echo * > /srv/a",
            "rmdir /srv/a",
            "ls /srv # all",
            "echo \"hi > /srv/a",
            "head -x5 /srv/a",
            "sudo",
            "",
        ] {
            check(line, "-");
        }
    }

    #[test]
    fn our_phrases_are_calls_to_their_last_word() {
        let check = |goal: &str, expected: &str| assert_eq!(shown(goal), expected, "{goal}");
        check(
            "Please write \"She said: 'no!'\" to /srv/a.txt",
            "fs.write content=She said: 'no!' path=/srv/a.txt",
        );
        check(
            "Could you please append 'x' to /srv/log for me?",
            "fs.append content=x path=/srv/log",
        );
        check("Don’t forget to delete /srv/a!", "fs.delete path=/srv/a");
        check(
            "append 'x' to /srv/log.",
            "fs.append content=x path=/srv/log",
        );
        check(
            "delete \"/srv/My File.txt\"",
            "fs.delete path=/srv/My File.txt",
        );
        check(
            "copy /srv/a to /srv/b",
            "fs.copy destination=/srv/b source=/srv/a",
        );
        check("make the folder /srv/a", "fs.mkdir path=/srv/a");
        check("list /srv", "fs.list path=/srv");
        check(
            "write hello to /srv/a",
            "fs.write content=hello path=/srv/a",
        );
        for goal in [
            "delete /srv/a and /srv/b",
            "delete /srv/a but not now",
            "show /srv",
            "don't delete /srv/a",
            "you delete",
        ] {
            check(goal, "-");
        }
    }

    /// The names of acts and arguments are the registry's: tools.txt is held against it.
    #[test]
    fn every_form_is_an_act_with_its_arguments() {
        let tools = include_str!("../../../brain/data/tools.txt");
        let phrases = PHRASES.iter().map(|(pattern, act)| form(pattern, act));
        let forms: Vec<Form> = phrases.collect();
        for form in FORMS.iter().chain(&forms) {
            let line = tools
                .lines()
                .find(|line| line.split('(').next() == Some(form.act));
            let inside = line.and_then(|line| line.split(['(', ')']).nth(1));
            let known: Vec<&str> = inside
                .unwrap_or_else(|| panic!("{}: no {}", form.pattern, form.act))
                .split(',')
                .map(|one| one.trim().trim_end_matches('?'))
                .collect();
            let typed = form
                .pattern
                .split('{')
                .skip(1)
                .filter_map(|one| one.split('}').next());
            let typed = typed.map(|one| one.split_once('=').map_or(one, |(_, name)| name));
            let typed = typed.flat_map(|one| one.split(':'));
            let typed = typed.map(|one| one.trim_matches(['/', '-', '.']));
            for name in typed.chain(form.fixed.iter().map(|(name, _)| *name)) {
                assert!(
                    known.contains(&name),
                    "{}: {} has no {name}",
                    form.pattern,
                    form.act
                );
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_line_can_be_read(line in "\\PC{0,80}") {
            command(&line);
        }
    }
}
