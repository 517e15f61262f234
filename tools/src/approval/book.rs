//! The calls that wait for a person: a file each, so that they outlive this process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aios_config::{About, Risk};
use aios_files::clock::now_ms;
use aios_files::durable;
use aios_role::Role;
use aios_tool::error::ToolError;
use aios_tool::format;
use aios_tool::preview::{Foreseen, Preview};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::rules::like;
use crate::store::Call;

/// Calls that may wait at once.
const WAITING_MAX: usize = 256;
/// Of these, calls of the goals of one operator: one does not keep the others from asking.
const WAITING_OF_ONE: usize = 64;
/// What all that is in the book takes, in bytes of JSON: it is in memory, and the daemon has 512 MiB.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Of these, what the goals of one operator take.
const BYTES_OF_ONE: usize = 8 * 1024 * 1024;
/// Calls that are remembered without being waited for; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 256;
/// Of what is remembered of a call that nobody waits for, changes and bytes of each text.
const SHORT: (usize, usize) = (3, 200);
/// Rules that persons may make by their decisions.
const RULES_MAX: usize = 1000;
/// For how long a denied or expired call is remembered, in milliseconds: whoever repeats it meanwhile
/// hears why.
const REMEMBERED_MS: i64 = 3_600_000;

/// A call that a person is asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The execution's id.
    pub id: String,
    /// The call.
    pub call: Call,
    /// The resolved arguments.
    pub input: Value,
    /// What it needs, as capabilities.
    pub needs: Vec<String>,
    /// How much harm it can do.
    pub risk: u8,
    /// Is it for an admin to allow: critical, or by a tool that admins alone have called?
    #[serde(default)]
    pub for_admins: bool,
    /// Do all its needs follow from its arguments? Then a rule for always is about the same thing again.
    #[serde(default)]
    pub names_its_object: bool,
    /// Why a person is asked.
    pub why: String,
    /// What it would do.
    pub preview: Preview,
    /// When it was asked, Unix milliseconds.
    pub asked_ms: i64,
    /// Until when it may be decided and done, Unix milliseconds.
    pub expires_ms: i64,
    /// What was decided.
    pub decision: Option<Decision>,
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// May it be done?
    pub allowed: bool,
    /// The operator's subject.
    pub by: String,
    /// Why, for people.
    pub reason: String,
    /// When, Unix milliseconds.
    pub at_ms: i64,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody decided yet.
    Waits,
    /// It may be made.
    Allowed,
    /// It may not.
    Denied,
    /// Nobody decided in time, or it was not made in time.
    Expired,
}

impl Asked {
    /// Where it stands at this time, Unix milliseconds.
    pub fn standing(&self, now_ms: i64) -> Standing {
        match &self.decision {
            Some(decision) if !decision.allowed => Standing::Denied,
            _ if now_ms >= self.expires_ms => Standing::Expired,
            Some(_) => Standing::Allowed,
            None => Standing::Waits,
        }
    }

    /// What a decision has to name: SHA-256 of what would happen, hex.
    pub fn digest(&self) -> String {
        aios_ledger::hex(&self.preview.digest())
    }

    /// When it was denied, or too late, Unix milliseconds.
    fn ended_ms(&self) -> i64 {
        match &self.decision {
            Some(decision) if !decision.allowed => decision.at_ms,
            _ => self.expires_ms,
        }
    }

    fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.ended_ms().saturating_add(REMEMBERED_MS)
    }

    /// May it still be made?
    fn is_open(&self, now_ms: i64) -> bool {
        matches!(self.standing(now_ms), Standing::Waits | Standing::Allowed)
    }

    /// What is remembered once it cannot be made: who decided what, and in short about what.
    fn in_short(&self) -> Self {
        let (most, length) = SHORT;
        let text = |text: &str| format::cut(text, length);
        let shown = self.preview.changes.iter().take(most);
        let changes: Vec<Foreseen> = shown
            .map(|one| Foreseen::of(text(&one.object), &text(&one.before), &text(&one.after)))
            .collect();
        let preview = Preview {
            more: self.preview.count() - changes.len() as u64,
            changes,
            ..Preview::default()
        };
        let needs = self.needs.iter().take(most).map(|need| text(need));
        Self {
            input: Value::Null,
            needs: needs.collect(),
            call: Call {
                reason: text(&self.call.reason),
                ..self.call.clone()
            },
            preview,
            ..self.clone()
        }
    }
}

