//! The service on `tools.sock`: wire format in, wire format out, and who may call what.

mod approvals;
mod convert;
mod schedules;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::tools_server::Tools;
use aios_contracts::v1::{self as wire};
use aios_daemon::identity::Principal;
use aios_daemon::{Access, Callers, Who};
use aios_ledger::{Entry, Export};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::export;
use crate::pipeline::{self, Pipeline};
use crate::pools::Pools;
use crate::tasks::Tasks;
use crate::{unrecorded, verification};
use aios_tool::error::ToolError;
use convert::{
    answer_to_wire, described, dropped_to_wire, entry_to_wire, operator, outcome_to_wire, task,
};

/// Entries that one `ListAudit` gives at most.
const LIST_MAX: usize = 1000;
/// The longest text of a refused call that is recorded, in bytes.
const NAME_MAX: usize = 256;
/// Entries that one `ListAudit` gives when it does not say.
const LIST_DEFAULT: usize = 50;

/// The largest request to `Record`, in bytes; its texts are cut to far less.
pub(crate) const RECORD_MAX: usize = 64 * 1024;

/// The service.
#[derive(Clone)]
pub struct Service {
    pipeline: Arc<Pipeline>,
    callers: Callers,
    tasks: Arc<Tasks>,
    pools: Pools,
}

/// What a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// See the tools.
    Describe,
    /// Call one.
    Call,
    /// Undo, and read the ledger.
    Audit,
    /// Put something on record.
    Record,
    /// Say which calls an agent may make, and learn what became of them.
    Task,
}

use Right::{Audit, Call, Describe, Record, Task};

impl Right {
    /// All rights.
    pub const ALL: [Self; 5] = [Describe, Call, Audit, Record, Task];

    /// The right that a method needs; one that is not listed needs a right that only root and the
    /// orchestrator have.
    fn of(method: &str) -> Self {
        let listed = METHODS.iter().find(|(name, _)| *name == method);
        listed.map_or(Task, |(_, right)| *right)
    }
}

/// The right that each method needs.
pub const METHODS: [(&str, Right); 20] = [
    ("ListTools", Describe),
    ("DescribeTool", Describe),
    ("Call", Call),
    ("Preview", Task),
    ("ListApprovals", Audit),
    ("WatchApprovals", Audit),
    ("DecideApproval", Task),
    ("ForgetRule", Task),
    ("RegisterTask", Task),
    ("SettleTask", Task),
    ("ListSchedules", Audit),
    ("TakeSchedules", Task),
    ("EndScheduleRun", Task),
    ("Undo", Audit),
    ("ListAudit", Audit),
    ("VerifyAudit", Audit),
    ("GetAuditHead", Audit),
    ("ExportAudit", Audit),
    ("ReclaimStorage", Audit),
    ("Record", Record),
];

/// Who may do what here.
pub static ACCESS: Access<Right> = Access::new(
    "Tools",
    &[
        (Who::Root, &[Describe, Call, Audit, Record, Task]),
        (Who::Agents, &[Describe, Call]),
        (
            Who::Daemon("orchestrator"),
            &[Describe, Audit, Record, Task],
        ),
        (Who::Daemon("control"), &[Record]),
    ],
);

impl Service {
    /// The service of a pipeline; agents make the calls of these tasks.
    pub fn new(pipeline: Arc<Pipeline>, callers: Callers, tasks: Arc<Tasks>) -> Self {
        Self {
            pipeline,
            callers,
            tasks,
            pools: Pools::default(),
        }
    }

    /// Who calls, when it may. A refusal is recorded.
    async fn caller<T>(&self, request: &Request<T>, method: &str) -> Result<Principal, Status> {
        let caller = self.callers.identify(request.extensions())?;
        let Err(refused) = ACCESS.check(&caller, Right::of(method), method) else {
            return Ok(caller);
        };
        let error = ToolError::Denied(refused.message().to_owned());
        Err(self.refuse(caller, Entry::default(), error).await)
    }

    /// Refuses something, and puts that on record with what is known of it.
    async fn refuse(&self, caller: Principal, known: Entry, error: ToolError) -> Status {
        let refusal = Entry {
            time_ms: pipeline::now_ms(),
            kind: "refusal".to_owned(),
            actor: caller.to_string(),
            ..known
        };
        self.blocking(move |pipeline| Ok(pipeline.refused(&caller, refusal, error)))
            .await
            .map_or_else(|crashed| crashed, Status::from)
    }

