//! Doubles of daemons: they keep what they are told and do what the test says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aios_contracts::v1::emergency_server::Emergency;
use aios_contracts::v1::init_server::Init;
use aios_contracts::v1::memory_server::Memory;
use aios_contracts::v1::tools_server::Tools;
use aios_contracts::v1::*;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

type Answer<T> = Result<Response<T>, Status>;

fn absent<T>() -> Answer<T> {
    Err(Status::unimplemented("not in this double"))
}

/// Goals and tasks in a map; can be made to be away.
#[derive(Clone, Default)]
pub struct MemoryDouble {
    /// All goals with their tasks, the oldest first.
    pub goals: Arc<Mutex<Vec<Goal>>>,
    /// All decisions, the oldest first.
    pub decisions: Arc<Mutex<Vec<Decision>>>,
    /// How often a goal was put: each is a wait for the disk.
    pub writes: Arc<AtomicUsize>,
    /// While set, every call is refused as UNAVAILABLE.
    pub away: Arc<AtomicBool>,
}

impl MemoryDouble {
    fn there(&self) -> Result<(), Status> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("the memory is away"));
        }
        Ok(())
    }

    /// The goal as it is kept now.
    #[must_use]
    pub fn goal(&self, id: &str) -> Option<Goal> {
        let goals = self.goals.lock().unwrap();
        goals.iter().find(|goal| goal.id == id).cloned()
    }

    /// Refuses every call for this time, as a restart of the daemon would.
    pub fn away_for(&self, time: Duration) {
        self.away.store(true, Ordering::SeqCst);
        let away = self.away.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            away.store(false, Ordering::SeqCst);
        });
    }
}

#[tonic::async_trait]
impl Memory for MemoryDouble {
    async fn put_goal(&self, request: Request<PutGoalRequest>) -> Answer<PutResponse> {
        self.there()?;
        let PutGoalRequest { goal, decisions } = request.into_inner();
        let goal = goal.ok_or_else(|| Status::invalid_argument("no goal"))?;
        self.decisions.lock().unwrap().extend(decisions);
        self.writes.fetch_add(1, Ordering::SeqCst);
        let mut goals = self.goals.lock().unwrap();
        match goals.iter_mut().find(|known| known.id == goal.id) {
            Some(known) => {
                let mut tasks = std::mem::take(&mut known.tasks);
                for task in &goal.tasks {
                    tasks.retain(|known| known.index != task.index);
                    tasks.push(task.clone());
                }
                tasks.sort_by_key(|task| task.index);
                *known = Goal { tasks, ..goal };
            }
            None => goals.push(goal),
        }
        Ok(Response::new(PutResponse {}))
    }
    async fn get_goal(&self, request: Request<GetGoalRequest>) -> Answer<Goal> {
        self.there()?;
        let found = self.goal(&request.into_inner().id);
        found
            .map(Response::new)
            .ok_or_else(|| Status::not_found("no such goal"))
    }
    async fn list_goals(&self, request: Request<ListGoalsRequest>) -> Answer<ListGoalsResponse> {
        self.there()?;
        let states = request.into_inner().states;
        let wanted = |goal: &&Goal| states.is_empty() || states.contains(&goal.state);
        let goals = self.goals.lock().unwrap();
        let goals = goals.iter().rev().filter(wanted).cloned().collect();
        Ok(Response::new(ListGoalsResponse { goals }))
    }
    async fn list_decisions(
        &self,
        _: Request<ListDecisionsRequest>,
    ) -> Answer<ListDecisionsResponse> {
        let decisions = self.decisions.lock().unwrap().clone();
        Ok(Response::new(ListDecisionsResponse { decisions }))
    }
    async fn append_event(&self, _: Request<Event>) -> Answer<PutResponse> {
        Ok(Response::new(PutResponse {}))
    }
    async fn list_events(&self, _: Request<ListEventsRequest>) -> Answer<ListEventsResponse> {
        absent()
    }
    async fn remember(&self, _: Request<RememberRequest>) -> Answer<RememberResponse> {
        absent()
    }
    async fn recall(&self, _: Request<RecallRequest>) -> Answer<RecallResponse> {
        absent()
    }
}