/// The risk as a file has it.
pub fn rank(risk: Risk) -> u8 {
    match risk {
        Risk::Low => 1,
        Risk::Medium => 2,
        Risk::High => 3,
        Risk::Critical => 4,
    }
}

/// Who decides what about a call.
#[derive(Clone, Debug)]
pub struct Order {
    /// The call, or enough of the beginning of its id.
    pub id: String,
    /// The digest of what was shown.
    pub digest: String,
    /// Also every later call like it.
    pub always: bool,
    /// What.
    pub decision: Decision,
    /// The role of whoever decides.
    pub role: Role,
}

/// All that waits, and the rules that persons made.
#[derive(Debug)]
pub struct Book {
    folder: PathBuf,
    inner: Mutex<Inner>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    asked: BTreeMap<String, Noted>,
    rules: Vec<About>,
}

/// A call as it is in its file.
#[derive(Debug)]
struct Noted {
    asked: Asked,
    /// Size of the file in bytes.
    bytes: usize,
    /// It is [`Asked::in_short`] already.
    short: bool,
}

impl Book {
    /// The book in this folder, which is made when it is missing. What cannot be read is left out, which
    /// asks again.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut inner = Inner {
            rules: read_rules(&folder.join(RULES)),
            ..Inner::default()
        };
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name == RULES)
                || path.extension().is_none_or(|extension| extension != "json")
            {
                continue;
            }
            let read = fs::read(&path).and_then(|text| {
                let asked = serde_json::from_slice::<Asked>(&text)?;
                Ok((asked, text.len()))
            });
            match read {
                Ok((asked, bytes))
                    if path
                        .file_stem()
                        .is_some_and(|name| name == asked.id.as_str()) =>
                {
                    let noted = Noted {
                        short: asked.input.is_null(),
                        asked,
                        bytes,
                    };
                    inner.asked.insert(noted.asked.id.clone(), noted);
                }
                Ok(_) => tracing::warn!("{} is about another call", path.display()),
                Err(error) => tracing::warn!("{} is left out: {error}", path.display()),
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            inner: Mutex::new(inner),
            changes: watch::Sender::new(0),
        })
    }

    /// The call of this execution, if a person was asked about it.
    pub fn find(&self, execution: &str) -> Option<Asked> {
        let inner = self.lock();
        inner.asked.get(execution).map(|noted| noted.asked.clone())
    }

    /// What persons decided to be always allowed.
    pub fn rules(&self) -> Vec<About> {
        self.lock().rules.clone()
    }

    /// Everything that is not over, the oldest first.
    pub fn all(&self) -> Vec<Asked> {
        let now = now_ms();
        let inner = self.lock();
        let asked = inner.asked.values().map(|noted| &noted.asked);
        let mut all: Vec<Asked> = asked.filter(|asked| !asked.is_over(now)).cloned().collect();
        drop(inner);
        all.sort_by_key(|asked| asked.asked_ms);
        all
    }

    /// Changes from now on.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Puts a question, durably; one that is there for the execution is replaced.
    ///
    /// # Errors
    /// `Exhausted` when too many wait, of all or of this operator, or have too much to show;
    /// `Unavailable` when the disk refuses.
    pub fn ask(&self, asked: Asked) -> Result<(), ToolError> {
        let mut inner = self.lock();
        self.forget_old(&mut inner);
        let text = serialized(&asked)?;
        inner.has_room(&asked, text.len())?;
        self.note(&mut inner, asked, &text)?;
        self.changed();
        Ok(())
    }

    /// Decides, durably, once `record` has put it on record. The answer is the call as it stands now.
    ///
    /// # Errors
    /// `NotFound`; `Precondition` when it is decided, expired, or not what was shown; `Denied` when the
    /// role is too low; `Unavailable` when the disk refuses; what `record` says.
    pub fn decide(
        &self,
        order: &Order,
        record: impl FnOnce(&Asked) -> Result<(), ToolError>,
    ) -> Result<Asked, ToolError> {
        let mut inner = self.lock();
        let mut asked = inner.named(&order.id)?.clone();
        may_decide(&asked, order, now_ms())?;
        let rule = match order.always && order.decision.allowed {
            true if asked.risk >= rank(Risk::Critical) || !asked.names_its_object => {
                return Err(ToolError::Precondition(format!(
                    "no rule for always is made for {}: its calls do not say by what they need what they \
                     change, or it is critical; allow it this once",
                    asked.call.tool
                )));
            }
            true => Some(like(&asked.call.tool, &asked.needs)?),
            false => None,
        };
        record(&asked)?;
        if let Some(rule) = &rule
            && !inner.rules.contains(rule)
        {
            let rules = inner.rules.iter().chain([rule]).cloned().collect();
            self.write_rules(&mut inner, rules)?;
        }
        asked.decision = Some(order.decision.clone());
        let noted = match asked.is_open(now_ms()) {
            true => asked.clone(),
            false => asked.in_short(),
        };
        let text = serialized(&noted)?;
        self.note(&mut inner, noted, &text)?;
        if let Some(rule) = &rule {
            self.forget_like(&mut inner, &asked, rule);
        }
        self.changed();
        Ok(asked)
    }

    /// Nobody is asked any more about what is always allowed now. Who waits for an answer makes the call
    /// again, and it runs.
    fn forget_like(&self, inner: &mut Inner, decided: &Asked, rule: &About) {
        let now = now_ms();
        let is_like = |one: &Asked| {
            one.id != decided.id
                && one.standing(now) == Standing::Waits
                && like(&one.call.tool, &one.needs).is_ok_and(|like| like == *rule)
        };
        let noted = inner.asked.values().map(|noted| &noted.asked);
        let alike: Vec<String> = noted
            .filter(|one| is_like(one))
            .map(|one| one.id.clone())
            .collect();
        for id in alike {
            inner.asked.remove(&id);
            self.remove(&id);
        }
    }

    /// The execution is under way, or nobody wants it any more.
    pub fn forget(&self, execution: &str) {
        let mut inner = self.lock();
        if inner.asked.remove(execution).is_some() {
            self.remove(execution);
            self.changed();
        }
    }

    /// Takes a rule back, durably, once `record` has put that on record.
    ///
    /// # Errors
    /// `NotFound` when there is none like it; `Unavailable` when the disk refuses; what `record` says.
    pub fn forget_rule(
        &self,
        rule: &str,
        record: impl FnOnce() -> Result<(), ToolError>,
    ) -> Result<(), ToolError> {
        let mut inner = self.lock();
        let mut rules = inner.rules.clone();
        rules.retain(|known| known.to_string() != rule);
        if rules.len() == inner.rules.len() {
            return Err(ToolError::NotFound(format!("there is no rule {rule:?}")));
        }
        record()?;
        self.write_rules(&mut inner, rules)?;
        self.changed();
        Ok(())
    }

    /// Forgets what is long over, and the texts of what cannot be made any more.
    fn forget_old(&self, inner: &mut Inner) {
        let now = now_ms();
        let mut ended: Vec<(i64, String)> = inner
            .asked
            .values()
            .filter(|noted| !noted.asked.is_open(now))
            .map(|noted| (noted.asked.ended_ms(), noted.asked.id.clone()))
            .collect();
        ended.sort_unstable();
        let surplus = ended.len().saturating_sub(REMEMBERED_MAX);
        for (place, (_, id)) in ended.into_iter().enumerate() {
            let Some(noted) = inner.asked.get(&id) else {
                continue;
            };
            if place < surplus || noted.asked.is_over(now) {
                inner.asked.remove(&id);
                self.remove(&id);
            } else if !noted.short {
                let short = noted.asked.in_short();
                let noted = serialized(&short).and_then(|text| self.note(inner, short, &text));
                if let Err(error) = noted {
                    tracing::warn!("the texts of {id} stay: {error}");
                }
            }
        }
    }

    /// Writes a call into its file, and then knows it.
    fn note(&self, inner: &mut Inner, asked: Asked, text: &[u8]) -> Result<(), ToolError> {
        let written = durable::replace(&self.file(&asked.id), text);
        written.map_err(|error| unwritable(&error))?;
        let noted = Noted {
            short: asked.input.is_null(),
            bytes: text.len(),
            asked,
        };
        inner.asked.insert(noted.asked.id.clone(), noted);
        Ok(())
    }

    /// Writes these rules into their file, the newest of them; then they hold.
    fn write_rules(&self, inner: &mut Inner, mut rules: Vec<About>) -> Result<(), ToolError> {
        let surplus = rules.len().saturating_sub(RULES_MAX);
        rules.drain(..surplus);
        let texts: Vec<String> = rules.iter().map(ToString::to_string).collect();
        let written = serde_json::to_vec(&texts)
            .map_err(io::Error::other)
            .and_then(|text| durable::replace(&self.folder.join(RULES), &text));
        written.map_err(|error| unwritable(&error))?;
        inner.rules = rules;
        Ok(())
    }

    fn remove(&self, id: &str) {
        match durable::remove(&self.file(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It expires by itself, and its execution is known by its id.
                tracing::warn!("the approval {id} stays on the disk: {error}");
            }
            _ => {}
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The call of this id, or of the only one that begins so.
    fn named(&self, id: &str) -> Result<&Asked, ToolError> {
        let noted = self.asked.values().map(|noted| &noted.asked);
        let mut found = noted.filter(|asked| asked.id.starts_with(id));
        match (found.next(), found.next()) {
            (Some(asked), None) if !id.is_empty() => Ok(asked),
            (Some(_), Some(_)) => Err(ToolError::Precondition(format!(
                "several calls begin with {id:?}; name more of it"
            ))),
            _ => Err(ToolError::NotFound(format!("no call {id:?} waits"))),
        }
    }
}

impl Inner {
    /// May this, with so many bytes, wait too?
    fn has_room(&self, asked: &Asked, bytes: usize) -> Result<(), ToolError> {
        let now = now_ms();
        let others = || {
            self.asked
                .values()
                .filter(|noted| noted.asked.id != asked.id)
        };
        let whose = &asked.call.on_behalf_of;
        let is_theirs = |noted: &&Noted| noted.asked.call.on_behalf_of == *whose;
        let waits = |noted: &&Noted| noted.asked.standing(now) == Standing::Waits;
        let size = |sum: usize, noted: &Noted| sum + noted.bytes;
        let refuse = |why: String| {
            Err(ToolError::Exhausted(format!(
                "{why} already; aiosctl approvals shows them, and deciding about them makes room"
            )))
        };
        if others().filter(waits).filter(is_theirs).count() >= WAITING_OF_ONE {
            return refuse(format!(
                "{WAITING_OF_ONE} calls for {whose} wait for a person"
            ));
        }
        if others().filter(waits).count() >= WAITING_MAX {
            return refuse(format!("{WAITING_MAX} calls wait for a person"));
        }
        let theirs = others().filter(is_theirs).fold(bytes, size);
        if theirs > BYTES_OF_ONE {
            return refuse(format!(
                "what waits for a person has {} for {whose}, more than {},",
                format::bytes(theirs as u64),
                format::bytes(BYTES_OF_ONE as u64)
            ));
        }
        match others().fold(bytes, size) > BYTES_MAX {
            true => refuse(format!(
                "what waits for a person has more than {}",
                format::bytes(BYTES_MAX as u64)
            )),
            false => Ok(()),
        }
    }
}

/// A call as its file has it.
fn serialized(asked: &Asked) -> Result<Vec<u8>, ToolError> {
    serde_json::to_vec(asked).map_err(|error| unwritable(&io::Error::other(error)))
}

/// May this be decided now, by whoever wants to?
fn may_decide(asked: &Asked, order: &Order, now_ms: i64) -> Result<(), ToolError> {
    let refuse = |why: String| Err(ToolError::Precondition(why));
    match asked.standing(now_ms) {
        Standing::Waits => {}
        Standing::Expired => {
            return refuse("it was not decided in time; give the goal again".into());
        }
        Standing::Allowed | Standing::Denied => {
            let by = asked.decision.as_ref().map_or("", |one| one.by.as_str());
            return refuse(format!("it was decided already, by {by}"));
        }
    }
    if order.decision.allowed && asked.for_admins && order.role < Role::Admin {
        return Err(ToolError::Denied(format!(
            "{} is for admins: one of them decides",
            asked.call.tool
        )));
    }
    if order.decision.allowed && order.digest != asked.digest() {
        return refuse("something else would happen than what was shown; look at it again".into());
    }
    Ok(())
}

/// The file of the rules, beside those of the calls.
const RULES: &str = "rules.json";

fn read_rules(path: &Path) -> Vec<About> {
    let texts = match fs::read(path) {
        Ok(text) => serde_json::from_slice::<Vec<String>>(&text).unwrap_or_else(|error| {
            tracing::warn!("{} is left out: {error}", path.display());
            Vec::new()
        }),
        Err(_) => Vec::new(), // nobody made a rule yet
    };
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

fn unwritable(error: &io::Error) -> ToolError {
    ToolError::Unavailable(format!("the approval cannot be written down: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: &str, risk: Risk) -> Asked {
        Asked {
            id: id.into(),
            call: Call {
                tool: "fs.write".into(),
                ..Call::default()
            },
            input: Value::Null,
            needs: vec!["fs:write:/srv/x".into()],
            risk: rank(risk),
            for_admins: risk == Risk::Critical,
            names_its_object: true,
            why: "manual".into(),
            preview: Foreseen::of("/srv/x", "absent", "file").into(),
            asked_ms: now_ms(),
            expires_ms: now_ms() + 60_000,
            decision: None,
        }
    }

    fn order(asked: &Asked, allowed: bool, role: Role) -> Order {
        Order {
            id: asked.id.clone(),
            digest: asked.digest(),
            always: false,
            decision: Decision {
                allowed,
                by: "CN=ann".into(),
                reason: String::new(),
                at_ms: now_ms(),
            },
            role,
        }
    }

    #[test]
    fn a_decision_is_about_what_was_shown_once_and_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let one = asked("0a-1", Risk::High);
        book.ask(one.clone()).unwrap();
        let shown = order(&one, true, Role::Operator);
        let other = Order {
            digest: "00".into(),
            ..shown.clone()
        };
        assert!(matches!(
            book.decide(&other, |_| Ok(())),
            Err(ToolError::Precondition(_))
        ));
        let unknown = Order {
            id: "0b".into(),
            ..shown.clone()
        };
        assert!(matches!(
            book.decide(&unknown, |_| Ok(())),
            Err(ToolError::NotFound(_))
        ));
        let short = Order {
            id: "0a".into(),
            ..shown.clone()
        };
        let decided = book.decide(&short, |_| Ok(())).unwrap();
        assert_eq!(decided.standing(now_ms()), Standing::Allowed);
        assert_eq!(decided.standing(one.expires_ms), Standing::Expired);
        assert!(book.decide(&shown, |_| Ok(())).is_err(), "twice");

        let late = Asked {
            expires_ms: now_ms() - 1,
            ..asked("0c-1", Risk::High)
        };
        book.ask(late.clone()).unwrap();
        assert!(
            book.decide(&order(&late, true, Role::Admin), |_| Ok(()))
                .is_err()
        );
    }

    #[test]
    fn what_is_critical_is_allowed_by_an_admin_and_denied_by_anybody() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let check = |id: &str, allowed, role, expected: bool| {
            let one = asked(id, Risk::Critical);
            book.ask(one.clone()).unwrap();
            let decided = book.decide(&order(&one, allowed, role), |_| Ok(()));
            assert_eq!(decided.is_ok(), expected, "{allowed} {role:?}");
        };
        check("1", true, Role::Operator, false);
        check("2", true, Role::Admin, true);
        check("3", false, Role::Operator, true);
    }

    #[test]
    fn no_rule_for_always_is_made_of_what_does_not_say_what_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let check = |id: &str, risk, names_its_object, expected: bool| {
            let one = Asked {
                names_its_object,
                ..asked(id, risk)
            };
            book.ask(one.clone()).unwrap();
            let always = Order {
                always: true,
                ..order(&one, true, Role::Admin)
            };
            let decided = book.decide(&always, |_| Ok(()));
            assert_eq!(decided.is_ok(), expected, "{risk:?} {names_its_object}");
            // What was not decided still waits.
            let stands = book.find(id).unwrap().standing(now_ms());
            assert_eq!(stands == Standing::Waits, !expected);
        };
        check("1", Risk::High, true, true);
        check("2", Risk::High, false, false);
        check("3", Risk::Critical, true, false);
    }

    #[test]
    fn one_operator_does_not_keep_the_others_from_asking() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let of = |who: &str, id: &str, text: &str| {
            let mut one = asked(id, Risk::High);
            one.call.on_behalf_of = who.to_owned();
            one.input = text.into();
            one
        };
        for number in 0..WAITING_OF_ONE {
            book.ask(of("ann", &number.to_string(), "x")).unwrap();
        }
        let refused = book.ask(of("ann", "more", "x")).unwrap_err();
        assert!(matches!(refused, ToolError::Exhausted(_)), "{refused}");
        assert!(
            refused.to_string().contains("64 calls for ann"),
            "{refused}"
        );
        book.ask(of("ann", "0", "again")).unwrap();
        book.ask(of("bob", "bob's", "x")).unwrap();
        // And not by the size of what they ask either.
        let large = "x".repeat(2 * 1024 * 1024);
        for number in 0..3 {
            book.ask(of("eve", &format!("eve {number}"), &large))
                .unwrap();
        }
        let refused = book.ask(of("eve", "eve 4", &large)).unwrap_err();
        assert!(
            refused.to_string().contains("for eve, more than"),
            "{refused}"
        );
        book.ask(of("bob", "bob's large one", &large)).unwrap();
        book.forget("eve 0");
        book.ask(of("eve", "eve 4", &large)).unwrap();
    }

    #[test]
    fn of_what_was_denied_the_answer_is_remembered_and_not_the_texts() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let large = |id: &str| {
            let mut one = asked(id, Risk::High);
            one.input = "x".repeat(2 * 1024 * 1024).into();
            one.preview.changes[0].diff = "y".repeat(100_000);
            one
        };
        for number in 0..REMEMBERED_MAX + 20 {
            let mut one = large(&number.to_string());
            // Half of them are too late, and nobody decided about them.
            if number % 2 == 1 {
                one.expires_ms = now_ms() - 1;
            }
            book.ask(one.clone()).unwrap();
            if number % 2 == 0 {
                let denied = order(&one, false, Role::Operator);
                book.decide(&denied, |_| Ok(())).unwrap();
            }
        }
        book.ask(large("last")).unwrap();
        let files = fs::read_dir(folder.path()).unwrap().map(|one| one.unwrap());
        let sizes: Vec<u64> = files.map(|one| one.metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), REMEMBERED_MAX + 1);
        let all: u64 = sizes.iter().sum();
        assert!(all < 5 * 1024 * 1024, "{all}");
        let again = Book::open(folder.path()).unwrap();
        let last = (REMEMBERED_MAX + 18).to_string();
        let denied = again.find(&last).unwrap();
        assert_eq!(denied.standing(now_ms()), Standing::Denied);
        assert_eq!(denied.decision.unwrap().by, "CN=ann");
        assert_eq!(denied.preview.changes[0].object, "/srv/x");
    }

    #[test]
    fn what_the_disk_does_not_take_is_not_so() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let one = asked("1", Risk::High);
        book.ask(one.clone()).unwrap();
        let always = Order {
            always: true,
            ..order(&one, true, Role::Operator)
        };
        // Nothing can be put in the place of a folder.
        let rules = folder.path().join(RULES);
        fs::create_dir(&rules).unwrap();
        book.decide(&always, |_| Ok(())).unwrap_err();
        assert!(book.rules().is_empty());
        assert_eq!(book.find("1").unwrap().standing(now_ms()), Standing::Waits);
        fs::remove_dir(&rules).unwrap();
        book.decide(&always, |_| Ok(())).unwrap();
        fs::remove_file(&rules).unwrap();
        fs::create_dir(&rules).unwrap();
        let rule = book.rules()[0].to_string();
        book.forget_rule(&rule, || Ok(())).unwrap_err();
        assert_eq!(book.rules().len(), 1);
        fs::remove_dir(&rules).unwrap();
        let unrecorded = || Err(ToolError::Unavailable("no ledger".into()));
        book.forget_rule(&rule, unrecorded).unwrap_err();
        assert_eq!(book.rules().len(), 1);
        book.forget_rule(&rule, || Ok(())).unwrap();
    }

    #[test]
    fn who_waits_for_what_is_always_allowed_now_waits_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let other = Asked {
            needs: vec!["fs:write:/srv/y".into()],
            ..asked("3", Risk::High)
        };
        let (one, two) = (asked("1", Risk::High), asked("2", Risk::High));
        for asked in [&one, &two, &other] {
            book.ask(asked.clone()).unwrap();
        }
        let mut changes = book.subscribe();
        changes.mark_unchanged();
        let always = Order {
            always: true,
            ..order(&one, true, Role::Operator)
        };
        book.decide(&always, |_| Ok(())).unwrap();
        assert!(changes.has_changed().unwrap());
        assert!(book.find("2").is_none() && book.find("3").is_some());
        assert_eq!(
            book.find("1").unwrap().standing(now_ms()),
            Standing::Allowed
        );
        assert_eq!(Book::open(folder.path()).unwrap().all().len(), 2);
    }

    #[test]
    fn questions_and_rules_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let one = asked("1", Risk::High);
        let two = Asked {
            needs: vec!["fs:write:/srv/y".into()],
            ..asked("2", Risk::High)
        };
        book.ask(one.clone()).unwrap();
        book.ask(two.clone()).unwrap();
        let always = Order {
            always: true,
            ..order(&one, true, Role::Operator)
        };
        book.decide(&always, |_| Ok(())).unwrap();
        fs::write(folder.path().join("3.json"), "{").unwrap();
        let again = Book::open(folder.path()).unwrap();
        assert_eq!(again.all().len(), 2);
        assert_eq!(again.find("2"), Some(two));
        assert_eq!(
            again.find("1").unwrap().standing(now_ms()),
            Standing::Allowed
        );
        let rule = "fs.write fs:write:/srv/x";
        assert_eq!(again.rules()[0].to_string(), rule);
        again.forget("1");
        again.forget_rule(rule, || Ok(())).unwrap();
        assert!(again.forget_rule(rule, || Ok(())).is_err());
        let last = Book::open(folder.path()).unwrap();
        assert!(last.rules().is_empty() && last.find("1").is_none());
    }
}
