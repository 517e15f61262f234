//! One call, from top to bottom: validate, identify, check, approve, capture, write the intent,
//! act, verify, write the completion.
//!
//! Everything here blocks and runs on a thread that may wait.

mod approve;
mod audit;
mod change;
mod reclaim;
mod schedules;
mod settle;
mod undo;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aios_daemon::identity::Principal;
use aios_ledger::Ledger;
use aios_role::Role;
use serde_json::Value;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::allowance::{Allowances, Excess, Limits, Moment};
use crate::approval::{Book, Rules, Verdict};
use crate::config::Config;
use crate::emergency::{self, Emergency};
use crate::executor::{self, Waited};
use crate::grants::{Grants, Loans};
use crate::locks::Locks;
use crate::policy;
use crate::registry::Registry;
use crate::role::{self, OwnServices};
use crate::schedule::book::Schedules;
use crate::schedule::grant::Judge;
use crate::slots::{Slot, Slots};
use crate::store::{Call, Store};
use crate::unrecorded;
use aios_tool::context::{Context, Operator, Surroundings};
use aios_tool::error::ToolError;
use aios_tool::spec::{Declaration, Spec};
use aios_tool::tool::{Done, ErasedTool, Prepared};

pub use approve::Trial;
pub(crate) use audit::digest;
pub(crate) use audit::ledger_unwritable;
pub use audit::{cut, now_ms};
pub use reclaim::{Dropped, DroppedExecution, Reclaim};
pub use schedules::{Run, Taken};
pub use settle::Left;
pub use undo::Undo;

/// The largest arguments, in bytes of JSON.
pub const ARGUMENTS_MAX: usize = 2 * 1024 * 1024;
/// The longest of each text that is only recorded, in bytes.
const TEXT_MAX: usize = 4096;
/// The longest of each identifier, in bytes.
const NAME_MAX: usize = 256;

/// Of what the ledger keeps ready, bytes that agents leave to operators: some 1,200 entries.
const OPERATORS_RESERVE: u64 = aios_ledger::RESERVE / 2;

/// What came in.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Unique per intended effect.
    pub call_id: String,
    /// The tool's name.
    pub tool: String,
    /// The arguments, not parsed yet.
    pub arguments_json: String,
    /// The goal it is for.
    pub goal_id: String,
    /// The goal's task.
    pub task_index: u32,
    /// Why, for people.
    pub reason: String,
    /// The operator's subject: recorded, never trusted.
    pub on_behalf_of: String,
    /// The operator's role; none when root asks for itself.
    pub role: Option<Role>,
}

/// What goes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The execution's id.
    pub execution_id: String,
    /// Output of the tool.
    pub output: Value,
    /// For the operator.
    pub summary: String,
    /// This execution can be undone.
    pub reversible: bool,
    /// The call id was seen before; nothing was done now.
    pub replayed: bool,
}

/// Everything that a call goes through.
pub struct Pipeline {
    registry: Arc<Registry>,
    own_services: OwnServices,
    grants: Arc<Grants>,
    rules: Rules,
    book: Arc<Book>,
    schedules: Arc<Schedules>,
    /// One at a time, so that nothing is begun twice.
    taking: Mutex<()>,
    store: Store,
    locks: Arc<Locks>,
    slots: Arc<Slots>,
    allowances: Allowances,
    surroundings: Arc<Surroundings>,
    emergency: Arc<Emergency>,
    ledger: Arc<Ledger>,
    fullness: Fullness,
    reclaiming: Mutex<()>,
}

/// How full the data disk is, in percent; `None` when that cannot be known.
pub type Fullness = Arc<dyn Fn() -> Option<u8> + Send + Sync>;

/// By what a caller may make a call.
#[derive(Clone, Copy)]
enum Authority<'a> {
    /// It holds the capabilities that the call needs.
    Capabilities,
    /// It may take this execution back, and the call does that.
    Undo(&'a str),
}

impl Authority<'_> {
    /// To whom a call id belongs. An undo that goes on under another caller makes the same calls.
    fn holder<'a>(&self, caller: &'a str) -> &'a str {
        match self {
            Self::Capabilities => caller,
            Self::Undo(_) => "undo",
        }
    }
}

/// A call that was allowed.
#[derive(Clone)]
struct Allowed {
    caller: Principal,
    tool: Arc<dyn ErasedTool>,
    call: Call,
    prepared: Prepared,
    context: Context,
    /// Why a person is asked first, if one is.
    asks: Option<String>,
    /// The loans by which its caller may make it.
    lent: Vec<String>,
}

