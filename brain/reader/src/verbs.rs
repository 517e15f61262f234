//! Words for changing something, by what they change; and words for looking.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What kind of change a word, or a tool, makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Takes a thing away.
    Delete,
    /// Writes a text.
    Write,
    /// Adds to a text.
    Append,
    /// Gives a thing another place or name.
    Move,
    /// Makes a second one.
    Copy,
    /// Makes a folder or an empty thing.
    Make,
    /// Makes a link.
    Link,
    /// Ends a service.
    Stop,
    /// Begins a service.
    Start,
    /// Ends and begins a service.
    Restart,
    /// Ends a process, or sends it a signal.
    Kill,
    /// Some other change.
    Other,
}

impl Family {
    /// The family that this verb stands for, in its base form and lower case: the word by which a
    /// tool's specification names the change that the tool makes.
    pub fn named(verb: &str) -> Option<Self> {
        Some(match verb {
            "delete" => Self::Delete,
            "write" => Self::Write,
            "append" => Self::Append,
            "move" => Self::Move,
            "copy" => Self::Copy,
            "make" => Self::Make,
            "link" => Self::Link,
            "stop" => Self::Stop,
            "start" => Self::Start,
            "restart" => Self::Restart,
            "kill" => Self::Kill,
            _ => return None,
        })
    }
}

use Family::{Append, Delete, Kill, Link, Make, Move, Other, Restart, Start, Stop, Write};
/// `Copy` by itself is the trait.
const COPY: Family = Family::Copy;

