//! The gRPC service: who asks, then what is asked.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aios_proto::identity::Principal;
use aios_proto::v1::memory_server::Memory;
use aios_proto::v1::{
    Event, EventLevel, GetGoalRequest, Goal, ListDecisionsRequest, ListDecisionsResponse,
    ListEventsRequest, ListEventsResponse, ListGoalsRequest, ListGoalsResponse, PutGoalRequest,
    PutResponse, RecallRequest, RecallResponse, RememberRequest, RememberResponse,
};
use tonic::{Request, Response, Status};

use crate::access::{Method, check};
use crate::error::Error;
use crate::events::Ring;
use crate::limits;
use crate::recall::Recall;
use crate::working::Working;

/// How many goals are listed when nothing is said (by the contract), and at most.
const GOALS: (u32, u32) = (50, 1000);
/// How many decisions are listed when nothing is said, and at most. At 64 KiB
/// each, at most so many fit a message.
const DECISIONS: (u32, u32) = (50, 60);
/// How many events are listed when nothing is said, and at most.
const EVENTS: (u32, u32) = (50, 400);

/// The service.
pub struct Service {
    working: Working,
    events: Mutex<Ring>,
    recall: std::sync::Arc<Recall>,
}

impl Service {
    /// With the ring begun from the events on disk.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn new(working: Working, recall: std::sync::Arc<Recall>) -> Result<Self, Error> {
        let events = Mutex::new(Ring::new(working.newest_events().await?));
        Ok(Self {
            working,
            events,
            recall,
        })
    }

    /// Records an event: in the ring, and on disk when it is a warning or worse.
    ///
    /// # Errors
    /// When it is malformed, too large, or the disk refuses.
    pub async fn record(&self, mut event: Event) -> Result<(), Error> {
        if event.time_ms == 0 {
            event.time_ms = now_ms();
        }
        limits::event(&event)?;
        let kept = matches!(event.level(), EventLevel::Warning | EventLevel::Error);
        if kept {
            self.working.put_event(event.clone()).await?;
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event);
        Ok(())
    }
}

/// Unix time in milliseconds.
pub fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The caller, which the server's interceptor put there, if he may call the method.
fn caller<T>(request: &Request<T>, method: Method) -> Result<Principal, Status> {
    let caller = request.extensions().get::<Principal>();
    let caller = caller.ok_or_else(|| Status::unauthenticated("nobody knows who calls"))?;
    check(caller, method)?;
    Ok(caller.clone())
}

type Answer<T> = Result<Response<T>, Status>;

fn put(outcome: Result<(), Error>) -> Answer<PutResponse> {
    outcome?;
    Ok(Response::new(PutResponse {}))
}

#[tonic::async_trait]
impl Memory for Service {
    async fn put_goal(&self, request: Request<PutGoalRequest>) -> Answer<PutResponse> {
        caller(&request, Method::PutGoal)?;
        put(self.working.put_goal(request.into_inner()).await)
    }

    async fn get_goal(&self, request: Request<GetGoalRequest>) -> Answer<Goal> {
        caller(&request, Method::GetGoal)?;
        Ok(Response::new(
            self.working.goal(request.into_inner().id).await?,
        ))
    }

    async fn list_goals(&self, request: Request<ListGoalsRequest>) -> Answer<ListGoalsResponse> {
        caller(&request, Method::ListGoals)?;
        let ListGoalsRequest { limit, states } = request.into_inner();
        let limit = limits::list(limit, GOALS.0, GOALS.1);
        let goals = self.working.goals(limit, states).await?;
        Ok(Response::new(ListGoalsResponse { goals }))
    }

    async fn list_decisions(
        &self,
        request: Request<ListDecisionsRequest>,
    ) -> Answer<ListDecisionsResponse> {
        caller(&request, Method::ListDecisions)?;
        let ListDecisionsRequest { goal_id, limit } = request.into_inner();
        let limit = limits::list(limit, DECISIONS.0, DECISIONS.1);
        let decisions = self.working.decisions(goal_id, limit).await?;
        Ok(Response::new(ListDecisionsResponse { decisions }))
    }

    async fn append_event(&self, request: Request<Event>) -> Answer<PutResponse> {
        let source = caller(&request, Method::AppendEvent)?.to_string();
        let event = Event {
            source,
            ..request.into_inner()
        };
        put(self.record(event).await)
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Answer<ListEventsResponse> {
        caller(&request, Method::ListEvents)?;
        let limit = limits::list(request.into_inner().limit, EVENTS.0, EVENTS.1);
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Response::new(ListEventsResponse {
            events: events.newest(limit as usize),
        }))
    }

    async fn remember(&self, request: Request<RememberRequest>) -> Answer<RememberResponse> {
        caller(&request, Method::Remember)?;
        let id = self.recall.remember(request.into_inner(), now_ms()).await?;
        Ok(Response::new(RememberResponse { id }))
    }

    async fn recall(&self, request: Request<RecallRequest>) -> Answer<RecallResponse> {
        caller(&request, Method::Recall)?;
        let memories = self.recall.recall(request.into_inner()).await?;
        Ok(Response::new(RecallResponse { memories }))
    }
}
