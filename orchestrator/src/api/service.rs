//! The methods of `aios.v1.Management`: goals are handled here, the rest is passed on.

use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::config_client::ConfigClient;
use aios_contracts::v1::management_server::Management as ManagementService;
use aios_contracts::v1::*;
use aios_daemon::demand::Demand;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::peer::Peer;
use super::revoked::{List, Revoked};
use super::roles::Role;
use super::status;
use crate::agents::Agents;
use crate::clients::Clients;
use crate::emergency::Emergency;
use crate::goals::{Goals, Wish};
use crate::record::{Kind, Recorder};
use crate::standing::Standing;
use crate::update::Updates;
use crate::witness::Witness;
use crate::{degraded, wire};

/// Goals listed when the client does not say how many, and at most.
const LISTED: u32 = 50;
/// See [`LISTED`].
const LISTED_MAX: u32 = 500;

/// How long a daemon may take to answer a passed-on request.
const PASSED_ON: Duration = Duration::from_secs(60);
/// The configuration daemon.
const CONFIG: &str = "config";
/// The service without which nothing can be put on record.
const RECORD_KEEPER: &str = "tools";

/// The service; cloning is cheap.
#[derive(Clone)]
pub struct Management {
    /// Goals.
    pub goals: Goals,
    /// What waits for a person.
    pub approvals: crate::approvals::Approvals,
    /// Agents.
    pub agents: Arc<Agents>,
    /// Everybody else.
    pub clients: Clients,
    /// What goes on record.
    pub recorder: Recorder,
    /// The emergency stop.
    pub emergency: Emergency,
    /// The slots.
    pub updates: Updates,
    /// The orchestrator's folder on the data disk.
    pub state: std::path::PathBuf,
    /// What the image is made of, as SPDX.
    pub sbom: std::path::PathBuf,
    /// The configuration's folder.
    pub etc: std::path::PathBuf,
    /// Why this boot is in safe mode, if it is.
    pub safe: Option<String>,
    /// What knows the ledger.
    pub witness: Witness,
    /// The certificates that were taken back.
    pub revoked: Revoked,
    /// What is done by itself at its time.
    pub schedules: crate::schedules::Schedules,
    /// Where this API listens, if not where it is configured to.
    pub elsewhere: super::listen::Elsewhere,
}

/// Has a daemon answer a call, within [`PASSED_ON`].
macro_rules! pass_on {
    ($management:ident.$daemon:ident.$method:ident($request:expr)) => {
        within($management.clients.$daemon.clone().$method($request)).await
    };
}