/// Verbs in their base form, with what they may mean.
const CHANGES: &[(&str, &[Family])] = &[
    ("accept", &[Other]),
    ("activate", &[Start]),
    ("ad", &[Append, Write]),
    ("add", &[Append, Write, Make, COPY, Link]),
    ("adduser", &[Make, Other]),
    ("adjust", &[Other]),
    ("admit", &[]),
    ("alert", &[]),
    ("allow", &[Other]),
    ("alter", &[Other, Write]),
    ("amend", &[Write, Append]),
    ("append", &[Append]),
    ("apply", &[Other]),
    ("apt-mark", &[]),
    ("archive", &[Other, Move, COPY]),
    ("assign", &[Other]),
    ("attach", &[Append, Other]),
    ("authorise", &[]),
    ("authorize", &[]),
    ("autoremove", &[]),
    ("autostart", &[Start, Other]),
    ("axe", &[Delete, Stop, Kill]),
    ("backup", &[COPY, Other]),
    ("ban", &[Other]),
    ("banish", &[Delete, Move]),
    ("bar", &[Other]),
    ("bin", &[Delete]),
    ("blacklist", &[]),
    ("blank", &[Write]),
    ("block", &[Other]),
    ("boot", &[Start]),
    ("bootstrap", &[]),
    ("bounce", &[Restart]),
    ("bring", &[Start, Stop, Move, COPY]),
    ("build", &[Make, Other]),
    ("bump", &[Other, Restart]),
    ("bzip", &[]),
    ("cancel", &[Other, Stop]),
    ("change", &[Write, Other, Move]),
    ("checkin", &[]),
    ("checkout", &[]),
    ("chgrp", &[]),
    ("chmod", &[Other]),
    ("chown", &[Other]),
    ("chuck", &[Delete, Write, Move]),
    ("clean", &[Delete]),
    ("clear", &[Delete, Write]),
    ("clone", &[COPY, Other]),
    ("close", &[Other, Stop, Kill]),
    ("combine", &[Other, Append]),
    ("commit", &[Other]),
    ("compile", &[]),
    ("compress", &[Other]),
    ("concatenate", &[]),
    ("configure", &[Other]),
    ("construct", &[]),
    ("convert", &[Other]),
    ("copy", &[COPY]),
    ("cp", &[COPY]),
    ("create", &[Make, Write, Link, COPY, Other]),
    ("crontab", &[]),
    ("crush", &[Delete, Kill]),
    ("cut", &[Delete, Stop, Other]),
    ("cycle", &[Restart]),
    ("deactivate", &[Stop]),
    ("decommission", &[Delete, Stop]),
    ("decompress", &[Other]),
    ("decrypt", &[]),
    ("dedupe", &[]),
    ("deduplicate", &[]),
    ("define", &[Other, Make]),
    ("deinstall", &[]),
    ("del", &[Delete]),
    ("delete", &[Delete]),
    ("deliver", &[Move, COPY]),
    ("deluser", &[Delete, Other]),
    ("deny", &[Other]),
    ("deploy", &[Other]),
    ("deregister", &[]),
    ("destroy", &[Delete]),
    ("detach", &[]),
    ("disable", &[Stop, Other]),
    ("discard", &[Delete]),
    ("discontinue", &[]),
    ("dispose", &[Delete]),
    ("ditch", &[Delete]),
    ("download", &[Other]),
    ("drop", &[Delete, Write, Move, COPY, Append]),
    ("dump", &[Delete, Write, Move]),
    ("duplicate", &[COPY]),
    ("echo", &[Write, Append]),
    ("edit", &[Write, Append]),
    ("eject", &[Other]),
    ("eliminate", &[Delete]),
    ("empty", &[Delete, Write]),
    ("enable", &[Start, Other]),
    ("encrypt", &[]),
    ("end", &[Stop, Kill]),
    ("enrol", &[]),
    ("enroll", &[]),
    ("enter", &[Write, Append]),
    ("entrust", &[]),
    ("erase", &[Delete]),
    ("establish", &[]),
    ("evict", &[]),
    ("exchange", &[]),
    ("exec", &[Start, Other]),
    ("execute", &[Start, Other]),
    ("expand", &[]),
    ("explode", &[Other]),
    ("expose", &[]),
    ("expunge", &[Delete]),
    ("extend", &[Other]),
    ("extinguish", &[]),
    ("extract", &[Other]),
    ("fetch", &[]),
    ("fill", &[Write]),
    ("fire", &[Start]),
    ("fix", &[Other]),
    ("flush", &[Delete, Other]),
    ("force-stop", &[Stop, Kill]),
    ("format", &[Other, Delete]),
    ("free", &[Delete]),
    ("freeze", &[Stop, Kill]),
    ("freshen", &[]),
    ("generate", &[Make, Write, Other]),
    ("gpasswd", &[]),
    ("grab", &[Other, COPY]),
    ("grant", &[Other]),
    ("gunzip", &[]),
    ("gzip", &[]),
    ("halt", &[Stop, Kill]),
    ("hang", &[Write, Other]),
    ("haul", &[]),
    ("hide", &[Move, Other]),
    ("hook", &[]),
    ("hup", &[]),
    ("inflate", &[]),
    ("init", &[]),
    ("initialise", &[]),
    ("initialize", &[]),
    ("inscribe", &[Write, Append]),
    ("insert", &[Write, Append]),
    ("install", &[Other]),
    ("instantiate", &[]),
    ("interrupt", &[]),
    ("jot", &[Write, Append]),
    ("kick", &[Restart, Stop, Start, Kill]),
    ("kill", &[Kill, Stop, Delete]),
    ("killall", &[Kill]),
    ("launch", &[Start]),
    ("lend", &[]),
    ("lift", &[Other, Delete]),
    ("link", &[Link]),
    ("ln", &[Link]),
    ("loan", &[]),
    ("lock", &[Other]),
    ("log", &[Write, Append]),
    ("make", &[Make, Write, COPY, Link, Move, Other]),
    ("merge", &[Other, Append]),
    ("mirror", &[]),
    ("mkdir", &[Make]),
    ("modify", &[Write, Other]),
    ("mount", &[Other]),
    ("move", &[Move]),
    ("murder", &[Kill, Stop]),
    ("mv", &[Move]),
    ("note", &[Write, Append]),
    ("notify", &[]),
    ("nuke", &[Delete]),
    ("obliterate", &[Delete]),
    ("obtain", &[]),
    ("onboard", &[]),
    ("open", &[Other]),
    ("outlaw", &[]),
    ("overwrite", &[Write, COPY, Move]),
    ("pack", &[Other]),
    ("park", &[Move, COPY, Stop]),
    ("paste", &[Write, Append]),
    ("patch", &[Other, Write]),
    ("pause", &[Stop, Kill]),
    ("permit", &[Other]),
    ("pin", &[Other]),
    ("pitch", &[Delete]),
    ("place", &[Write, Move, COPY, Make]),
    ("plan", &[Other]),
    ("plonk", &[Write, Move, COPY]),
    ("poke", &[Kill, Restart]),
    ("pop", &[Write, Move, COPY]),
    ("prefetch", &[]),
    ("preload", &[]),
    ("prepend", &[Write]),
    ("print", &[Write]),
    ("provision", &[]),
    ("prune", &[Delete]),
    ("pull", &[Other]),
    ("punch", &[Other]),
    ("purge", &[Delete, Other]),
    ("push", &[Other, Move, COPY]),
    ("put", &[Write, Append, Move, COPY, Make, Stop]),
    ("quiesce", &[]),
    ("quit", &[Stop, Kill]),
    ("reassign", &[]),
    ("reattach", &[]),
    ("rebase", &[]),
    ("rebind", &[]),
    ("reboot", &[Restart]),
    ("rebuild", &[Other]),
    ("reclaim", &[]),
    ("reclone", &[]),
    ("record", &[Write, Append]),
    ("recover", &[Other]),
    ("recreate", &[Make, Write]),
    ("recycle", &[Restart, Delete]),
    ("redo", &[Other]),
    ("reformat", &[]),
    ("refresh", &[Restart]),
    ("refuse", &[Other]),
    ("register", &[Other]),
    ("reinstall", &[]),
    ("reissue", &[]),
    ("rejoin", &[]),
    ("relabel", &[]),
    ("relaunch", &[Restart]),
    ("relink", &[]),
    ("reload", &[Restart]),
    ("relocate", &[Move]),
    ("remount", &[]),
    ("remove", &[Delete, Stop, Kill, Other]),
    ("rename", &[Move]),
    ("renew", &[]),
    ("renumber", &[]),
    ("reopen", &[]),
    ("reorder", &[]),
    ("replace", &[Write, Move, COPY]),
    ("replicate", &[COPY]),
    ("requeue", &[]),
    ("reschedule", &[]),
    ("reset", &[Restart, Write, Other]),
    ("resize", &[]),
    ("restage", &[]),
    ("restart", &[Restart]),
    ("restore", &[Other, COPY]),
    ("resume", &[Start]),
    ("retag", &[]),
    ("retire", &[Delete, Stop, Move]),
    ("revert", &[Other]),
    ("revive", &[Start, Restart]),
    ("revoke", &[Other]),
    ("rewrite", &[Write]),
    ("rip", &[]),
    ("rm", &[Delete]),
    ("rmdir", &[Delete]),
    ("rotate", &[Other, Move]),
    ("rsync", &[]),
    ("run", &[Start, Other]),
    ("sanitise", &[]),
    ("sanitize", &[]),
    ("save", &[Write, Append, COPY]),
    ("schedule", &[Other]),
    ("scrap", &[Delete]),
    ("scratch", &[Delete]),
    ("scrub", &[Delete]),
    ("send", &[Other, Move, COPY, Kill]),
    ("set", &[Write, Other, Make]),
    ("shift", &[Move]),
    ("shorten", &[]),
    ("shove", &[Move, Write, COPY]),
    ("shred", &[Delete]),
    ("shut", &[Stop]),
    ("signal", &[Kill]),
    ("silence", &[]),
    ("slap", &[Write, Append]),
    ("snap", &[Other]),
    ("snapshot", &[Other, COPY]),
    ("soft-link", &[Link]),
    ("sort", &[]),
    ("spawn", &[Start, Other]),
    ("spin", &[Start, Make]),
    ("splice", &[]),
    ("split", &[Other]),
    ("squash", &[]),
    ("stage", &[]),
    ("start", &[Start]),
    ("stash", &[Move, COPY, Write]),
    ("stick", &[Write, Append, Move, COPY]),
    ("stop", &[Stop, Kill]),
    ("store", &[Write, Move, COPY]),
    ("strip", &[Delete, Other]),
    ("substitute", &[]),
    ("suppress", &[]),
    ("suspend", &[Stop, Kill]),
    ("swap", &[Move, Write]),
    ("switch", &[Start, Stop, Restart, Other]),
    ("symlink", &[Link]),
    ("sync", &[Other, COPY]),
    ("tack", &[Append]),
    ("tag", &[]),
    ("take", &[Delete, Stop, COPY, Move]),
    ("tar", &[Other]),
    ("terminate", &[Kill, Stop]),
    ("throw", &[Delete, Write, Move]),
    ("tidy", &[Delete]),
    ("toss", &[Delete, Write]),
    ("touch", &[Make, Write, Other]),
    ("transfer", &[Move, COPY]),
    ("transmit", &[]),
    ("trash", &[Delete]),
    ("trigger", &[]),
    ("trim", &[]),
    ("truncate", &[Write, Delete]),
    ("turn", &[Start, Stop, Other]),
    ("type", &[Write]),
    ("unassign", &[]),
    ("unbind", &[]),
    ("unblock", &[Other]),
    ("uncompress", &[]),
    ("undelete", &[]),
    ("undo", &[Other]),
    ("unfreeze", &[]),
    ("unhold", &[]),
    ("unhook", &[]),
    ("uninstall", &[Other]),
    ("unlink", &[Delete]),
    ("unload", &[]),
    ("unmark", &[]),
    ("unmount", &[Other]),
    ("unpack", &[Other]),
    ("unpause", &[]),
    ("unpin", &[]),
    ("unregister", &[]),
    ("unschedule", &[]),
    ("unset", &[]),
    ("unstage", &[]),
    ("unsubscribe", &[]),
    ("untag", &[]),
    ("untar", &[Other]),
    ("unwatch", &[]),
    ("unzip", &[Other]),
    ("update", &[Write, Append, Other]),
    ("upgrade", &[Other]),
    ("upload", &[Other]),
    ("useradd", &[Make, Other]),
    ("userdel", &[Delete, Other]),
    ("usermod", &[Other]),
    ("vacate", &[]),
    ("vaporise", &[Delete]),
    ("vaporize", &[Delete]),
    ("warn", &[]),
    ("wget", &[Other]),
    ("whitelist", &[]),
    ("wipe", &[Delete, Write]),
    ("withdraw", &[]),
    ("withhold", &[Other]),
    ("wrap", &[Other]),
    ("write", &[Write, Append]),
    ("yank", &[]),
    ("yeet", &[Delete, Move]),
    ("zap", &[Delete, Kill]),
    ("zip", &[Other]),
];

