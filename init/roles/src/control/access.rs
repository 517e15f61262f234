//! Who may call what.

use aios_daemon::{Access, Who};

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
    /// Kill the agents.
    KillAgents,
}

impl Deed {
    /// All deeds.
    pub const ALL: [Self; 6] = [Look, Services, Provision, Configure, Power, KillAgents];

    /// The methods that it is, for the documentation.
    pub fn says(self) -> &'static str {
        match self {
            Look => "ListServices, GetBoot",
            Services => "GetService, StartService, StopService, RestartService, Logs",
            Provision => "RestartService of `provision`, which installs an offered node.toml",
            Configure => "StartService of `config`",
            Power => "Power",
            KillAgents => "KillAgents",
        }
    }

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

use Deed::{Configure, KillAgents, Look, Power, Provision, Services};

/// Who may do what.
pub static ACCESS: Access<Deed> = Access::new(
    "Init",
    &[
        (
            Who::Root,
            &[Look, Services, Provision, Configure, Power, KillAgents],
        ),
        (
            Who::Daemon("orchestrator"),
            &[Look, Services, Provision, Configure, Power, KillAgents],
        ),
        (
            Who::Daemon("tools"),
            &[Look, Services, Provision, Configure],
        ),
        (Who::Daemon("console"), &[Look, Configure]),
        (Who::Daemon("maintenance"), &[Provision]),
    ],
);

#[cfg(test)]
mod tests {
    use aios_daemon::identity::Principal;

    use super::*;

    #[test]
    fn only_root_and_the_orchestrator_end_the_system_and_no_agent_calls_at_all() {
        let daemon = |name: &str| Principal::Daemon(name.to_owned());
        let check = |who: &Principal, services, power| {
            assert_eq!(ACCESS.may(who, Deed::Services), services, "{who}");
            assert_eq!(
                ACCESS.may(who, Deed::restart("provision")),
                services,
                "{who}"
            );
            assert_eq!(ACCESS.may(who, Deed::Power), power, "{who}");
            assert_eq!(ACCESS.may(who, Deed::KillAgents), power, "{who}");
        };
        let maintenance = daemon("maintenance");
        assert!(ACCESS.may(&maintenance, Deed::restart("provision")));
        assert!(!ACCESS.may(&maintenance, Deed::restart("tools")));
        assert!(!ACCESS.may(&maintenance, Deed::start("config")));
        assert!(ACCESS.may(&daemon("console"), Deed::start("config")));
        assert!(!ACCESS.may(&daemon("console"), Deed::start("agent-task")));
        check(&Principal::Root, true, true);
        check(&daemon("orchestrator"), true, true);
        check(&daemon("tools"), true, false);
        check(&daemon("memory"), false, false);
        check(&Principal::Agent("system".to_owned()), false, false);
        check(&Principal::Agent("tools".to_owned()), false, false);
        check(&Principal::Other(1000), false, false);
    }
}