/// What a daemon says, within [`PASSED_ON`].
async fn within<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Response<T>, Status> {
    match tokio::time::timeout(PASSED_ON, call).await {
        Ok(answer) => answer.map(|answer| Response::new(answer.into_inner())),
        Err(_) => Err(Status::deadline_exceeded(
            "the daemon did not answer in time",
        )),
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ManagementService for Management {
    type WatchGoalStream = ReceiverStream<Result<Goal, Status>>;
    type ExportAuditStream = Streaming<ExportAuditResponse>;
    type LogsStream = Streaming<LogLine>;
    type WatchApprovalsStream = ReceiverStream<Result<Approvals, Status>>;
    type InstallUpdateStream = ReceiverStream<Result<InstallProgress, Status>>;

    async fn get_status(&self, request: Request<GetStatusRequest>) -> Answer<SystemStatus> {
        let peer = Peer::of(&request)?;
        Ok(Response::new(status::collect(self, &peer).await))
    }

    async fn submit_goal(&self, request: Request<SubmitGoalRequest>) -> Answer<Goal> {
        let peer = Peer::of(&request)?;
        if let Some(reason) = &self.safe {
            return Err(Status::failed_precondition(format!(
                "safe mode ({reason}): there are no agents; repair the cause and reboot"
            )));
        }
        let SubmitGoalRequest {
            text,
            call,
            request_id,
        } = request.into_inner();
        let wish = Wish {
            text,
            call: call.map(wire::call),
            goal_id: String::new(),
            request_id,
            by: peer.name(),
            role: peer.role.unwrap_or(Role::Viewer),
        };
        let goal = self.goals.submit(wish).await?;
        Ok(Response::new(wire::goal_to_wire(&goal)))
    }

    async fn watch_goal(&self, request: Request<GetGoalRequest>) -> Answer<Self::WatchGoalStream> {
        let (goal, changes) = self.goals.watch(&request.into_inner().id).await?;
        // One: what waits for a client that takes nothing is in memory, and a goal may be large.
        let (sender, stream) = mpsc::channel(1);
        tokio::spawn(watch(self.goals.clone(), goal, changes, sender));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_goal(&self, request: Request<GetGoalRequest>) -> Answer<Goal> {
        let goal = self.goals.get(&request.into_inner().id).await?;
        Ok(Response::new(wire::goal_to_wire(&goal)))
    }

    async fn list_goals(&self, request: Request<ListGoalsRequest>) -> Answer<ListGoalsResponse> {
        let request = request.into_inner();
        let limit = match request.limit {
            0 => LISTED,
            limit => limit.min(LISTED_MAX),
        };
        let states: Vec<GoalState> = request.states().collect();
        let goals = self.goals.list(limit, &states).await?;
        let goals = goals
            .iter()
            .map(wire::goal_to_wire)
            .map(without_outputs)
            .collect();
        Ok(Response::new(ListGoalsResponse { goals }))
    }

    async fn cancel_goal(&self, request: Request<GetGoalRequest>) -> Answer<Goal> {
        let by = Peer::of(&request)?.name();
        let id = request.into_inner().id;
        let goal = self.goals.cancel(&id, &by).await?;
        Ok(Response::new(without_outputs(wire::goal_to_wire(&goal))))
    }

    async fn list_decisions(
        &self,
        request: Request<ListDecisionsRequest>,
    ) -> Answer<ListDecisionsResponse> {
        pass_on!(self.memory.list_decisions(request.into_inner()))
    }

    async fn list_agents(&self, _: Request<ListAgentsRequest>) -> Answer<ListAgentsResponse> {
        let agents = self.agents.list().await;
        Ok(Response::new(ListAgentsResponse { agents }))
    }

    async fn list_tools(&self, request: Request<ListToolsRequest>) -> Answer<ListToolsResponse> {
        pass_on!(self.tools.list_tools(request.into_inner()))
    }

    async fn describe_tool(&self, request: Request<DescribeToolRequest>) -> Answer<Tool> {
        pass_on!(self.tools.describe_tool(request.into_inner()))
    }

    async fn list_models(&self, request: Request<ListModelsRequest>) -> Answer<ListModelsResponse> {
        pass_on!(self.runtime.list_models(request.into_inner()))
    }

    async fn list_audit(&self, request: Request<ListAuditRequest>) -> Answer<ListAuditResponse> {
        let answer = pass_on!(self.tools.list_audit(request.into_inner()));
        self.explained(answer).await
    }

    async fn verify_audit(
        &self,
        request: Request<VerifyAuditRequest>,
    ) -> Answer<VerifyAuditResponse> {
        let answer = pass_on!(self.tools.verify_audit(request.into_inner()));
        self.explained(answer).await
    }

    async fn export_audit(
        &self,
        request: Request<ExportAuditRequest>,
    ) -> Answer<Self::ExportAuditStream> {
        let answer = pass_on!(self.tools.export_audit(request.into_inner()));
        self.explained(answer).await
    }

    async fn accept_audit(&self, request: Request<AcceptAuditRequest>) -> Answer<AuditHead> {
        let by = Peer::of(&request)?.name();
        self.witness.accept(&by).await.map(Response::new)
    }

    async fn undo(&self, request: Request<UndoRequest>) -> Answer<UndoResponse> {
        let peer = Peer::of(&request)?;
        let request = UndoRequest {
            on_behalf_of: peer.name(),
            role: wire::role_to_wire(peer.role.unwrap_or(Role::Viewer)).into(),
            ..request.into_inner()
        };
        pass_on!(self.tools.undo(request))
    }

    async fn preview_call(&self, request: Request<PreviewRequest>) -> Answer<PreviewResponse> {
        let peer = Peer::of(&request)?;
        let request = request.into_inner();
        let Some(agent) = self.agents.route(&request.tool) else {
            return Err(Status::not_found(format!(
                "no agent takes {:?}",
                request.tool
            )));
        };
        let request = PreviewRequest {
            agent: agent.to_owned(),
            on_behalf_of: peer.name(),
            role: wire::role_to_wire(peer.role.unwrap_or(Role::Viewer)).into(),
            ..request
        };
        // A package is unpacked for it, which takes as long as installing it.
        let mut tools = self.clients.tools.clone();
        let answer = tools.preview(request).await?;
        Ok(Response::new(answer.into_inner()))
    }

    async fn list_approvals(&self, request: Request<ListApprovalsRequest>) -> Answer<Approvals> {
        let role = Peer::of(&request)?.role;
        let answer = pass_on!(self.tools.list_approvals(request.into_inner()))?;
        Ok(answer.map(|all| for_role(all, role)))
    }

    async fn watch_approvals(
        &self,
        request: Request<ListApprovalsRequest>,
    ) -> Answer<Self::WatchApprovalsStream> {
        let role = Peer::of(&request)?.role;
        let mut newest = self.approvals.subscribe();
        let (sender, stream) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let known = newest.borrow_and_update().clone();
                if let Some(all) = known
                    && sender.send(Ok(for_role(all, role))).await.is_err()
                {
                    return;
                }
                tokio::select! {
                    changed = newest.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn decide_approval(&self, request: Request<DecideApprovalRequest>) -> Answer<Approval> {
        let peer = Peer::of(&request)?;
        let request = DecideApprovalRequest {
            by: peer.name(),
            role: wire::role_to_wire(peer.role.unwrap_or(Role::Viewer)).into(),
            ..request.into_inner()
        };
        pass_on!(self.tools.decide_approval(request))
    }

    async fn forget_rule(&self, request: Request<ForgetRuleRequest>) -> Answer<Approvals> {
        let by = Peer::of(&request)?.name();
        let request = ForgetRuleRequest {
            by,
            ..request.into_inner()
        };
        pass_on!(self.tools.forget_rule(request))
    }

    async fn list_schedules(&self, request: Request<ListSchedulesRequest>) -> Answer<Schedules> {
        let role = Peer::of(&request)?.role;
        let answer = pass_on!(self.tools.list_schedules(request.into_inner()))?;
        Ok(answer.map(|mut all| {
            if role.is_none_or(|role| role < Role::Operator) {
                let calls = all.schedules.iter_mut().filter_map(|one| one.call.as_mut());
                calls.for_each(|call| call.arguments_json.clear());
            }
            all
        }))
    }

    async fn reclaim_storage(
        &self,
        request: Request<ReclaimStorageRequest>,
    ) -> Answer<ReclaimStorageResponse> {
        let on_behalf_of = Peer::of(&request)?.name();
        let request = ReclaimStorageRequest {
            on_behalf_of,
            ..request.into_inner()
        };
        pass_on!(self.tools.reclaim_storage(request))
    }

    async fn logs(&self, request: Request<LogsRequest>) -> Answer<Self::LogsStream> {
        pass_on!(self.init.logs(request.into_inner()))
    }

    async fn get_boot(&self, request: Request<GetBootRequest>) -> Answer<BootTimeline> {
        pass_on!(self.init.get_boot(request.into_inner()))
    }

    async fn list_degraded(&self, _: Request<ListDegradedRequest>) -> Answer<ListDegradedResponse> {
        let conditions = status::conditions(self).await;
        Ok(Response::new(ListDegradedResponse {
            modes: degraded::list(&conditions),
        }))
    }

    async fn get_sbom(&self, _: Request<GetSbomRequest>) -> Answer<Sbom> {
        let spdx_json = tokio::fs::read_to_string(&self.sbom).await;
        let spdx_json = spdx_json
            .map_err(|error| Status::not_found(format!("{}: {error}", self.sbom.display())))?;
        Ok(Response::new(Sbom { spdx_json }))
    }

    async fn list_services(
        &self,
        request: Request<ListServicesRequest>,
    ) -> Answer<ListServicesResponse> {
        pass_on!(self.init.list_services(request.into_inner()))
    }

    async fn start_service(&self, request: Request<ServiceRequest>) -> Answer<Service> {
        self.not_an_agent_in_manual_mode(request.get_ref())?;
        let request = self.service_order(Kind::ServiceStart, request).await?;
        pass_on!(self.init.start_service(request))
    }

    async fn stop_service(&self, request: Request<ServiceRequest>) -> Answer<Service> {
        let request = self.service_order(Kind::ServiceStop, request).await?;
        pass_on!(self.init.stop_service(request))
    }

    async fn restart_service(&self, request: Request<ServiceRequest>) -> Answer<Service> {
        self.not_an_agent_in_manual_mode(request.get_ref())?;
        let request = self.service_order(Kind::ServiceRestart, request).await?;
        pass_on!(self.init.restart_service(request))
    }

    async fn factory_reset(&self, request: Request<FactoryResetRequest>) -> Answer<PowerResponse> {
        let by = Peer::of(&request)?.name();
        let node = request.into_inner().node;
        self.recorder.note(Kind::FactoryReset, &by, &node, "");
        super::reset::prepare(&self.state, &node)?;
        let reboot = PowerRequest {
            action: PowerAction::Reboot.into(),
            reason: format!("factory reset, asked for by {by}"),
        };
        pass_on!(self.init.power(reboot))
    }

    async fn power(&self, request: Request<PowerRequest>) -> Answer<PowerResponse> {
        let by = Peer::of(&request)?.name();
        let request = request.into_inner();
        let detail = format!("{}: {}", request.action().as_str_name(), request.reason);
        // A machine whose ledger is broken can still be switched off.
        self.recorder.note(Kind::Power, &by, &detail, "");
        pass_on!(self.init.power(request))
    }

    async fn get_config(&self, request: Request<GetConfigRequest>) -> Answer<ConfigState> {
        let request = request.into_inner();
        self.ask_config(|mut config| async move { config.get_config(request).await })
            .await
    }

    async fn validate_config(
        &self,
        request: Request<ValidateConfigRequest>,
    ) -> Answer<ConfigCheck> {
        let request = request.into_inner();
        self.ask_config(|mut config| {
            let request = request.clone();
            async move { config.validate_config(request).await }
        })
        .await
    }

    async fn apply_config(&self, request: Request<ApplyConfigRequest>) -> Answer<ConfigCheck> {
        let by = Peer::of(&request)?.name();
        let mut request = request.into_inner();
        let toml = request.toml.clone();
        let wanted = ValidateConfigRequest { toml };
        let check = self
            .ask_config(|mut config| {
                let request = wanted.clone();
                async move { config.validate_config(request).await }
            })
            .await?
            .into_inner();
        let detail = match request.try_seconds {
            0 => format!("{}: {}", check.sha256, check.changes.join(", ")),
            tried => format!(
                "{} for {tried} s: {}",
                check.sha256,
                check.changes.join(", ")
            ),
        };
        self.recorder.order(Kind::ConfigApply, &by, &detail).await?;
        request.on_behalf_of = by;
        self.ask_config(|mut config| {
            let request = request.clone();
            async move { config.apply_config(request).await }
        })
        .await
    }

    async fn confirm_config(&self, request: Request<ConfirmConfigRequest>) -> Answer<ConfigState> {
        let by = Peer::of(&request)?.name();
        let mut request = request.into_inner();
        self.recorder
            .order(Kind::ConfigConfirm, &by, &request.trial)
            .await?;
        request.on_behalf_of = by;
        self.ask_config(|mut config| {
            let request = request.clone();
            async move { config.confirm_config(request).await }
        })
        .await
    }

    async fn revoke_certificates(
        &self,
        request: Request<RevokeCertificatesRequest>,
    ) -> Answer<RevokedCertificates> {
        let by = Peer::of(&request)?.name();
        let recorder = self.recorder.clone();
        let record =
            |order: String| async move { recorder.order(Kind::PkiRevoke, &by, &order).await };
        self.revoked
            .apply(&request.into_inner().pem, record)
            .await?;
        Ok(Response::new(revoked_to_wire(self.revoked.lists())))
    }

    async fn get_revoked(&self, _: Request<GetRevokedRequest>) -> Answer<RevokedCertificates> {
        Ok(Response::new(revoked_to_wire(self.revoked.lists())))
    }

    async fn emergency_stop(&self, request: Request<EmergencyRequest>) -> Answer<EmergencyState> {
        let by = Peer::of(&request)?.name();
        let mut state = self.emergency.stop(&by, &request.into_inner().reason).await;
        state.goals_suspended = u32::try_from(self.goals.unfinished()).unwrap_or(u32::MAX);
        Ok(Response::new(state))
    }

    async fn emergency_resume(&self, request: Request<EmergencyRequest>) -> Answer<EmergencyState> {
        let by = Peer::of(&request)?.name();
        let request = request.into_inner();
        if request.cancel_goals && self.emergency.stopped().is_some() {
            self.goals.cancel_all(&by);
        }
        let state = self.emergency.resume(&by, &request.reason).await?;
        Ok(Response::new(state))
    }

    async fn get_slots(&self, _: Request<GetSlotsRequest>) -> Answer<Slots> {
        self.updates.slots().await.map(Response::new)
    }

    async fn install_update(
        &self,
        request: Request<Streaming<InstallRequest>>,
    ) -> Answer<Self::InstallUpdateStream> {
        let by = Peer::of(&request)?.name();
        let progress = self.updates.install(&by, request.into_inner()).await?;
        Ok(Response::new(progress))
    }

    async fn rollback(&self, request: Request<RollbackRequest>) -> Answer<Slots> {
        let by = Peer::of(&request)?.name();
        self.updates.roll_back(&by).await.map(Response::new)
    }
}

impl Management {
    /// An answer of the tools service. When the way to it failed, how the service is: a ledger
    /// that is damaged keeps it from starting, and whoever asks for the ledger must hear that.
    async fn explained<T>(&self, answer: Answer<T>) -> Answer<T> {
        match answer {
            Err(status) if aios_daemon::retry::is_transient(&status) => {
                let standing = Standing::new(self.clients.init.clone());
                Err(standing.explain(RECORD_KEEPER, status).await)
            }
            answer => answer,
        }
    }

    /// Asks the configuration daemon, which leaves when it is idle.
    async fn ask_config<T, C>(&self, call: impl Fn(ConfigClient<Channel>) -> C) -> Answer<T>
    where
        C: Future<Output = Answer<T>>,
    {
        let demand = Demand::new(self.clients.init.clone(), CONFIG);
        let call = || call(self.clients.config.clone());
        demand.ask(PASSED_ON, call).await.map(Response::new)
    }

    /// # Errors
    /// `FAILED_PRECONDITION`: agents stay down until the resume.
    fn not_an_agent_in_manual_mode(&self, request: &ServiceRequest) -> Result<(), Status> {
        match request.name.starts_with("agent-") {
            true => self.emergency.check(),
            false => Ok(()),
        }
    }

    /// The order, once it is on record who gave it. That which keeps the record
    /// can be repaired without it.
    async fn service_order(
        &self,
        kind: Kind,
        request: Request<ServiceRequest>,
    ) -> Result<ServiceRequest, Status> {
        let by = Peer::of(&request)?.name();
        let request = request.into_inner();
        if request.name == RECORD_KEEPER {
            self.recorder.note(kind, &by, &request.name, "");
        } else {
            self.recorder.order(kind, &by, &request.name).await?;
        }
        Ok(request)
    }
}

/// The goal without what its calls returned, which may be large; GetGoal has it.
fn without_outputs(mut goal: Goal) -> Goal {
    let executions = goal.tasks.iter_mut().flat_map(|task| &mut task.executions);
    executions.for_each(|execution| execution.output_json.clear());
    goal
}

/// What waits, without what is in files where the role may not see that.
fn for_role(mut all: Approvals, role: Option<Role>) -> Approvals {
    if role.is_some_and(|role| role >= Role::Operator) {
        return all;
    }
    for approval in &mut all.approvals {
        approval.arguments_json.clear();
        approval.preview = None;
    }
    all
}

fn revoked_to_wire(lists: Vec<List>) -> RevokedCertificates {
    let lists = lists.into_iter().map(|list| RevocationList {
        authority: list.authority,
        number: list.number,
        serials: list.serials.into_iter().collect(),
    });
    RevokedCertificates {
        lists: lists.collect(),
    }
}

/// Sends the goal's changes until it is finished or nobody listens.
async fn watch(
    goals: Goals,
    mut goal: aios_goals::Goal,
    changes: Option<broadcast::Receiver<aios_goals::Goal>>,
    sender: mpsc::Sender<Result<Goal, Status>>,
) {
    let id = goal.id.clone();
    let mut changes = changes;
    loop {
        let finished = goal.is_finished();
        if sender.send(Ok(wire::goal_to_wire(&goal))).await.is_err() || finished {
            return;
        }
        let Some(changes) = &mut changes else { return };
        let change = tokio::select! {
            change = changes.recv() => change,
            () = sender.closed() => return,
        };
        goal = match change {
            Ok(goal) => goal,
            Err(_) => match goals.get(&id).await {
                Ok(goal) => goal,
                Err(status) => return drop(sender.send(Err(status)).await),
            },
        };
    }
}
