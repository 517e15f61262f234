//! The service on `tools.sock`: wire format in, wire format out, and who may call what.

use std::pin::Pin;
use std::sync::Arc;

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
use crate::{unrecorded, verification};
use aios_tool::error::ToolError;
use aios_tool::spec::Risk;
use aios_tool::tool::ErasedTool;

/// Entries that one `ListAudit` gives at most.
const LIST_MAX: usize = 1000;
/// Entries that one `ListAudit` gives when it does not say.
const LIST_DEFAULT: usize = 50;

/// The largest request to `Record`, in bytes; its texts are cut to far less.
pub(crate) const RECORD_MAX: usize = 64 * 1024;

/// The service.
#[derive(Clone)]
pub struct Service {
    pipeline: Arc<Pipeline>,
    callers: Callers,
    pools: Pools,
}

/// What a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// ListTools, DescribeTool.
    Describe,
    /// Call.
    Call,
    /// Undo, and everything about the audit log.
    Audit,
    /// Record.
    Record,
}

use Right::{Audit, Call, Describe, Record};

/// Who may do what here.
pub(crate) static ACCESS: Access<Right> = Access::new(
    "Tools",
    &[
        (Who::Root, &[Describe, Call, Audit, Record]),
        (Who::Agents, &[Describe, Call, Record]),
        (Who::Daemon("orchestrator"), &[Describe, Audit, Record]),
        (Who::Daemon("control"), &[Record]),
    ],
);

impl Service {
    /// The service of a pipeline.
    pub fn new(pipeline: Arc<Pipeline>, callers: Callers) -> Self {
        Self {
            pipeline,
            callers,
            pools: Pools::default(),
        }
    }

    /// Who calls, when it may. A refusal is recorded.
    async fn caller<T>(
        &self,
        request: &Request<T>,
        right: Right,
        method: &str,
    ) -> Result<Principal, Status> {
        let caller = self.callers.identify(request.extensions())?;
        let Err(refused) = ACCESS.check(&caller, right, method) else {
            return Ok(caller);
        };
        let text = refused.message();
        let refusal = Entry {
            time_ms: pipeline::now_ms(),
            kind: "refusal".to_owned(),
            actor: caller.to_string(),
            decision: format!("refused: {text}"),
            outcome: format!("failed: {text}"),
            ..Entry::default()
        };
        self.blocking(move |pipeline| pipeline.append(&refusal))
            .await?;
        Err(refused)
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
        self.caller(&request, Right::Describe, "ListTools").await?;
        let tools = self.pipeline.registry().iter().map(described).collect();
        Ok(Response::new(wire::ListToolsResponse { tools }))
    }

    async fn describe_tool(
        &self,
        request: Request<wire::DescribeToolRequest>,
    ) -> Result<Response<wire::Tool>, Status> {
        self.caller(&request, Right::Describe, "DescribeTool")
            .await?;
        let tool = self.pipeline.registry().find(&request.get_ref().name)?;
        Ok(Response::new(described(tool.as_ref())))
    }

    async fn call(
        &self,
        request: Request<wire::CallRequest>,
    ) -> Result<Response<wire::CallResponse>, Status> {
        let caller = self.caller(&request, Right::Call, "Call").await?;
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
        };
        let answer = self
            .blocking(move |pipeline| {
                let answer = pipeline.call(&caller, call);
                drop(calling); // the thread is free, whoever still waits
                answer
            })
            .await?;
        Ok(Response::new(wire::CallResponse {
            execution_id: answer.execution_id,
            output_json: answer.output.to_string(),
            summary: answer.summary,
            reversible: answer.reversible,
            replayed: answer.replayed,
        }))
    }

    async fn undo(
        &self,
        request: Request<wire::UndoRequest>,
    ) -> Result<Response<wire::UndoResponse>, Status> {
        let caller = self.caller(&request, Right::Audit, "Undo").await?;
        let message = request.into_inner();
        let undo = pipeline::Undo {
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

    async fn list_audit(
        &self,
        request: Request<wire::ListAuditRequest>,
    ) -> Result<Response<wire::ListAuditResponse>, Status> {
        self.caller(&request, Right::Audit, "ListAudit").await?;
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
        self.caller(&request, Right::Audit, "VerifyAudit").await?;
        let report = verification::report(self.pipeline.ledger()).await?;
        Ok(Response::new(wire::VerifyAuditResponse {
            intact: report.intact,
            entries: report.entries,
            root_hash: aios_ledger::hex(&report.root_hash),
            detail: report.detail,
            public_key: aios_ledger::hex(&report.public_key),
        }))
    }

    type ExportAuditStream =
        Pin<Box<dyn Stream<Item = Result<wire::ExportAuditResponse, Status>> + Send>>;

    async fn export_audit(
        &self,
        request: Request<wire::ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        self.caller(&request, Right::Audit, "ExportAudit").await?;
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
        let caller = self.caller(&request, Right::Record, "Record").await?;
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
            found.push(to_wire(entry));
        }
    }
    Ok(found)
}

fn to_wire(entry: Entry) -> wire::AuditEntry {
    wire::AuditEntry {
        index: entry.index,
        time_ms: entry.time_ms,
        kind: entry.kind,
        actor: entry.actor,
        on_behalf_of: entry.on_behalf_of,
        tool: entry.tool,
        execution_id: entry.execution_id,
        call_id: entry.call_id,
        goal_id: entry.goal_id,
        task_index: entry.task_index,
        reason: entry.reason,
        decision: entry.decision,
        input_sha256: entry.input_sha256,
        output_sha256: entry.output_sha256,
        outcome: entry.outcome,
    }
}

fn described(tool: &dyn ErasedTool) -> wire::Tool {
    let spec = tool.spec();
    let risk = match spec.risk {
        Risk::Low => wire::Risk::Low,
        Risk::Medium => wire::Risk::Medium,
        Risk::High => wire::Risk::High,
        Risk::Critical => wire::Risk::Critical,
    };
    let effect = spec.effect();
    wire::Tool {
        name: spec.name.clone(),
        description: spec.description.clone(),
        input_schema_json: tool.input_schema().to_string(),
        output_schema_json: tool.output_schema().to_string(),
        capabilities: spec.capabilities.clone(),
        risk: risk.into(),
        mutating: spec.changes(),
        idempotent: effect.is_none_or(|effect| effect.idempotent),
        reversible: spec.is_reversible(),
        timeout_ms: spec.timeout_ms,
        post_condition: effect
            .map_or("nothing is changed", |effect| &effect.post_condition)
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what_is_one_table() {
        let check = |caller: Principal, rights: &[Right]| {
            for right in [Describe, Call, Audit, Record] {
                assert_eq!(
                    ACCESS.may(&caller, right),
                    rights.contains(&right),
                    "{caller} {right:?}"
                );
            }
        };
        let daemon = |name: &str| Principal::Daemon(name.into());
        check(Principal::Root, &[Describe, Call, Audit, Record]);
        check(
            Principal::Agent("storage".into()),
            &[Describe, Call, Record],
        );
        check(daemon("orchestrator"), &[Describe, Audit, Record]);
        check(daemon("control"), &[Record]);
        check(daemon("memory"), &[]);
        check(daemon("runtime"), &[]);
        check(Principal::Other(1000), &[]);
    }
}