impl Pipeline {
    /// Builds it from the configuration; opens ledger and store, and has `runtime` take into the
    /// ledger what waits for it.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn open(
        config: &Config,
        registry: Registry,
        grants: Grants,
        runtime: Handle,
    ) -> Result<Self, ToolError> {
        let folder = |path: &Path, error: &dyn std::fmt::Display| {
            ToolError::Unavailable(format!("cannot use {}: {error}", path.display()))
        };
        let state = &config.state_dir;
        let own = state.join("tools");
        std::fs::create_dir_all(&own).map_err(|error| folder(&own, &error))?;
        let ledger_dir = state.join("ledger");
        let ledger = Ledger::open(&ledger_dir, &own.join("ledger.key"))
            .map_err(|error| folder(&ledger_dir, &audit::chain(&error)))?;
        let ledger = Arc::new(ledger);
        let store = Store::open(state, Arc::clone(&ledger));
        let store = store.map_err(|error| folder(state, &error))?;
        let loans = Arc::new(Loans::open(&own.join("loans.json")));
        let grants = Arc::new(grants.with(Arc::clone(&loans)));
        let approvals = own.join("approvals");
        let book = Book::open(&approvals).map_err(|error| folder(&approvals, &error))?;
        let book = Arc::new(book);
        let schedules = Schedules::open(state, now_ms()).map_err(|error| folder(state, &error))?;
        let schedules = Arc::new(schedules);
        let registry = Arc::new(registry);
        let rules = Rules::new(config.approval.clone());
        let judge = Arc::new(Judge {
            registry: Arc::clone(&registry),
            rules: rules.clone(),
            book: Arc::clone(&book),
        });
        runtime.spawn(unrecorded::watch(Arc::downgrade(&ledger), state.clone()));
        Ok(Self {
            registry,
            own_services: OwnServices::read(&config.etc_dir),
            grants: Arc::clone(&grants),
            rules,
            book,
            schedules: Arc::clone(&schedules),
            taking: Mutex::default(),
            store,
            locks: Arc::default(),
            slots: Arc::new(Slots::new(
                usize::try_from(config.tools.calls_per_caller_max).unwrap_or(usize::MAX),
            )),
            allowances: Allowances::new(Limits {
                calls_per_second: config.tools.calls_per_second_max,
                bytes_per_day: u64::from(config.tools.ledger_mib_per_day_max) << 20,
            }),
            emergency: Arc::new(Emergency::open(own.join(aios_daemon::emergency::FILE))),
            surroundings: Arc::new(Surroundings {
                run_dir: config.run_dir.clone(),
                state_dir: state.clone(),
                parts: vec![Arc::clone(&ledger) as _, loans, grants, schedules, judge],
                owner: config.owner,
                runtime,
            }),
            ledger,
            fullness: Arc::clone(&config.fullness),
            reclaiming: Mutex::default(),
        })
    }

    /// All tools.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The audit log.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Leaves all in files and ledger, for an orderly end.
    pub fn empty_journal(&self) {
        self.store.empty();
    }

    /// The emergency stop.
    pub fn emergency(&self) -> &Arc<Emergency> {
        &self.emergency
    }

    /// How many calls of agents are under way, those counted whose callers wait no more.
    pub fn agents_under_way(&self) -> usize {
        self.slots
            .count(|caller| matches!(caller, Principal::Agent(_)))
    }

    /// Is this call to be given up?
    fn given_up(&self, caller: &Principal) -> bool {
        matches!(caller, Principal::Agent(_)) && self.emergency.stopped().is_some()
    }

    /// One call. Whatever becomes of it is in the ledger when this returns.
    ///
    /// # Errors
    /// Why it was refused, or how it failed.
    pub fn call(
        self: &Arc<Self>,
        caller: &Principal,
        request: Request,
    ) -> Result<Answer, ToolError> {
        self.call_with(caller, request, Authority::Capabilities)
    }

    fn call_with(
        self: &Arc<Self>,
        caller: &Principal,
        request: Request,
        authority: Authority<'_>,
    ) -> Result<Answer, ToolError> {
        let mut call = audit::call_of(caller, &request);
        let admitted = self.admit(caller);
        let allowed = admitted
            .and_then(|()| self.slots.take(caller))
            .and_then(|slot| {
                // After the slot was taken: a stop waits for those that hold one, so that
                // nothing is begun behind its back.
                self.emergency.check(caller)?;
                Ok((self.allow(caller, &request, authority, &mut call)?, slot))
            });
        let answer = match allowed {
            Ok((allowed, slot)) => {
                let changes = allowed.tool.spec().changes();
                let answer = match changes {
                    true => self.change(allowed, slot),
                    false => self.look(allowed, slot),
                };
                self.spend(caller, &call, changes, &answer);
                answer
            }
            Err(error) => {
                let holder = authority.holder(&call.actor);
                let id = crate::store::execution_id(holder, &request.call_id);
                match self.repeated(&id, &call, &error) {
                    Some(outcome) => change::answer(outcome, true),
                    None => Err(self.refuse(caller, &call, error)),
                }
            }
        };
        match (answer, self.emergency.stopped()) {
            // Not "try again": nobody would be served.
            (Err(ToolError::Unavailable(_) | ToolError::Deadline(_)), Some(stop))
                if matches!(caller, Principal::Agent(_)) =>
            {
                Err(emergency::refusal(&stop))
            }
            (answer, _) => answer,
        }
    }

    /// Is there room on record for another call of this caller?
    fn admit(&self, caller: &Principal) -> Result<(), ToolError> {
        if self.is_reserved_from(caller) {
            return Err(ToolError::Exhausted(
                "the data disk is full, and what room the audit log has left is for operators; \
                 aiosctl storage reclaim makes room"
                    .into(),
            ));
        }
        let admitted = self.allowances.admit(caller, Moment::now());
        admitted.map_err(|excess| too_much(caller, excess))
    }

    /// Is what room the ledger has left on a full disk kept from this caller?
    fn is_reserved_from(&self, caller: &Principal) -> bool {
        let left = self.ledger.reserve_left();
        Allowances::are_for(caller) && left.is_some_and(|left| left < OPERATORS_RESERVE)
    }

    /// Everything before something is done.
    fn allow(
        &self,
        caller: &Principal,
        request: &Request,
        authority: Authority<'_>,
        call: &mut Call,
    ) -> Result<Allowed, ToolError> {
        check_sizes(request)?;
        let tool = self.registry.find(&request.tool)?;
        let spec = tool.spec();
        if spec.changes() && request.call_id.is_empty() {
            return Err(ToolError::Invalid(format!(
                "call_id: is missing; {} changes something and must not be done twice",
                spec.name
            )));
        }
        call.least = Some(self.may_order(caller, request, spec)?);
        let arguments = parse(&request.arguments_json)?;
        call.input_sha256 = audit::digest(&arguments);
        let id = match spec.changes() {
            true => crate::store::execution_id(authority.holder(&call.actor), &request.call_id),
            false => Uuid::now_v7().to_string(),
        };
        let limit = Duration::from_millis(spec.timeout_ms.into());
        let mut context = Context::new(Arc::clone(&self.surroundings), &id, Instant::now() + limit)
            .ordered_by(operator(caller, &request.on_behalf_of, request.role));
        if matches!(caller, Principal::Agent(_)) {
            context = context.until_stopped(self.emergency.subscribe());
        }
        let prepared = self.prepared(&tool, arguments, call, &context)?;
        let (held, lent) = match authority {
            Authority::Capabilities => {
                let needs = &prepared.demands.needs;
                self.grants.decide(caller, needs, &request.goal_id)?
            }
            Authority::Undo(execution) => (format!("allowed: takes back {execution}"), Vec::new()),
        };
        if let Authority::Capabilities = authority
            && let Some(percent) = (self.fullness)()
        {
            policy::room(spec, caller, !request.goal_id.is_empty(), percent)?;
        }
        let verdict = match (authority, caller) {
            (Authority::Capabilities, Principal::Agent(_)) => {
                let verdict = self.verdict(spec, &prepared.demands)?;
                self.by_schedule(request, tool.as_ref(), &prepared, verdict)?
            }
            // A person at the machine, or one who takes back what was done.
            _ => Verdict::Runs("approved by policy".into()),
        };
        let (decided, asks) = match verdict {
            Verdict::Runs(why) => (why, None),
            Verdict::Asks(why) => (format!("a person is asked: {why}"), Some(why)),
        };
        call.decision = format!("{held}; {decided}");
        Ok(Allowed {
            caller: caller.clone(),
            tool,
            call: call.clone(),
            prepared,
            context,
            asks,
            lent,
        })
    }

    /// The call with its arguments resolved. What they mean may follow from how things are (the third
    /// rule): a call that was begun before goes on with what they meant then.
    fn prepared(
        &self,
        tool: &Arc<dyn ErasedTool>,
        arguments: Value,
        call: &Call,
        context: &Context,
    ) -> Result<Prepared, ToolError> {
        let begun = match tool.spec().changes() {
            true => self.store.pending(context.execution())?,
            false => None,
        };
        match begun.filter(|begun| begun.call.is_same(call)) {
            Some(begun) => tool.resume(&begun.input, context),
            None => tool.prepare(arguments, context),
        }
    }

    /// The role that the call needs, when the operator that it is made for has it: what an operator may
    /// not order on the management port, no agent does for them.
    fn may_order(
        &self,
        caller: &Principal,
        request: &Request,
        spec: &Spec,
    ) -> Result<Role, ToolError> {
        let least = self.own_services.least(spec.least, &request.arguments_json);
        let what = format!("this call of {}", spec.name);
        role::check(caller, request.role, least, &what, &request.on_behalf_of)?;
        Ok(least)
    }

    /// A call that changes nothing: one entry in the ledger says all.
    fn look(&self, allowed: Allowed, slot: Slot) -> Result<Answer, ToolError> {
        let id = allowed.context.execution().to_owned();
        let limit = allowed.context.remaining();
        let tool = Arc::clone(&allowed.tool);
        self.grants.used(&allowed.lent)?;
        let running = executor::start(
            allowed.tool,
            allowed.prepared,
            allowed.context,
            Arc::new(slot),
        );
        let result = running.and_then(|running| {
            match running.wait(limit, || self.given_up(&allowed.caller)) {
                Waited::Ended(result) => result,
                Waited::Late(_) => Err(late(tool.spec())),
            }
        });
        self.record_look(&id, &allowed.call, &result)?;
        let Done { output, summary } = result?;
        Ok(Answer {
            execution_id: id,
            output,
            summary,
            reversible: false,
            replayed: false,
        })
    }
}