/// Forms that no rule makes.
const IRREGULAR: &[(&str, &str)] = &[
    ("brought", "bring"),
    ("built", "build"),
    ("froze", "freeze"),
    ("frozen", "freeze"),
    ("hid", "hide"),
    ("hidden", "hide"),
    ("made", "make"),
    ("overwritten", "overwrite"),
    ("overwrote", "overwrite"),
    ("ran", "run"),
    ("removal", "remove"),
    ("deletion", "delete"),
    ("renaming", "rename"),
    ("rewritten", "rewrite"),
    ("rewrote", "rewrite"),
    ("sent", "send"),
    ("shutdown", "shut"),
    ("spun", "spin"),
    ("stuck", "stick"),
    ("taken", "take"),
    ("threw", "throw"),
    ("thrown", "throw"),
    ("took", "take"),
    ("undid", "undo"),
    ("undone", "undo"),
    ("went", "go"),
    ("written", "write"),
    ("wrote", "write"),
];

/// Verbs that mean any change at all; in a ban they forbid everything.
const ANY_CHANGE: &[&str] = &[
    "alter",
    "change",
    "disturb",
    "edit",
    "fiddle",
    "harm",
    "interfere",
    "lay",
    "meddle",
    "mess",
    "modify",
    "muck",
    "tamper",
    "tinker",
    "touch",
    "tweak",
    "play",
];

