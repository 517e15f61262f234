//! What a person sees of a change before it is made, and what becomes of the answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aios_daemon::identity::Principal;
use aios_ledger::Entry;
use aios_role::Role;
use aios_tool::context::Context;
use aios_tool::demand::Demands;
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tool::spec::{Risk, Spec};
use aios_tool::tool::{ErasedTool, Prepared};
use uuid::Uuid;

use super::audit::{digest, entry, fitting, now_ms};
use super::{Allowed, Pipeline, check_sizes, late, parse};
use crate::approval::book::{Order, rank};
use crate::approval::{Asked, Book, Standing, Verdict};
use crate::executor::{self, Waited};
use crate::store::Call;

/// A call that is only tried.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// The tool's name.
    pub tool: String,
    /// The arguments, not parsed yet.
    pub arguments_json: String,
    /// The operator's subject.
    pub on_behalf_of: String,
    /// The operator's role; none when root asks for itself.
    pub role: Option<Role>,
}

impl Pipeline {
    /// The calls that wait for a person.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// What policy says of a call: also of those that it has made later, the strictest of it.
    pub(super) fn verdict(&self, spec: &Spec, demands: &Demands) -> Result<Verdict, ToolError> {
        if !spec.changes() {
            return Ok(Verdict::Runs("looks only".into()));
        }
        let always = self.book.rules();
        let own = self.rules.decide(spec, &demands.needs, &always)?;
        for ordered in &demands.orders {
            let tool = self.registry.find(&ordered.tool)?;
            let verdict = self.rules.decide(tool.spec(), &ordered.needs, &always)?;
            if let (Verdict::Runs(_), Verdict::Asks(why)) = (&own, verdict) {
                return Ok(Verdict::Asks(format!(
                    "it has {} called: {why}",
                    ordered.tool
                )));
            }
        }
        Ok(own)
    }

    /// Is it for an admin to allow such a call: critical, by a tool that admins alone have called, or one
    /// that has such a call made?
    fn is_for_admins(&self, spec: &Spec, demands: &Demands) -> bool {
        let is_so = |spec: &Spec| {
            spec.risk == Risk::Critical || spec.least == aios_tool::spec::Least::Admin
        };
        let ordered = demands.orders.iter();
        let mut ordered = ordered.filter_map(|one| self.registry.find(&one.tool).ok());
        is_so(spec) || ordered.any(|tool| is_so(tool.spec()))
    }

    /// What a call of this caller would do, and what policy says of it. Nothing is changed; on record as
    /// a look.
    ///
    /// # Errors
    /// As a call would be refused, or what would hinder it.
    pub fn preview(
        self: &Arc<Self>,
        caller: &Principal,
        trial: &Trial,
    ) -> Result<(Preview, String), ToolError> {
        let request = super::Request {
            tool: trial.tool.clone(),
            arguments_json: trial.arguments_json.clone(),
            on_behalf_of: trial.on_behalf_of.clone(),
            role: trial.role,
            reason: "preview".into(),
            ..super::Request::default()
        };
        let mut call = super::audit::call_of(caller, &request);
        let tried = (|| {
            check_sizes(&request)?;
            let tool = self.registry.find(&request.tool)?;
            call.least = Some(self.may_order(caller, &request, tool.spec())?);
            let arguments = parse(&request.arguments_json)?;
            call.input_sha256 = digest(&arguments);
            let id = Uuid::now_v7().to_string();
            let limit = Duration::from_millis(tool.spec().timeout_ms.into());
            let operator = super::operator(caller, &trial.on_behalf_of, trial.role);
            let context = Context::new(Arc::clone(&self.surroundings), &id, Instant::now() + limit)
                .ordered_by(operator);
            let prepared = tool.prepare(arguments, &context)?;
            let held = self.grants.decide(caller, &prepared.demands.needs, "")?.0;
            let verdict = match caller {
                Principal::Agent(_) => self.verdict(tool.spec(), &prepared.demands)?,
                _ => Verdict::Runs("it is not asked about".into()),
            };
            call.decision = held;
            let slot = Arc::new(self.slots.take(caller)?);
            let preview = foreseen(tool, prepared, context, slot, || false)?;
            Ok((preview, told(&verdict)))
        })();
        let outcome = match &tried {
            Ok(_) => "preview: nothing was done".to_owned(),
            Err(error) => super::audit::failed(error),
        };
        let record = Entry {
            outcome,
            ..entry("preview", "", &call)
        };
        self.append(&fitting(record))?;
        tried
    }