    /// The call as its task has it. A call of an agent that no task has is refused, on record.
    async fn planned(
        &self,
        caller: &Principal,
        call: pipeline::Request,
    ) -> Result<pipeline::Request, Status> {
        let named = |text: &str| pipeline::cut(text, NAME_MAX);
        let known = Entry {
            tool: named(&call.tool),
            call_id: named(&call.call_id),
            ..Entry::default()
        };
        match self.tasks.admit(caller, call) {
            Ok(call) => Ok(call),
            Err(refused) => Err(self.refuse(caller.clone(), known, refused).await),
        }
    }

    /// Runs what blocks on a thread that may.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Pipeline>) -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, Status> {
        let pipeline = Arc::clone(&self.pipeline);
        tokio::task::spawn_blocking(move || work(&pipeline))
            .await
            .map_err(|error| Status::internal(format!("the call crashed: {error}")))?
            .map_err(Status::from)
    }
}

#[tonic::async_trait]
impl Tools for Service {
    async fn list_tools(
        &self,
        request: Request<wire::ListToolsRequest>,
    ) -> Result<Response<wire::ListToolsResponse>, Status> {
        self.caller(&request, "ListTools").await?;
        let tools = self.pipeline.registry().iter().map(described).collect();
        Ok(Response::new(wire::ListToolsResponse { tools }))
    }

    async fn describe_tool(
        &self,
        request: Request<wire::DescribeToolRequest>,
    ) -> Result<Response<wire::Tool>, Status> {
        self.caller(&request, "DescribeTool").await?;
        let tool = self.pipeline.registry().find(&request.get_ref().name)?;
        Ok(Response::new(described(tool.as_ref())))
    }

    async fn call(
        &self,
        request: Request<wire::CallRequest>,
    ) -> Result<Response<wire::CallResponse>, Status> {
        let caller = self.caller(&request, "Call").await?;
        let calling = self.pools.call(&caller)?;
        let message = request.into_inner();
        let call = pipeline::Request {
            call_id: message.call_id,
            tool: message.tool,
            arguments_json: message.arguments_json,
            goal_id: message.goal_id,
            task_index: message.task_index,
            reason: message.reason,
            on_behalf_of: message.on_behalf_of,
            role: None, // an agent's call has that of its task
        };
        let call = self.planned(&caller, call).await?;
        let turn = self.pools.turn_of(&call.tool).await?;
        let tasks = Arc::clone(&self.tasks);
        let answer = self
            .blocking(move |pipeline| {
                let id = call.call_id.clone();
                let outcome = pipeline.call(&caller, call);
                // Here, where it happens also when the caller waits no more.
                tasks.note(&caller, &id, &outcome);
                drop((calling, turn)); // the thread is free, whoever still waits
                outcome
            })
            .await?;
        Ok(Response::new(answer_to_wire(answer)))
    }

    async fn preview(
        &self,
        request: Request<wire::PreviewRequest>,
    ) -> Result<Response<wire::PreviewResponse>, Status> {
        let caller = self.caller(&request, "Preview").await?;
        let calling = self.pools.call(&caller)?;
        let message = request.into_inner();
        let trial = pipeline::Trial {
            role: operator(&caller, message.role()),
            tool: message.tool,
            arguments_json: message.arguments_json,
            on_behalf_of: message.on_behalf_of,
        };
        let caller = match message.agent {
            agent if agent.is_empty() => caller,
            agent => Principal::Agent(agent),
        };
        let found = self
            .blocking(move |pipeline| {
                let found = pipeline.preview(&caller, &trial);
                drop(calling);
                found
            })
            .await?;
        Ok(Response::new(approvals::previewed(found)))
    }

    async fn list_approvals(
        &self,
        request: Request<wire::ListApprovalsRequest>,
    ) -> Result<Response<wire::Approvals>, Status> {
        self.caller(&request, "ListApprovals").await?;
        let id = request.into_inner().id;
        approvals::list(self.pipeline.book(), &id).map(Response::new)
    }

    type WatchApprovalsStream = Pin<Box<dyn Stream<Item = Result<wire::Approvals, Status>> + Send>>;