/// Answers `GetAuditHead`.
pub type Head = Box<dyn Fn(&AuditHeadRequest) -> AuditHead + Send>;

/// Tools that have each effect once per call id, as the real ones do. A call whose arguments name
/// something below `/full/` fails, one below `/asked/` waits for a person.
#[derive(Clone, Default)]
pub struct ToolsDouble {
    /// Call id to request, of calls that had their effect.
    pub effects: Arc<Mutex<HashMap<String, CallRequest>>>,
    /// How many calls came, repeated and failed ones too.
    pub calls: Arc<AtomicU32>,
    /// The tasks that were registered.
    pub tasks: Arc<Mutex<Vec<RegisterTaskRequest>>>,
    /// How calls ended, by call id.
    pub outcomes: Arc<Mutex<HashMap<String, CallOutcome>>>,
    /// What waits for a person, and what was decided.
    pub approvals: Arc<watch::Sender<Vec<Approval>>>,
    /// What was put on record.
    pub records: Arc<Mutex<Vec<RecordRequest>>>,
    /// What its ledger says of itself; without it nothing.
    pub head: Arc<Mutex<Option<Head>>>,
    /// Runs of schedules that are due: each is taken until it has ended.
    pub due: Arc<Mutex<Vec<DueRun>>>,
    /// What was asked about schedules.
    pub takes: Arc<Mutex<Vec<TakeSchedulesRequest>>>,
    /// How runs of schedules ended.
    pub ended: Arc<Mutex<Vec<EndScheduleRunRequest>>>,
    /// What is wrong with schedules.
    pub troubles: Arc<Mutex<Vec<String>>>,
    /// While set, `test.wait` does not return.
    pub hold: Arc<AtomicBool>,
    /// `service.restart` makes it go away for a while.
    pub memory: MemoryDouble,
}

impl ToolsDouble {
    fn waiting(&self) -> Approvals {
        Approvals {
            approvals: self.approvals.borrow().clone(),
            ..Approvals::default()
        }
    }

    /// Decides about a call that waits; nothing when none of this id does.
    pub fn decide(&self, id: &str, allow: bool) -> Option<Approval> {
        let state = match allow {
            true => ApprovalState::Allowed,
            false => ApprovalState::Denied,
        };
        let mut decided = None;
        self.approvals.send_modify(|all| {
            let found = all.iter_mut().find(|one| one.id == id);
            decided = found.map(|one| {
                one.state = state.into();
                one.clone()
            });
        });
        decided
    }

    /// What a person decided about a call; who asks first, asks a person.
    fn decided(&self, request: &CallRequest) -> Option<bool> {
        let all = self.waiting().approvals;
        match all.iter().find(|one| one.id == request.call_id) {
            Some(known) => match known.state() {
                ApprovalState::Allowed => Some(true),
                ApprovalState::Denied => Some(false),
                _ => None,
            },
            None => {
                let asked = Approval {
                    id: request.call_id.clone(),
                    tool: request.tool.clone(),
                    state: ApprovalState::Waiting.into(),
                    ..Approval::default()
                };
                self.approvals.send_modify(|all| all.push(asked));
                None
            }
        }
    }
}

#[tonic::async_trait]
impl Tools for ToolsDouble {
    type ExportAuditStream = ReceiverStream<Result<ExportAuditResponse, Status>>;

