//! The gRPC service: who asks, then what is asked.

use std::sync::{Mutex, PoisonError};

use aios_contracts::v1::memory_server::Memory;
use aios_contracts::v1::{
    Event, EventLevel, GetGoalRequest, Goal, ListDecisionsRequest, ListDecisionsResponse,
    ListEventsRequest, ListEventsResponse, ListGoalsRequest, ListGoalsResponse, PutGoalRequest,
    PutResponse, RecallRequest, RecallResponse, RememberRequest, RememberResponse,
};
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_files::clock::now_ms;
use tonic::{Request, Response, Status};

use crate::access::{ACCESS, Method};
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
    callers: Callers,
}

impl Service {
    /// With the ring begun from the events on disk.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn new(
        working: Working,
        recall: std::sync::Arc<Recall>,
        callers: Callers,
    ) -> Result<Self, Error> {
        let events = Mutex::new(Ring::new(working.newest_events().await?));
        Ok(Self {
            working,
            events,
            recall,
            callers,
        })
    }

    /// Who calls, if that caller may call the method.
    fn caller<T>(&self, request: &Request<T>, method: Method) -> Result<Principal, Status> {
        ACCESS.admit(&self.callers, request, method, &format!("{method:?}"))
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

type Answer<T> = Result<Response<T>, Status>;

fn put(outcome: Result<(), Error>) -> Answer<PutResponse> {
    outcome?;
    Ok(Response::new(PutResponse {}))
}

#[tonic::async_trait]
impl Memory for Service {
    async fn put_goal(&self, request: Request<PutGoalRequest>) -> Answer<PutResponse> {
        self.caller(&request, Method::PutGoal)?;
        put(self.working.put_goal(request.into_inner()).await)
    }

    async fn get_goal(&self, request: Request<GetGoalRequest>) -> Answer<Goal> {
        self.caller(&request, Method::GetGoal)?;
        Ok(Response::new(
            self.working.goal(request.into_inner().id).await?,
        ))
    }

    async fn list_goals(&self, request: Request<ListGoalsRequest>) -> Answer<ListGoalsResponse> {
        self.caller(&request, Method::ListGoals)?;
        let ListGoalsRequest { limit, states } = request.into_inner();
        let limit = limits::list(limit, GOALS.0, GOALS.1);
        let goals = self.working.goals(limit, states).await?;
        Ok(Response::new(ListGoalsResponse { goals }))
    }

    async fn list_decisions(
        &self,
        request: Request<ListDecisionsRequest>,
    ) -> Answer<ListDecisionsResponse> {
        self.caller(&request, Method::ListDecisions)?;
        let ListDecisionsRequest { goal_id, limit } = request.into_inner();
        let limit = limits::list(limit, DECISIONS.0, DECISIONS.1);
        let decisions = self.working.decisions(goal_id, limit).await?;
        Ok(Response::new(ListDecisionsResponse { decisions }))
    }

    async fn append_event(&self, request: Request<Event>) -> Answer<PutResponse> {
        let source = self.caller(&request, Method::AppendEvent)?.to_string();
        let event = Event {
            source,
            ..request.into_inner()
        };
        put(self.record(event).await)
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Answer<ListEventsResponse> {
        self.caller(&request, Method::ListEvents)?;
        let limit = limits::list(request.into_inner().limit, EVENTS.0, EVENTS.1);
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Response::new(ListEventsResponse {
            events: events.newest(limit as usize),
        }))
    }

    async fn remember(&self, request: Request<RememberRequest>) -> Answer<RememberResponse> {
        self.caller(&request, Method::Remember)?;
        let id = self.recall.remember(request.into_inner(), now_ms()).await?;
        Ok(Response::new(RememberResponse { id }))
    }

    async fn recall(&self, request: Request<RecallRequest>) -> Answer<RecallResponse> {
        self.caller(&request, Method::Recall)?;
        let memories = self.recall.recall(request.into_inner()).await?;
        Ok(Response::new(RecallResponse { memories }))
    }
}