    async fn watch_approvals(
        &self,
        request: Request<wire::ListApprovalsRequest>,
    ) -> Result<Response<Self::WatchApprovalsStream>, Status> {
        self.caller(&request, "WatchApprovals").await?;
        let (sender, changes) = tokio::sync::mpsc::channel(1);
        tokio::spawn(approvals::watch(Arc::clone(&self.pipeline), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(changes))))
    }

    async fn decide_approval(
        &self,
        request: Request<wire::DecideApprovalRequest>,
    ) -> Result<Response<wire::Approval>, Status> {
        let caller = self.caller(&request, "DecideApproval").await?;
        let order = approvals::order(request.into_inner());
        let decided = self
            .blocking(move |pipeline| pipeline.decide(&caller, &order))
            .await?;
        Ok(Response::new(approvals::approval(&decided, true)))
    }

    async fn forget_rule(
        &self,
        request: Request<wire::ForgetRuleRequest>,
    ) -> Result<Response<wire::Approvals>, Status> {
        let caller = self.caller(&request, "ForgetRule").await?;
        let wire::ForgetRuleRequest { rule, by } = request.into_inner();
        self.blocking(move |pipeline| pipeline.forget_rule(&caller, &rule, &by))
            .await?;
        approvals::list(self.pipeline.book(), "").map(Response::new)
    }

    async fn register_task(
        &self,
        request: Request<wire::RegisterTaskRequest>,
    ) -> Result<Response<wire::RegisterTaskResponse>, Status> {
        self.caller(&request, "RegisterTask").await?;
        self.tasks.register(task(request.into_inner()));
        Ok(Response::new(wire::RegisterTaskResponse {}))
    }

    async fn settle_task(
        &self,
        request: Request<wire::SettleTaskRequest>,
    ) -> Result<Response<wire::SettleTaskResponse>, Status> {
        self.caller(&request, "SettleTask").await?;
        let outcomes = self.tasks.settle(&request.into_inner().call_ids)?;
        let outcomes = outcomes.into_iter().map(outcome_to_wire).collect();
        Ok(Response::new(wire::SettleTaskResponse { outcomes }))
    }

    async fn list_schedules(
        &self,
        request: Request<wire::ListSchedulesRequest>,
    ) -> Result<Response<wire::Schedules>, Status> {
        self.caller(&request, "ListSchedules").await?;
        let id = request.into_inner().id;
        let listed = self.blocking(|pipeline| Ok(pipeline.schedules())).await?;
        schedules::all(listed, &id).map(Response::new)
    }

    async fn take_schedules(
        &self,
        request: Request<wire::TakeSchedulesRequest>,
    ) -> Result<Response<wire::TakenSchedules>, Status> {
        self.caller(&request, "TakeSchedules").await?;
        let wire::TakeSchedulesRequest { goal_ids, stopped } = request.into_inner();
        let taken = self
            .blocking(move |pipeline| pipeline.take_schedules(&goal_ids, stopped))
            .await?;
        Ok(Response::new(schedules::taken(taken)))
    }

    async fn end_schedule_run(
        &self,
        request: Request<wire::EndScheduleRunRequest>,
    ) -> Result<Response<wire::EndScheduleRunResponse>, Status> {
        self.caller(&request, "EndScheduleRun").await?;
        let ended = request.into_inner();
        self.blocking(move |pipeline| {
            let wire::EndScheduleRunRequest {
                goal_id,
                succeeded,
                text,
                suspend,
            } = &ended;
            pipeline.end_schedule(goal_id, *succeeded, text, suspend)
        })
        .await?;
        Ok(Response::new(wire::EndScheduleRunResponse {}))
    }

    async fn undo(
        &self,
        request: Request<wire::UndoRequest>,
    ) -> Result<Response<wire::UndoResponse>, Status> {
        let caller = self.caller(&request, "Undo").await?;
        let message = request.into_inner();
        let undo = pipeline::Undo {
            role: operator(&caller, message.role()),
            execution_id: message.execution_id,
            reason: message.reason,
            on_behalf_of: message.on_behalf_of,
        };
        let (execution_id, summary) = self
            .blocking(move |pipeline| pipeline.undo(&caller, &undo))
            .await?;
        Ok(Response::new(wire::UndoResponse {
            execution_id,
            summary,
        }))
    }

    async fn reclaim_storage(
        &self,
        request: Request<wire::ReclaimStorageRequest>,
    ) -> Result<Response<wire::ReclaimStorageResponse>, Status> {
        let caller = self.caller(&request, "ReclaimStorage").await?;
        let message = request.into_inner();
        let reclaim = pipeline::Reclaim {
            actor: caller.to_string(),
            on_behalf_of: message.on_behalf_of,
            reason: message.reason,
            older_than: Duration::from_secs(message.older_than_s),
            dry_run: message.dry_run,
        };
        let dropped = self
            .blocking(move |pipeline| pipeline.reclaim(&reclaim))
            .await?;
        Ok(Response::new(dropped_to_wire(dropped)))
    }

    async fn list_audit(
        &self,
        request: Request<wire::ListAuditRequest>,
    ) -> Result<Response<wire::ListAuditResponse>, Status> {
        self.caller(&request, "ListAudit").await?;
        let filter = request.into_inner();
        let pipeline = Arc::clone(&self.pipeline);
        let entries = self
            .pools
            .read(move |is_asked| listed(&pipeline, &filter, is_asked))
            .await?;
        Ok(Response::new(wire::ListAuditResponse { entries }))
    }

    async fn verify_audit(
        &self,
        request: Request<wire::VerifyAuditRequest>,
    ) -> Result<Response<wire::VerifyAuditResponse>, Status> {
        self.caller(&request, "VerifyAudit").await?;
        let report = verification::report(self.pipeline.ledger()).await?;
        Ok(Response::new(wire::VerifyAuditResponse {
            intact: report.intact,
            entries: report.entries,
            root_hash: aios_ledger::hex(&report.root_hash),
            detail: report.detail,
            public_key: aios_ledger::hex(&report.public_key),
        }))
    }

    async fn get_audit_head(
        &self,
        request: Request<wire::AuditHeadRequest>,
    ) -> Result<Response<wire::AuditHead>, Status> {
        self.caller(&request, "GetAuditHead").await?;
        let request = request.into_inner();
        let ledger = Arc::clone(self.pipeline.ledger());
        let head = self
            .pools
            .read(move |is_asked| crate::head::head(&ledger, &request, is_asked))
            .await?;
        Ok(Response::new(head))
    }

    type ExportAuditStream =
        Pin<Box<dyn Stream<Item = Result<wire::ExportAuditResponse, Status>> + Send>>;

    async fn export_audit(
        &self,
        request: Request<wire::ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        self.caller(&request, "ExportAudit").await?;
        let turn = self.pools.export().await?;
        let export: Export = self
            .blocking(|pipeline| {
                let export = pipeline.ledger().export();
                export.map_err(|error| ToolError::Failed(error.to_string()))
            })
            .await?;
        let (sender, pieces) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            export::send(export, &sender).await;
            drop(turn);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(pieces))))
    }

    async fn record(
        &self,
        request: Request<wire::RecordRequest>,
    ) -> Result<Response<wire::RecordResponse>, Status> {
        let caller = self.caller(&request, "Record").await?;
        let message = request.into_inner();
        let record = Entry {
            goal_id: pipeline::cut(&message.goal_id, 256),
            ..unrecorded::entry(
                &caller.to_string(),
                &message.kind,
                &message.subject,
                &message.detail,
            )
        };
        let index = self
            .blocking(move |pipeline| pipeline.append(&record))
            .await?;
        Ok(Response::new(wire::RecordResponse { index }))
    }
}

