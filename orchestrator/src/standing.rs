//! Is a daemon that does not answer only restarting, or is it down?
//!
//! A daemon that restarts is waited for; one that was stopped, or that PID 1 has given up, is not:
//! whoever needs it is told so within a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::{Service, ServiceRequest, ServiceState};
use aios_daemon::retry;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::transport::Channel;

/// A service that is down for so long is not just between two processes.
const DOWN_FOR: Duration = Duration::from_millis(500);

/// Between two looks at a service while something that needs it goes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// PID 1's control service answers in milliseconds; when it does not, nothing is known.
const ANSWER: Duration = Duration::from_secs(1);

/// What PID 1 knows of the services.
#[derive(Clone, Debug)]
pub struct Standing {
    init: InitClient<Channel>,
}

impl Standing {
    /// As `init` says.
    pub fn new(init: InitClient<Channel>) -> Self {
        Self { init }
    }

    /// Repeats `attempt` while its failure is one of the way to the daemon, for at most `patience`,
    /// and not when `service`, which answers it, is down. Only for what may be done twice.
    ///
    /// # Errors
    /// The first lasting failure, `UNAVAILABLE` with the reason when the service is down, or the
    /// last failure.
    pub async fn persistently<T, F>(
        &self,
        service: &str,
        patience: Duration,
        attempt: impl FnMut() -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let down_since = Mutex::new(None);
        retry::persistently_unless(patience, attempt, || async {
            let why = self.down(service).await;
            let mut since = down_since.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(why) = why else {
                *since = None;
                return None;
            };
            let since = *since.get_or_insert_with(Instant::now);
            (since.elapsed() >= DOWN_FOR).then(|| Status::unavailable(why))
        })
        .await
    }

    /// Ready, with the reason, when the service is down.
    pub async fn falls(&self, service: &str) -> String {
        loop {
            if self.down(service).await.is_some() {
                tokio::time::sleep(DOWN_FOR).await;
                if let Some(why) = self.down(service).await {
                    return why;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What to say instead of `failure` when the way to a daemon failed: how its service is.
    pub async fn explain(&self, service: &str, failure: Status) -> Status {
        let mut init = self.init.clone();
        let request = ServiceRequest {
            name: service.to_owned(),
        };
        let answer = timeout(ANSWER, init.get_service(request)).await;
        let found = answer.ok().and_then(Result::ok);
        match found.and_then(|found| why_silent(found.get_ref())) {
            Some(why) => Status::unavailable(why),
            None => failure,
        }
    }

    /// Why the service is down, if it is. One that is not known here is not.
    async fn down(&self, service: &str) -> Option<String> {
        let mut init = self.init.clone();
        let request = ServiceRequest {
            name: service.to_owned(),
        };
        let answer = timeout(ANSWER, init.get_service(request)).await.ok()?;
        why_down(answer.ok()?.get_ref())
    }
}

/// Why a service is down, if it is, and what to do. Pure.
pub fn why_down(service: &Service) -> Option<String> {
    let name = &service.name;
    let start = format!("aiosctl services start {name}");
    match service.state() {
        ServiceState::Inactive => Some(format!("the {name} service is stopped; {start}")),
        ServiceState::Degraded => Some(format!(
            "the {name} service was given up after too many failures ({}); aiosctl logs {name}, then {start}",
            service.last_exit
        )),
        _ => None,
    }
}

/// Why a service does not answer now, down or not. Pure.
fn why_silent(service: &Service) -> Option<String> {
    let name = &service.name;
    let tried_again = match service.state() {
        ServiceState::Ready => return None,
        ServiceState::Starting | ServiceState::Backoff => !service.last_exit.is_empty(),
        _ => false,
    };
    let failing = || {
        format!(
            "the {name} service does not start ({}) and is tried again; aiosctl logs {name}",
            service.last_exit
        )
    };
    why_down(service).or_else(|| tried_again.then(failing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_down_when_it_is_stopped_or_given_up_and_not_while_it_restarts() {
        let check = |state: ServiceState, expected| {
            let service = Service {
                name: "memory".into(),
                state: state.into(),
                ..Service::default()
            };
            assert_eq!(why_down(&service).is_some(), expected, "{state:?}");
        };
        check(ServiceState::Inactive, true);
        check(ServiceState::Degraded, true);
        check(ServiceState::Ready, false);
        check(ServiceState::Starting, false);
        check(ServiceState::Stopping, false);
        check(ServiceState::Backoff, false);
    }

    #[test]
    fn who_asks_a_service_that_does_not_start_hears_why() {
        let damaged = "exited with 1: the ledger is damaged: the log's tail is cut";
        let check = |state: ServiceState, last_exit: &str, is_said: bool| {
            let said = why_silent(&Service {
                name: "tools".into(),
                state: state.into(),
                last_exit: last_exit.into(),
                ..Service::default()
            });
            let holds = said.as_ref().is_some_and(|said| said.contains(last_exit));
            assert_eq!(holds, is_said, "{state:?}: {said:?}");
        };
        check(ServiceState::Degraded, damaged, true);
        check(ServiceState::Backoff, damaged, true);
        check(ServiceState::Starting, damaged, true);
        check(ServiceState::Starting, "", false);
        check(ServiceState::Ready, damaged, false);
    }
}
