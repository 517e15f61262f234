//! Who may call what.

use std::sync::Arc;

use aios_proto::identity::{Principal, peer};
use tonic::{Request, Status};

type Resolve = dyn Fn(&tonic::Extensions) -> Result<Principal, Status> + Send + Sync;

/// What a call does, as far as permission is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// See the services and the boot timeline.
    Look,
    /// Change services, read logs.
    Services,
    /// Have a node.toml installed that was offered over the network.
    Provision,
    /// Start the configuration daemon, for who sits before the machine.
    Configure,
    /// Power off or reboot.
    Power,
}

impl Deed {
    /// Of restarting this service.
    pub fn restart(service: &str) -> Self {
        match service {
            "provision" => Self::Provision,
            _ => Self::Services,
        }
    }

    /// Of starting this service.
    pub fn start(service: &str) -> Self {
        match service {
            "config" => Self::Configure,
            _ => Self::Services,
        }
    }
}

/// The rules, and how to find out who calls.
#[derive(Clone)]
pub struct Access {
    resolve: Arc<Resolve>,
}

impl Access {
    /// Who calls is what the kernel says.
    pub fn by_peer_credentials() -> Self {
        Self::by(peer)
    }

    /// With another way to know the caller (tests play roles).
    pub fn by(
        resolve: impl Fn(&tonic::Extensions) -> Result<Principal, Status> + Send + Sync + 'static,
    ) -> Self {
        Self {
            resolve: Arc::new(resolve),
        }
    }

    /// # Errors
    /// `PERMISSION_DENIED`, saying who and what.
    pub fn check<T>(
        &self,
        request: &Request<T>,
        deed: Deed,
        what: &str,
    ) -> Result<Principal, Status> {
        let who = (self.resolve)(request.extensions())?;
        if allows(&who, deed) {
            Ok(who)
        } else {
            Err(Status::permission_denied(format!(
                "{who} may not call Init.{what}"
            )))
        }
    }
}

fn allows(who: &Principal, deed: Deed) -> bool {
    match deed {
        _ if *who == Principal::Root || who.is_daemon("orchestrator") => true,
        Deed::Look => who.is_daemon("tools") || who.is_daemon("console"),
        Deed::Services => who.is_daemon("tools"),
        Deed::Provision => who.is_daemon("tools") || who.is_daemon("maintenance"),
        Deed::Configure => who.is_daemon("tools") || who.is_daemon("console"),
        Deed::Power => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_orchestrator_end_the_system_and_no_agent_calls_at_all() {
        let daemon = |name: &str| Principal::Daemon(name.to_owned());
        let check = |who: &Principal, services, power| {
            assert_eq!(allows(who, Deed::Services), services, "{who}");
            assert_eq!(allows(who, Deed::restart("provision")), services, "{who}");
            assert_eq!(allows(who, Deed::Power), power, "{who}");
        };
        let maintenance = daemon("maintenance");
        assert!(allows(&maintenance, Deed::restart("provision")));
        assert!(!allows(&maintenance, Deed::restart("tools")));
        assert!(!allows(&maintenance, Deed::start("config")));
        assert!(allows(&daemon("console"), Deed::start("config")));
        assert!(!allows(&daemon("console"), Deed::start("agent-task")));
        check(&Principal::Root, true, true);
        check(&daemon("orchestrator"), true, true);
        check(&daemon("tools"), true, false);
        check(&daemon("memory"), false, false);
        check(&Principal::Agent("system".to_owned()), false, false);
        check(&Principal::Agent("tools".to_owned()), false, false);
        check(&Principal::Other(1000), false, false);
    }
}
