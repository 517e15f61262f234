//! What a tool declares beside its arguments and its output. All of it is owned data: a tool may
//! come from this program, from a WebAssembly component or from an MCP server.

use std::ops::Deref;

pub use aios_config::Risk;
use caps::Capability;

use crate::demand::Need;

/// Where a tool comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is code of this program.
    BuiltIn,
    /// It is a WebAssembly component.
    Wasm {
        /// The component's file.
        component: String,
    },
    /// It is a tool of an MCP server.
    Mcp {
        /// The server's name in the configuration.
        server: String,
    },
}

/// What every tool declares, whether it looks or changes something.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// `namespace.action`.
    pub name: String,
    /// What it does, in one sentence, for people and for the planner.
    pub description: String,
    /// Where it comes from.
    pub source: Source,
    /// How much harm a call can do.
    pub risk: Risk,
    /// Whose goals may call it.
    pub least: Least,
    /// How long one act may take, in milliseconds.
    pub timeout_ms: u32,
    /// The Linux capabilities that the thread of an act keeps; all others are dropped before it.
    pub kernel: Vec<Capability>,
    /// What every call needs, whatever its arguments are.
    pub needs: Vec<Need>,
    /// What an act may read beside what its arguments name, with everything below.
    pub reads: Vec<String>,
    /// What an act may change beside what its arguments name, with everything below.
    pub writes: Vec<String>,
    /// Does an act change what `aios-tools` itself keeps, such as what is lent?
    pub changes_own_state: bool,
    /// Folders of aiOS's own state, by their names in it, that a look reads and a change changes, with
    /// everything below.
    pub own: Vec<String>,
    /// Does an act change whatever its captured change set names, anywhere?
    pub changes_system: bool,
    /// Arguments of a call as somebody would make it.
    pub example: serde_json::Value,
    /// Is it what a person does who needs room on a full disk?
    pub makes_room: bool,
}

impl Declaration {
    /// A tool of low risk that takes at most ten seconds, keeps no Linux capability, and reaches
    /// nothing but what its arguments name.
    pub fn of(name: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            source: Source::BuiltIn,
            risk: Risk::Low,
            least: Least::Operator,
            timeout_ms: 10_000,
            kernel: Vec::new(),
            needs: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            changes_own_state: false,
            own: Vec::new(),
            changes_system: false,
            example: serde_json::Value::Object(serde_json::Map::new()),
            makes_room: false,
        }
    }

    /// The same tool, which is used to make room: it works while the disk is full.
    pub fn making_room(self) -> Self {
        Self {
            makes_room: true,
            ..self
        }
    }

    /// The same with the arguments of a call as somebody would make it, for the documentation:
    /// `{"path": "/srv/hello.txt"}`. A tool without arguments needs none.
    pub fn example(self, example: serde_json::Value) -> Self {
        Self { example, ..self }
    }

    /// The same with a need of every call: `needing("monitor", "read", "cpu")`.
    pub fn needing(mut self, namespace: &str, action: &str, object: &str) -> Self {
        self.needs.push(Need::of(namespace, action, object));
        self
    }

    /// The same tool that looks at the machine, and so may read what every user may read. It has
    /// no argument by which a caller could choose what is read.
    pub fn reading_the_machine(mut self) -> Self {
        self.reads.push("/".to_owned());
        self
    }

    /// The same tool, whose acts change files below these paths. It has no argument by which a caller
    /// could choose another.
    pub fn changing(mut self, paths: &[&str]) -> Self {
        self.writes
            .extend(paths.iter().map(|path| (*path).to_owned()));
        self
    }

    /// The same tool, whose acts change what `aios-tools` itself keeps.
    pub fn changing_own_state(self) -> Self {
        Self {
            changes_own_state: true,
            ..self
        }
    }

    /// The same tool, which reads or changes what is in this folder of aiOS's own state. It has no
    /// argument by which a caller could choose another.
    pub fn within_own(mut self, folder: &str) -> Self {
        self.own.push(folder.to_owned());
        self
    }

    /// The same tool that changes files anywhere, as its captured change set says. It has no argument
    /// by which a caller could choose what is written.
    pub fn changing_the_system(self) -> Self {
        Self {
            changes_system: true,
            ..self
        }
    }

    /// The same with another risk.
    pub fn risk(self, risk: Risk) -> Self {
        Self { risk, ..self }
    }

    /// The same for the goals of others.
    pub fn least(self, least: Least) -> Self {
        Self { least, ..self }
    }

    /// The same with another limit of time, in milliseconds.
    pub fn timeout_ms(self, timeout_ms: u32) -> Self {
        Self { timeout_ms, ..self }
    }

    /// The same with Linux capabilities that an act keeps.
    pub fn kernel(self, kernel: &[Capability]) -> Self {
        Self {
            kernel: kernel.to_vec(),
            ..self
        }
    }
}

