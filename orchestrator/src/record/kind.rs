//! The kinds of record that the orchestrator makes, each once. `orchestrator/README.md` lists them,
//! and a test holds that list to this one.

use std::fmt;

/// Declares the kinds: the variant, the text in the ledger, and what it says to a reader.
macro_rules! kinds {
    ($($variant:ident = $text:literal: $says:literal;)*) => {
        /// What a record is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = $says] $variant,)*
        }

        impl Kind {
            /// All kinds, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As the ledger has it.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// What such a record says, for the documentation.
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$variant => $says,)*
                }
            }
        }
    };
}

kinds! {
    GoalSubmitted = "goal.submitted": "a goal was taken";
    GoalSucceeded = "goal.succeeded": "a goal ended well, and its answer";
    GoalFailed = "goal.failed": "a goal failed, and why";
    GoalCancelled = "goal.cancelled": "a goal was cancelled, and why";
    AgentRefuted = "agent.refuted": "an agent reported as done what `aios-tools` did not do for it";
    ClientRefused = "client.refused": "a connection had no certificate, or a bad one";
    ClientDenied = "client.denied": "a client's role was too low for what it asked";
    RequestRefused = "request.refused": "a request was malformed, oversized or unknown";
    ServiceStart = "service.start": "an admin's order to start a service";
    ServiceStop = "service.stop": "an admin's order to stop a service";
    ServiceRestart = "service.restart": "an admin's order to restart a service";
    ConfigApply = "config.apply": "an admin's order to apply or try a configuration";
    ConfigConfirm = "config.confirm": "an admin's order to keep a configuration that is tried";
    PkiRevoke = "pki.revoke": "an admin's list of the certificates that the authority has taken back";
    LedgerReplaced = "ledger.replaced": "the ledger is not the one that was known, and how it differs";
    LedgerAccepted = "ledger.accepted": "an admin's order to take the ledger as it is as the known one";
    EmergencyStop = "emergency.stop": "an emergency stop that aios-tools does not know of yet";
    Power = "power": "an admin's order to power off or reboot";
    FactoryReset = "factory_reset": "an admin's order to erase this node";
    UpdateBegun = "update.begun": "an admin's order to install an update";
    UpdateRefused = "update.refused": "an update or a rollback failed, and why";
    UpdateInstalled = "update.installed": "an update was written to the other slot";
    UpdateRollback = "update.rollback": "an admin's order to boot the other slot";
    UpdateMarkedGood = "update.marked_good": "the running slot has proven itself";
    SshOpened = "ssh.session_opened": "an SSH session began: which key, from where";
    SshClosed = "ssh.session_closed": "an SSH session ended";
    SshRefused = "ssh.refused": "an SSH login was refused";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_kind_and_no_other() {
        let readme = include_str!("../../README.md");
        let rows = Kind::ALL
            .iter()
            .map(|kind| format!("| `{kind}` | {} |\n", kind.says()));
        let table: String = std::iter::once("| kind | says |\n|---|---|\n".to_owned())
            .chain(rows)
            .chain(["\n".to_owned()])
            .collect();
        assert!(
            readme.contains(&table),
            "orchestrator/README.md must hold:\n{table}"
        );
    }

    #[test]
    fn no_two_kinds_have_the_same_text() {
        for kind in Kind::ALL {
            let same = Kind::ALL.iter().filter(|other| other.text() == kind.text());
            assert_eq!(same.count(), 1, "{kind}");
        }
    }
}