/// The newest entries that pass the filter, the newest first.
fn listed(
    pipeline: &Pipeline,
    filter: &wire::ListAuditRequest,
    is_asked: &dyn Fn() -> bool,
) -> Result<Vec<wire::AuditEntry>, ToolError> {
    let limit = match filter.limit {
        0 => LIST_DEFAULT,
        limit => LIST_MAX.min(limit as usize),
    };
    let passes = |entry: &Entry| {
        let same = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        same(&filter.actor, &entry.actor)
            && same(&filter.tool, &entry.tool)
            && same(&filter.goal_id, &entry.goal_id)
    };
    let mut found = Vec::new();
    for entry in pipeline.ledger().newest() {
        let entry = entry.map_err(|error| ToolError::Failed(error.to_string()))?;
        if entry.time_ms < filter.since_ms || found.len() == limit || !is_asked() {
            break;
        }
        if passes(&entry) {
            found.push(entry_to_wire(entry));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what_is_one_table() {
        let check = |caller: Principal, rights: &[Right]| {
            for right in [Describe, Call, Audit, Record, Task] {
                assert_eq!(
                    ACCESS.may(&caller, right),
                    rights.contains(&right),
                    "{caller} {right:?}"
                );
            }
        };
        let daemon = |name: &str| Principal::Daemon(name.into());
        check(Principal::Root, &[Describe, Call, Audit, Record, Task]);
        check(Principal::Agent("storage".into()), &[Describe, Call]);
        check(daemon("orchestrator"), &[Describe, Audit, Record, Task]);
        check(daemon("control"), &[Record]);
        check(daemon("memory"), &[]);
        check(daemon("runtime"), &[]);
        check(Principal::Other(1000), &[]);
    }
}