/// The least role of whoever submitted a goal for which the tool is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Least {
    /// Whoever may submit goals.
    Operator,
    /// An admin.
    Admin,
    /// An admin where the argument `service` names one of aiOS's own services, which keep the node;
    /// others belong to packages.
    AdminForOwn,
}

/// How a change can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// It cannot.
    Impossible,
    /// By steps on files, captured before the act.
    Files,
    /// By the captured set of all its changes to files.
    ChangeSet,
    /// By another call, captured before the act.
    Call,
}

/// What a tool promises that changes something.
#[derive(Clone, Debug)]
pub struct Effect {
    /// What is checked after the act, in words.
    pub post_condition: String,
    /// How every successful execution can be taken back.
    pub undo: Undo,
    /// Is doing it twice the same as doing it once?
    pub idempotent: bool,
    /// What people call such a change, as verbs in their base form (`write`, `append`).
    pub verbs: Vec<String>,
}

impl Effect {
    /// An effect that is checked by this post-condition. It cannot be undone, and doing it twice is
    /// the same as doing it once.
    pub fn of(post_condition: &str, verbs: &[&str]) -> Self {
        Self {
            post_condition: post_condition.to_owned(),
            undo: Undo::Impossible,
            idempotent: true,
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        }
    }

    /// The same with a way of taking it back.
    pub fn undone_by(self, undo: Undo) -> Self {
        Self { undo, ..self }
    }

    /// The same, but doing it twice is more than doing it once.
    pub fn not_idempotent(self) -> Self {
        Self {
            idempotent: false,
            ..self
        }
    }
}

/// Does the tool look, or does it change something?
#[derive(Clone, Debug)]
pub enum Kind {
    /// It looks only.
    Look,
    /// It changes something.
    Change(Effect),
}

/// The specification of one tool.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What it declares.
    pub declaration: Declaration,
    /// What a caller must hold, for people: `fs:write:{path}`, where `{path}` stands for the
    /// resolved argument of that name.
    pub capabilities: Vec<String>,
    /// Does it look, or change something?
    pub kind: Kind,
}

impl Deref for Spec {
    type Target = Declaration;

    fn deref(&self) -> &Declaration {
        &self.declaration
    }
}

impl Spec {
    /// What it promises, if it changes something.
    pub fn effect(&self) -> Option<&Effect> {
        match &self.kind {
            Kind::Look => None,
            Kind::Change(effect) => Some(effect),
        }
    }

    /// Does it change anything?
    pub fn changes(&self) -> bool {
        self.effect().is_some()
    }

    /// Is it taken back by steps on files?
    pub fn is_undone_by_files(&self) -> bool {
        self.effect()
            .is_some_and(|effect| matches!(effect.undo, Undo::Files | Undo::ChangeSet))
    }

    /// Can every successful execution be undone?
    pub fn is_reversible(&self) -> bool {
        self.effect()
            .is_some_and(|effect| effect.undo != Undo::Impossible)
    }
}
