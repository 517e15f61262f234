//! What `control` says of the services, asked seldom and never waited for long.

use std::time::{Duration, Instant};

use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::{GetBootRequest, ListServicesRequest, Service, ServiceState};

/// Between two questions.
const EVERY: Duration = Duration::from_secs(5);

/// An answer that takes longer is done without.
const PATIENCE: Duration = Duration::from_secs(2);

/// The newest answer.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    at: Option<Instant>,
    /// Ready, or what is missing.
    pub state: String,
    /// Of services that fail.
    pub errors: Vec<String>,
    booted: bool,
}

impl Asked {
    /// Is the boot over?
    pub fn is_booted(&self) -> bool {
        self.booted
    }

    /// Asks again when it is time.
    pub fn renew(&mut self, runtime: &tokio::runtime::Runtime) {
        if self.at.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, ask()).await });
        self.at = Some(Instant::now());
        match answer {
            Ok(Ok((ready, services))) => {
                self.booted = ready;
                self.errors = failing(&services);
                self.state = state(ready, &self.errors).to_owned();
            }
            Ok(Err(_)) | Err(_) => {
                "init's control service does not answer".clone_into(&mut self.state)
            }
        }
    }
}

async fn ask() -> Result<(bool, Vec<Service>), Box<dyn std::error::Error>> {
    let channel = aios_daemon::socket::channel(&aios_daemon::socket::of("init"))?;
    let mut init = InitClient::new(channel);
    let boot = init.get_boot(GetBootRequest {}).await?.into_inner();
    let services = init.list_services(ListServicesRequest {}).await?;
    Ok((boot.ready_ms > 0, services.into_inner().services))
}

fn state(ready: bool, errors: &[String]) -> &'static str {
    match (ready, errors) {
        (false, _) => "booting",
        (true, []) => "ready",
        (true, _) => "degraded",
    }
}

fn failing(services: &[Service]) -> Vec<String> {
    let fails = |service: &&Service| {
        matches!(
            service.state(),
            ServiceState::Backoff | ServiceState::Degraded
        )
    };
    let told = |service: &Service| format!("{}: {}", service.name, service.last_exit);
    services.iter().filter(fails).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_fails_makes_the_state_and_is_named() {
        let service = |state: ServiceState| Service {
            name: "memory".into(),
            state: state.into(),
            last_exit: "killed by SIGKILL".into(),
            ..Service::default()
        };
        assert!(
            failing(&[
                service(ServiceState::Ready),
                service(ServiceState::Inactive)
            ])
            .is_empty()
        );
        let errors = failing(&[service(ServiceState::Degraded)]);
        assert_eq!(errors, ["memory: killed by SIGKILL"]);
        assert_eq!(state(true, &errors), "degraded");
        assert_eq!(state(true, &[]), "ready");
        assert_eq!(state(false, &errors), "booting");
    }
}