/// Verbs for looking, in their base form.
const LOOKS: &[&str] = &[
    "analyse",
    "analyze",
    "browse",
    "calculate",
    "cat",
    "check",
    "compare",
    "confirm",
    "count",
    "describe",
    "detail",
    "determine",
    "df",
    "diff",
    "display",
    "du",
    "enumerate",
    "estimate",
    "examine",
    "explain",
    "figure",
    "find",
    "grep",
    "guess",
    "head",
    "identify",
    "inspect",
    "investigate",
    "know",
    "list",
    "locate",
    "look",
    "ls",
    "measure",
    "monitor",
    "output",
    "peek",
    "ping",
    "ps",
    "query",
    "quote",
    "read",
    "recite",
    "report",
    "retrieve",
    "reveal",
    "review",
    "say",
    "scan",
    "search",
    "see",
    "show",
    "stat",
    "summarise",
    "summarize",
    "tail",
    "tell",
    "test",
    "verify",
    "view",
    "watch",
    "wc",
    "whats",
];

/// How a word of the table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tense {
    Base,
    /// `deletes`.
    Third,
    /// `deleted`, `written`, `wrote`.
    Past,
    /// `deleting`.
    Gerund,
}

#[derive(Clone, Copy)]
struct Form {
    families: &'static [Family],
    tense: Tense,
}

static FORMS: LazyLock<HashMap<String, Form>> = LazyLock::new(|| {
    let mut forms = HashMap::new();
    for (base, families) in CHANGES {
        for (word, tense) in inflected(base) {
            forms.insert(word, Form { families, tense });
        }
    }
    for (word, base) in IRREGULAR {
        if let Some((_, families)) = CHANGES.iter().find(|(known, _)| known == base) {
            let noun = ["deletion", "removal", "shutdown"].contains(word);
            let tense = match noun || word.ends_with("ing") {
                true => Tense::Gerund,
                false => Tense::Past,
            };
            forms.insert((*word).to_owned(), Form { families, tense });
        }
    }
    forms
});

