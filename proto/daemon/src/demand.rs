//! Asking a daemon that runs only while it is used (`start = "demand"`).
//!
//! PID 1 keeps such a daemon's socket while it is away, so that a call that meets it just as it
//! leaves is neither refused nor answered: it waits at the socket for the next process. Therefore
//! the daemon is not only started before the call, but again and again while the call waits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aios_contracts::v1::ServiceRequest;
use aios_contracts::v1::init_client::InitClient;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::retry;

/// How often a call is tried whose connection breaks: the daemon left with it.
const TRIES: u32 = 3;

/// While a call waits, the daemon is started so often; nothing happens when it runs.
const AGAIN: Duration = Duration::from_secs(1);

/// A daemon that is started when it is asked; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Demand {
    init: InitClient<Channel>,
    service: &'static str,
}

impl Demand {
    /// The daemon of this service, which init starts.
    pub fn new(init: InitClient<Channel>, service: &'static str) -> Self {
        Self { init, service }
    }

    /// Has the daemon started and makes the call; again when its connection broke, so only for what
    /// may be done twice.
    ///
    /// # Errors
    /// What init or the daemon answers; `DEADLINE_EXCEEDED` after `limit`, in all, with why init could
    /// not start it.
    pub async fn ask<T, C>(&self, limit: Duration, call: impl Fn() -> C) -> Result<T, Status>
    where
        C: Future<Output = Result<Response<T>, Status>>,
    {
        let start = || {
            let name = self.service.to_owned();
            let mut init = self.init.clone();
            async move { init.start_service(ServiceRequest { name }).await.map(drop) }
        };
        let answer = within(limit, self.service, AGAIN, start, call).await;
        answer.map(Response::into_inner)
    }
}

/// Why the daemon could not be started the last time, unless it was.
type Why = Mutex<Option<Status>>;

async fn within<T, S, C>(
    limit: Duration,
    service: &str,
    again: Duration,
    start: impl Fn() -> S,
    call: impl Fn() -> C,
) -> Result<T, Status>
where
    S: Future<Output = Result<(), Status>>,
    C: Future<Output = Result<T, Status>>,
{
    let why = Why::default();
    let answer = tokio::time::timeout(limit, ask(again, &why, start, call)).await;
    answer.unwrap_or_else(|_| {
        let why = why.into_inner().unwrap_or_else(PoisonError::into_inner);
        let why = why.map(|why| format!("; init cannot start it: {}", why.message()));
        Err(Status::deadline_exceeded(format!(
            "{service} has not answered within {} s{}",
            limit.as_secs(),
            why.unwrap_or_default()
        )))
    })
}

async fn ask<T, S, C>(
    again: Duration,
    why: &Why,
    start: impl Fn() -> S,
    call: impl Fn() -> C,
) -> Result<T, Status>
where
    S: Future<Output = Result<(), Status>>,
    C: Future<Output = Result<T, Status>>,
{
    let mut left = TRIES;
    loop {
        start().await?;
        let answer = tokio::select! {
            answer = call() => answer,
            refused = keep_starting(again, why, &start) => return Err(refused),
        };
        left -= 1;
        match answer {
            Err(status) if left > 0 && retry::is_transient(&status) => {}
            answer => return answer,
        }
    }
}

/// Returns why the daemon will not be there, however long the call waits.
async fn keep_starting<S>(again: Duration, why: &Why, start: &impl Fn() -> S) -> Status
where
    S: Future<Output = Result<(), Status>>,
{
    loop {
        tokio::time::sleep(again).await;
        let refused = start().await.err();
        if let Some(lasting) = refused.as_ref().filter(|refused| is_lasting(refused)) {
            return lasting.clone();
        }
        *why.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }
}

/// Unknown, refused, or started so often that init gave it up; not that init itself is away.
fn is_lasting(refused: &Status) -> bool {
    use Code::{Aborted, FailedPrecondition, NotFound, PermissionDenied};
    matches!(
        refused.code(),
        NotFound | PermissionDenied | FailedPrecondition | Aborted
    )
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A daemon that is up only after so many starts, behind a socket that is always there.
    async fn check(
        starts: u32,
        breaks: u32,
        expected: Result<(), tonic::Code>,
        expected_calls: u32,
    ) {
        let (started, calls) = (Cell::new(0), Cell::new(0));
        let start = async || {
            started.set(started.get() + 1);
            Ok(())
        };
        let call = async || {
            calls.set(calls.get() + 1);
            if calls.get() <= breaks {
                return Err(Status::unavailable("the connection broke"));
            }
            while started.get() < starts {
                tokio::task::yield_now().await;
            }
            Ok(())
        };
        let answer = ask(Duration::from_millis(1), &Why::default(), start, call).await;
        assert_eq!(answer.map_err(|status| status.code()), expected);
        assert_eq!(calls.get(), expected_calls);
    }

    #[tokio::test]
    async fn a_call_that_meets_the_daemon_as_it_leaves_is_answered_by_the_next_process() {
        check(1, 0, Ok(()), 1).await;
        check(3, 0, Ok(()), 1).await; // waits at the socket
        check(1, 2, Ok(()), 3).await; // was cut off
        check(1, 3, Err(tonic::Code::Unavailable), 3).await;
    }

    #[tokio::test]
    async fn what_init_or_the_daemon_refuses_is_not_tried_again() {
        let refused = || Err(Status::failed_precondition("no"));
        let calls = Cell::new(0);
        let never = async || -> Result<(), Status> { unreachable!("it was not started") };
        let answer = ask(AGAIN, &Why::default(), async || refused(), never).await;
        assert_eq!(answer.unwrap_err().code(), tonic::Code::FailedPrecondition);
        let call = async || -> Result<(), Status> {
            calls.set(calls.get() + 1);
            refused()
        };
        assert!(
            ask(AGAIN, &Why::default(), async || Ok(()), call)
                .await
                .is_err()
        );
        assert_eq!(calls.get(), 1);
    }

    /// A daemon that was up once and cannot be started again, behind a socket where a call waits.
    async fn given_up(why: Status) -> Status {
        let started = Cell::new(false);
        let start = async || match started.replace(true) {
            false => Ok(()),
            true => Err(why.clone()),
        };
        let call = std::future::pending::<Result<(), Status>>;
        let (limit, again) = (Duration::from_millis(20), Duration::from_millis(1));
        let answer = within(limit, "config", again, start, call).await;
        answer.unwrap_err()
    }

    #[tokio::test]
    async fn a_call_whose_daemon_cannot_be_started_ends_and_says_why() {
        let degraded = given_up(Status::aborted("config does not stay up: exit 1")).await;
        assert_eq!(degraded.code(), Code::Aborted, "at once");
        let away = given_up(Status::unavailable("PID 1 does not answer")).await;
        assert_eq!(away.code(), Code::DeadlineExceeded);
        assert!(away.message().ends_with("PID 1 does not answer"), "{away}");
    }
}