/// For whom a call of this caller is made: root at the machine is an admin, and may name another operator.
fn operator(caller: &Principal, on_behalf_of: &str, role: Option<Role>) -> Operator {
    let is_root = *caller == Principal::Root;
    let itself = is_root && on_behalf_of.is_empty();
    let subject = if itself { "root" } else { on_behalf_of };
    let least = if is_root { Role::Admin } else { Role::Viewer };
    Operator {
        subject: subject.to_owned(),
        role: role.unwrap_or(least),
    }
}

/// What a caller is told that had its share.
fn too_much(caller: &Principal, excess: Excess) -> ToolError {
    ToolError::Exhausted(match excess {
        Excess::Calls => format!(
            "{caller} makes more calls than it may; wait a second ([tools] calls_per_second_max)"
        ),
        Excess::Day => format!(
            "{caller} has filled its part of the audit log for today; its calls are refused until \
             0:00 UTC ([tools] ledger_mib_per_day_max)"
        ),
    })
}

fn late(tool: &Declaration) -> ToolError {
    let Declaration {
        name, timeout_ms, ..
    } = tool;
    ToolError::Deadline(format!("{name} took longer than {timeout_ms} ms"))
}

fn check_sizes(request: &Request) -> Result<(), ToolError> {
    let check = |name: &str, text: &str, most: usize| match text.len() > most {
        true => Err(ToolError::Invalid(format!(
            "{name}: has {} bytes, at most {most} are allowed",
            text.len()
        ))),
        false => Ok(()),
    };
    check("tool", &request.tool, NAME_MAX)?;
    check("call_id", &request.call_id, NAME_MAX)?;
    check("goal_id", &request.goal_id, NAME_MAX)?;
    check("reason", &request.reason, TEXT_MAX)?;
    check("on_behalf_of", &request.on_behalf_of, TEXT_MAX)?;
    check("arguments_json", &request.arguments_json, ARGUMENTS_MAX)
}

/// The arguments; none at all are an empty object.
fn parse(json: &str) -> Result<Value, ToolError> {
    if json.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_str(json)
        .map_err(|error| ToolError::Invalid(format!("arguments_json: is not JSON: {error}")))
}