    /// The call, with the approval that it needs, if it has one: its decision names the person.
    ///
    /// # Errors
    /// `Waits` while nobody decided; `Denied` when somebody said no, or nobody anything in time.
    pub(super) fn approved<'a>(
        self: &Arc<Self>,
        allowed: &'a Allowed,
    ) -> Result<Cow<'a, Allowed>, ToolError> {
        let id = allowed.context.execution();
        let now = now_ms();
        let known = self.book.find(id);
        let Some(why) = &allowed.asks else {
            // What a person said about it holds, or that none did, whatever policy says since.
            return match known.map(|asked| (asked.standing(now), asked)) {
                Some((Standing::Denied, asked)) => Err(self.not_approved(allowed, denied(&asked))),
                Some((Standing::Expired, asked)) => {
                    Err(self.not_approved(allowed, late_for(&asked)))
                }
                _ => Ok(Cow::Borrowed(allowed)),
            };
        };
        match known.as_ref().map(|asked| (asked, asked.standing(now))) {
            Some((_, Standing::Waits)) => Err(waits(id, "")),
            Some((asked, Standing::Denied)) => Err(self.not_approved(allowed, denied(asked))),
            Some((asked, Standing::Expired)) => Err(self.not_approved(allowed, late_for(asked))),
            Some((asked, Standing::Allowed)) => {
                let preview = self.foreseen(allowed)?;
                let same = |call: &Call| (call.tool.clone(), call.input_sha256.clone());
                if preview.digest() != asked.preview.digest()
                    || same(&allowed.call) != same(&asked.call)
                {
                    return Err(self.ask(
                        allowed,
                        why,
                        preview,
                        "; the machine was changed since \
                         somebody approved it, so that something else would happen now",
                    ));
                }
                let mut approved = allowed.clone();
                let by = asked
                    .decision
                    .as_ref()
                    .map_or("", |decision| decision.by.as_str());
                let decision = &allowed.call.decision;
                approved.call.decision = format!("{decision}; approved by {by}");
                Ok(Cow::Owned(approved))
            }
            None => {
                let preview = self.foreseen(allowed)?;
                Err(self.ask(allowed, why, preview, ""))
            }
        }
    }

    fn not_approved(&self, allowed: &Allowed, why: String) -> ToolError {
        self.refuse(&allowed.caller, &allowed.call, ToolError::Denied(why))
    }

    /// Puts the question; the answer is what the caller is told.
    fn ask(&self, allowed: &Allowed, why: &str, preview: Preview, note: &str) -> ToolError {
        let id = allowed.context.execution();
        let now = now_ms();
        let asked = || {
            let demands = &allowed.prepared.demands;
            let spec = allowed.tool.spec();
            let asked = Asked {
                for_admins: allowed.call.least == Some(Role::Admin)
                    || self.is_for_admins(spec, demands),
                names_its_object: !demands.needs.iter().any(|need| spec.needs.contains(need)),
                id: id.to_owned(),
                call: allowed.call.clone(),
                input: allowed.prepared.call.input()?,
                needs: demands.needs.iter().map(ToString::to_string).collect(),
                risk: rank(spec.risk),
                why: why.to_owned(),
                preview,
                asked_ms: now,
                expires_ms: now.saturating_add(i64::from(self.rules.wait_s()) * 1000),
                decision: None,
            };
            let record = Entry {
                outcome: format!("asked: {why}{note}; SHA-256 {}", asked.digest()),
                ..entry("approval", id, &allowed.call)
            };
            self.append(&fitting(record))?;
            self.book.ask(asked)
        };
        match asked() {
            Ok(()) => waits(id, note),
            Err(error) => self.refuse(&allowed.caller, &allowed.call, error),
        }
    }

    /// Decides about a call that waits; on record before it holds.
    ///
    /// # Errors
    /// See [`Book::decide`]; `Unavailable` when the ledger cannot be written.
    pub fn decide(&self, caller: &Principal, order: &Order) -> Result<Asked, ToolError> {
        let word = match (order.decision.allowed, order.always) {
            (false, _) => "denied",
            (true, false) => "allowed once",
            (true, true) => "allowed for always",
        };
        self.book.decide(order, |asked| {
            let record = Entry {
                time_ms: now_ms(),
                actor: caller.to_string(),
                on_behalf_of: order.decision.by.clone(),
                reason: order.decision.reason.clone(),
                outcome: format!("{word}; SHA-256 {}", asked.digest()),
                ..entry("approval", &asked.id, &asked.call)
            };
            self.append(&fitting(record)).map(drop)
        })
    }

    /// Takes back a rule that a person made; on record before it holds.
    ///
    /// # Errors
    /// See [`Book::forget_rule`]; `Unavailable` when the ledger cannot be written.
    pub fn forget_rule(&self, caller: &Principal, rule: &str, by: &str) -> Result<(), ToolError> {
        let record = Entry {
            time_ms: now_ms(),
            kind: "approval".to_owned(),
            actor: caller.to_string(),
            on_behalf_of: by.to_owned(),
            outcome: format!("no longer allowed for always: {rule}"),
            ..Entry::default()
        };
        self.book
            .forget_rule(rule, || self.append(&fitting(record)).map(drop))
    }

    fn foreseen(&self, allowed: &Allowed) -> Result<Preview, ToolError> {
        let limit = Duration::from_millis(allowed.tool.spec().timeout_ms.into());
        let context = allowed.context.clone().until(Instant::now() + limit);
        let found = foreseen(
            Arc::clone(&allowed.tool),
            allowed.prepared.clone(),
            context,
            Arc::new(()),
            || self.given_up(&allowed.caller),
        );
        found.map_err(|error| self.refuse(&allowed.caller, &allowed.call, error))
    }
}