    async fn call(&self, request: Request<CallRequest>) -> Answer<CallResponse> {
        let request = request.into_inner();
        self.calls.fetch_add(1, Ordering::SeqCst);
        let known = self.effects.lock().unwrap().contains_key(&request.call_id);
        let id = request.call_id.clone();
        let note = |outcome| self.outcomes.lock().unwrap().insert(id, outcome);
        if request.arguments_json.contains("/full/") {
            let failed = "no space left on /full".to_owned();
            note(CallOutcome {
                failed: failed.clone(),
                ..CallOutcome::default()
            });
            return Err(Status::failed_precondition(failed));
        }
        if request.arguments_json.contains("/asked/") {
            match self.decided(&request) {
                Some(true) => {}
                Some(false) => {
                    note(CallOutcome {
                        failed: "denied".into(),
                        ..CallOutcome::default()
                    });
                    return Err(Status::permission_denied("denied"));
                }
                None => {
                    note(CallOutcome {
                        waits_for: request.call_id.clone(),
                        ..CallOutcome::default()
                    });
                    return Err(Status::failed_precondition("a person is asked first"));
                }
            }
        }
        if !known {
            let id = request.call_id.clone();
            self.effects.lock().unwrap().insert(id, request.clone());
            if request.tool == "service.restart" {
                self.memory.away_for(Duration::from_millis(700));
            }
        }
        while request.tool == "test.wait" && self.hold.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answer = CallResponse {
            execution_id: format!("execution of {}", request.call_id),
            output_json: "{}".into(),
            summary: format!("{} {}", request.tool, request.arguments_json),
            reversible: false,
            replayed: known,
        };
        note(CallOutcome {
            succeeded: Some(answer.clone()),
            ..CallOutcome::default()
        });
        Ok(Response::new(answer))
    }
    async fn preview(&self, request: Request<PreviewRequest>) -> Answer<PreviewResponse> {
        Ok(Response::new(PreviewResponse {
            preview: None,
            decision: format!("agent {}", request.into_inner().agent),
        }))
    }
    async fn list_approvals(&self, _: Request<ListApprovalsRequest>) -> Answer<Approvals> {
        Ok(Response::new(self.waiting()))
    }
    type WatchApprovalsStream = ReceiverStream<Result<Approvals, Status>>;
    async fn watch_approvals(
        &self,
        _: Request<ListApprovalsRequest>,
    ) -> Answer<Self::WatchApprovalsStream> {
        let (sender, stream) = tokio::sync::mpsc::channel(1);
        let (tools, mut changes) = (self.clone(), self.approvals.subscribe());
        tokio::spawn(async move {
            while sender.send(Ok(tools.waiting())).await.is_ok() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
    async fn decide_approval(&self, request: Request<DecideApprovalRequest>) -> Answer<Approval> {
        let request = request.into_inner();
        let decided = self.decide(&request.id, request.allow);
        decided
            .map(Response::new)
            .ok_or_else(|| Status::not_found("nothing waits"))
    }
    async fn forget_rule(&self, _: Request<ForgetRuleRequest>) -> Answer<Approvals> {
        absent()
    }
    async fn register_task(
        &self,
        request: Request<RegisterTaskRequest>,
    ) -> Answer<RegisterTaskResponse> {
        self.tasks.lock().unwrap().push(request.into_inner());
        Ok(Response::new(RegisterTaskResponse {}))
    }
    async fn settle_task(&self, request: Request<SettleTaskRequest>) -> Answer<SettleTaskResponse> {
        let outcomes = self.outcomes.lock().unwrap();
        let of = |id| outcomes.get(id).cloned().unwrap_or_default();
        let outcomes = request.get_ref().call_ids.iter().map(of).collect();
        Ok(Response::new(SettleTaskResponse { outcomes }))
    }
    async fn list_tools(&self, _: Request<ListToolsRequest>) -> Answer<ListToolsResponse> {
        let tool = |name: &str, properties: Value, verbs: &[&str]| {
            let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
            let schema = json!({"type": "object", "properties": properties, "required": required,
                "x-aios-verbs": verbs});
            Tool {
                name: name.into(),
                input_schema_json: schema.to_string(),
                mutating: !verbs.is_empty(),
                ..Tool::default()
            }
        };
        let object =
            |kind: &str| json!({"type": "string", "x-aios-kind": kind, "x-aios-access": "change"});
        let content = json!({"type": "string", "x-aios-kind": "content"});
        let tools = vec![
            tool("monitor.disk", json!({}), &[]),
            tool(
                "service.restart",
                json!({"service": object("service")}),
                &["restart"],
            ),
            tool(
                "fs.write",
                json!({"path": object("path"), "content": content}),
                &["write", "append", "make"],
            ),
            tool("fs.mkdir", json!({"path": object("path")}), &["make"]),
            tool("test.wait", json!({}), &[]),
        ];
        Ok(Response::new(ListToolsResponse { tools }))
    }
    async fn record(&self, request: Request<RecordRequest>) -> Answer<RecordResponse> {
        self.records.lock().unwrap().push(request.into_inner());
        Ok(Response::new(RecordResponse { index: 0 }))
    }
    async fn list_schedules(&self, _: Request<ListSchedulesRequest>) -> Answer<Schedules> {
        let arguments_json = "{\"secret\":1}".to_owned();
        let schedule = Schedule {
            id: "0123abcd".into(),
            call: Some(ToolCall {
                tool: "fs.write".into(),
                arguments_json,
            }),
            ..Schedule::default()
        };
        Ok(Response::new(Schedules {
            schedules: vec![schedule],
            ..Schedules::default()
        }))
    }
    async fn take_schedules(
        &self,
        request: Request<TakeSchedulesRequest>,
    ) -> Answer<TakenSchedules> {
        let request = request.into_inner();
        let mut runs = self.due.lock().unwrap().clone();
        runs.retain(|run| !request.stopped && !request.goal_ids.contains(&run.goal_id));
        self.takes.lock().unwrap().push(request);
        let troubles = self.troubles.lock().unwrap().clone();
        Ok(Response::new(TakenSchedules { runs, troubles }))
    }
    async fn end_schedule_run(
        &self,
        request: Request<EndScheduleRunRequest>,
    ) -> Answer<EndScheduleRunResponse> {
        let request = request.into_inner();
        let mut due = self.due.lock().unwrap();
        due.retain(|run| run.goal_id != request.goal_id);
        self.ended.lock().unwrap().push(request);
        Ok(Response::new(EndScheduleRunResponse {}))
    }
    async fn undo(&self, request: Request<UndoRequest>) -> Answer<UndoResponse> {
        let request = request.into_inner();
        let role = request.role().as_str_name();
        Ok(Response::new(UndoResponse {
            summary: format!("undone for {}, {role}", request.on_behalf_of),
            execution_id: request.execution_id,
        }))
    }
    async fn reclaim_storage(
        &self,
        request: Request<ReclaimStorageRequest>,
    ) -> Answer<ReclaimStorageResponse> {
        Ok(Response::new(ReclaimStorageResponse {
            remarks: vec![format!("asked by {}", request.into_inner().on_behalf_of)],
            ..ReclaimStorageResponse::default()
        }))
    }
    async fn describe_tool(&self, _: Request<DescribeToolRequest>) -> Answer<Tool> {
        absent()
    }
    async fn list_audit(&self, _: Request<ListAuditRequest>) -> Answer<ListAuditResponse> {
        absent()
    }
    async fn verify_audit(&self, _: Request<VerifyAuditRequest>) -> Answer<VerifyAuditResponse> {
        absent()
    }
    async fn get_audit_head(&self, request: Request<AuditHeadRequest>) -> Answer<AuditHead> {
        match &*self.head.lock().unwrap() {
            Some(head) => Ok(Response::new(head(request.get_ref()))),
            None => absent(),
        }
    }
    async fn export_audit(
        &self,
        _: Request<ExportAuditRequest>,
    ) -> Answer<Self::ExportAuditStream> {
        absent()
    }
}

/// The tools' emergency stop.
#[derive(Clone, Default)]
pub struct EmergencyDouble {
    /// The order to stop, while one is in force.
    pub stop: Arc<Mutex<Option<EmergencyRequest>>>,
}

impl EmergencyDouble {
    fn state(&self) -> Answer<EmergencyState> {
        let stop = self.stop.lock().unwrap().clone();
        Ok(Response::new(EmergencyState {
            stopped: stop.is_some(),
            by: stop.unwrap_or_default().on_behalf_of,
            ..EmergencyState::default()
        }))
    }
}

#[tonic::async_trait]
impl Emergency for EmergencyDouble {
    async fn stop(&self, request: Request<EmergencyRequest>) -> Answer<EmergencyState> {
        self.stop
            .lock()
            .unwrap()
            .get_or_insert(request.into_inner());
        self.state()
    }
    async fn resume(&self, _: Request<EmergencyRequest>) -> Answer<EmergencyState> {
        self.stop.lock().unwrap().take();
        self.state()
    }
    async fn get_state(&self, _: Request<GetEmergencyRequest>) -> Answer<EmergencyState> {
        self.state()
    }
}

/// Init with the services memory, tools and runtime; keeps what it was asked.
#[derive(Clone, Default)]
pub struct InitDouble {
    /// Services that were asked to start, in order.
    pub started: Arc<Mutex<Vec<String>>>,
    /// Orders to kill the agents.
    pub kills: Arc<AtomicUsize>,
    /// Orders to power off or reboot.
    pub power: Arc<Mutex<Vec<PowerRequest>>>,
    /// The service that is stopped.
    pub down: Arc<Mutex<String>>,
}

#[tonic::async_trait]
impl Init for InitDouble {
    type LogsStream = ReceiverStream<Result<LogLine, Status>>;

    async fn list_services(&self, _: Request<ListServicesRequest>) -> Answer<ListServicesResponse> {
        let service = |name: &str| Service {
            name: name.into(),
            state: ServiceState::Ready.into(),
            ..Service::default()
        };
        let services = ["memory", "tools", "runtime"].map(service).to_vec();
        Ok(Response::new(ListServicesResponse { services }))
    }
    async fn start_service(&self, request: Request<ServiceRequest>) -> Answer<Service> {
        let name = request.into_inner().name;
        self.started.lock().unwrap().push(name.clone());
        Ok(Response::new(Service {
            name,
            ..Service::default()
        }))
    }
    async fn power(&self, request: Request<PowerRequest>) -> Answer<PowerResponse> {
        self.power.lock().unwrap().push(request.into_inner());
        Ok(Response::new(PowerResponse {}))
    }
    async fn get_boot(&self, _: Request<GetBootRequest>) -> Answer<BootTimeline> {
        Ok(Response::new(BootTimeline {
            ready_ms: 5,
            ..BootTimeline::default()
        }))
    }
    async fn logs(&self, _: Request<LogsRequest>) -> Answer<Self::LogsStream> {
        let (sender, lines) = tokio::sync::mpsc::channel(1);
        let line = LogLine {
            text: "a line".into(),
            ..LogLine::default()
        };
        sender.send(Ok(line)).await.unwrap();
        Ok(Response::new(ReceiverStream::new(lines)))
    }
    async fn get_service(&self, request: Request<ServiceRequest>) -> Answer<Service> {
        let name = request.into_inner().name;
        let state = if *self.down.lock().unwrap() == name {
            ServiceState::Inactive
        } else {
            ServiceState::Ready
        };
        Ok(Response::new(Service {
            name,
            state: state.into(),
            ..Service::default()
        }))
    }
    async fn kill_agents(&self, _: Request<KillAgentsRequest>) -> Answer<KillAgentsResponse> {
        self.kills.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(KillAgentsResponse::default()))
    }
    async fn stop_service(&self, _: Request<ServiceRequest>) -> Answer<Service> {
        absent()
    }
    async fn restart_service(&self, _: Request<ServiceRequest>) -> Answer<Service> {
        absent()
    }
}