/// A verb's forms by the rules of English spelling.
fn inflected(base: &str) -> Vec<(String, Tense)> {
    let bytes = base.as_bytes();
    let vowel = |at: usize| bytes.get(at).is_some_and(|c| b"aeiou".contains(c));
    let n = bytes.len();
    let silent = base.ends_with('e') && !base.ends_with("ee");
    let to_i = base.ends_with('y') && n > 1 && !vowel(n - 2);
    let doubles =
        n > 2 && !vowel(n - 1) && vowel(n - 2) && !vowel(n - 3) && !base.ends_with(['w', 'x', 'y']);
    let sibilant = ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|end| base.ends_with(end));
    let stem = &base[..n - usize::from(silent || to_i)];
    let last = &base[n - 1..];
    let mut forms = vec![(base.to_owned(), Tense::Base)];
    forms.push(match (to_i, sibilant) {
        (true, _) => (format!("{stem}ies"), Tense::Third),
        (_, true) => (format!("{base}es"), Tense::Third),
        _ => (format!("{base}s"), Tense::Third),
    });
    let past = if to_i {
        format!("{stem}ied")
    } else {
        format!("{stem}ed")
    };
    let gerund = if to_i {
        format!("{base}ing")
    } else {
        format!("{stem}ing")
    };
    if doubles {
        forms.push((format!("{base}{last}ed"), Tense::Past));
        forms.push((format!("{base}{last}ing"), Tense::Gerund));
    }
    forms.push((past, Tense::Past));
    forms.push((gerund, Tense::Gerund));
    forms
}

/// The families of a word, if it changes something in any of its forms.
pub(crate) fn families(word: &str) -> Option<&'static [Family]> {
    FORMS.get(word).map(|form| form.families)
}

/// How the word is written, if it changes something.
pub(crate) fn tense(word: &str) -> Option<Tense> {
    FORMS.get(word).map(|form| form.tense)
}

/// Can a clause begin with this word as an order to change something?
pub(crate) fn is_change(word: &str) -> bool {
    tense(word) == Some(Tense::Base)
}

/// Does the word mean any change at all?
pub(crate) fn is_any_change(word: &str) -> bool {
    let stems = [
        word,
        word.strip_suffix("ing").unwrap_or(word),
        word.strip_suffix("ed").unwrap_or(word),
        word.strip_suffix('s').unwrap_or(word),
    ];
    let matches = |known: &&str| {
        stems.contains(known)
            || known
                .strip_suffix('e')
                .is_some_and(|stem| stems.contains(&stem))
    };
    ANY_CHANGE.iter().any(matches)
        || matches!(
            word,
            "tinkering" | "tampered" | "meddling" | "fiddling" | "modified"
        )
}

/// Is the word a verb of change with one letter missing, doubled or two
/// letters in the wrong order? Another letter in its place makes too many other words.
pub(crate) fn is_slip(word: &str) -> bool {
    const SHORTEST: usize = 3;
    let letters = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let near = |(base, _): &(&str, &[Family])| {
        let other_letter = base.len() == word.len() && letters(base) != letters(word);
        base.len() > SHORTEST && !other_letter && strsim::osa_distance(base, word) == 1
    };
    word.len() >= SHORTEST
        && word.chars().all(char::is_alphabetic)
        && !is_look(word)
        && CHANGES.iter().any(near)
}

/// Can a clause begin with this word as an order to look?
pub(crate) fn is_look(word: &str) -> bool {
    LOOKS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_verb_is_known() {
        let check =
            |word: &str, expected: Option<Tense>| assert_eq!(tense(word), expected, "{word}");
        check("delete", Some(Tense::Base));
        check("deletes", Some(Tense::Third));
        check("deleted", Some(Tense::Past));
        check("deleting", Some(Tense::Gerund));
        check("stopped", Some(Tense::Past));
        check("stopping", Some(Tense::Gerund));
        check("copies", Some(Tense::Third));
        check("copying", Some(Tense::Gerund));
        check("wrote", Some(Tense::Past));
        check("wiped", Some(Tense::Past));
        check("killing", Some(Tense::Gerund));
        check("overwriting", Some(Tense::Gerund));
        check("table", None);
        check("nginx", None);
    }

    #[test]
    fn the_tables_are_in_order() {
        assert!(CHANGES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(LOOKS.is_sorted_by(|a, b| a < b));
    }
}