/// What the call would do.
fn foreseen(
    tool: Arc<dyn ErasedTool>,
    prepared: Prepared,
    context: Context,
    guards: Arc<dyn std::any::Any + Send + Sync>,
    give_up: impl Fn() -> bool,
) -> Result<Preview, ToolError> {
    let limit = context.remaining();
    let running = executor::preview(Arc::clone(&tool), prepared, context, guards)?;
    match running.wait(limit, give_up) {
        Waited::Ended(found) => found,
        Waited::Late(_) => Err(late(tool.spec())),
    }
}

fn waits(id: &str, note: &str) -> ToolError {
    ToolError::Waits {
        approval: id.to_owned(),
        text: format!("a person is asked first{note}: aiosctl approvals show {id}"),
    }
}

fn late_for(asked: &Asked) -> String {
    match &asked.decision {
        Some(decision) => format!(
            "{} approved it, and it was not made in time; give the goal again",
            decision.by
        ),
        None => "nobody approved it in time".to_owned(),
    }
}

fn denied(asked: &Asked) -> String {
    let Some(decision) = &asked.decision else {
        return "denied".to_owned();
    };
    match decision.reason.as_str() {
        "" => format!("denied by {}", decision.by),
        reason => format!("denied by {}: {reason}", decision.by),
    }
}

/// What policy says, for people.
fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Runs(why) => format!("would run: {why}"),
        Verdict::Asks(why) => format!("a person would be asked: {why}"),
    }
}
