//! Who may call what: one table. Pure.

pub use aios_goals::Role;

/// The least role for each method of `aios.v1.Management`.
pub const TABLE: &[(&str, Role)] = &[
    ("GetStatus", Role::Viewer),
    ("GetBoot", Role::Viewer),
    ("ListDegraded", Role::Viewer),
    ("GetSbom", Role::Viewer),
    ("SubmitGoal", Role::Operator),
    ("WatchGoal", Role::Viewer),
    ("GetGoal", Role::Viewer),
    ("ListGoals", Role::Viewer),
    ("CancelGoal", Role::Operator),
    ("ListDecisions", Role::Viewer),
    ("ListAgents", Role::Viewer),
    ("ListTools", Role::Viewer),
    ("DescribeTool", Role::Viewer),
    ("ListModels", Role::Viewer),
    ("ListAudit", Role::Viewer),
    ("VerifyAudit", Role::Viewer),
    ("ExportAudit", Role::Viewer),
    ("AcceptAudit", Role::Admin),
    ("Undo", Role::Operator),
    ("PreviewCall", Role::Operator),
    ("ListApprovals", Role::Viewer),
    ("WatchApprovals", Role::Viewer),
    ("DecideApproval", Role::Operator),
    ("ForgetRule", Role::Operator),
    ("ListSchedules", Role::Viewer),
    ("ReclaimStorage", Role::Admin),
    ("Logs", Role::Viewer),
    ("ListServices", Role::Viewer),
    ("StartService", Role::Admin),
    ("StopService", Role::Admin),
    ("RestartService", Role::Admin),
    ("Power", Role::Admin),
    ("EmergencyStop", Role::Operator),
    ("EmergencyResume", Role::Admin),
    ("GetConfig", Role::Viewer),
    ("ValidateConfig", Role::Admin),
    ("ApplyConfig", Role::Admin),
    ("ConfirmConfig", Role::Admin),
    ("GetRevoked", Role::Viewer),
    ("RevokeCertificates", Role::Admin),
    ("GetSlots", Role::Viewer),
    ("InstallUpdate", Role::Admin),
    ("Rollback", Role::Admin),
    ("FactoryReset", Role::Admin),
];

/// The least role for the method at this HTTP path; admin for any that is not listed.
pub fn least(path: &str) -> Role {
    let method = path.strip_prefix("/aios.v1.Management/");
    TABLE
        .iter()
        .find(|(name, _)| Some(*name) == method)
        .map_or(Role::Admin, |(_, role)| *role)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The methods, from the contract itself.
    fn methods() -> Vec<String> {
        let contract = include_str!("../../../proto/contracts/aios/v1/management.proto");
        let rpcs = contract
            .lines()
            .filter_map(|line| line.trim().strip_prefix("rpc "));
        rpcs.filter_map(|rpc| rpc.split('(').next().map(str::to_owned))
            .collect()
    }

    #[test]
    fn every_method_has_one_row_and_every_row_a_method() {
        let methods = methods();
        assert!(methods.len() >= 22, "{methods:?}");
        for method in &methods {
            let rows = TABLE.iter().filter(|(name, _)| name == method).count();
            assert_eq!(rows, 1, "{method} has {rows} rows");
        }
        assert_eq!(methods.len(), TABLE.len());
    }

    #[test]
    fn a_viewer_only_reads_and_what_is_unknown_is_the_admins() {
        let reading = |name: &str| {
            [
                "Get", "List", "Describe", "Watch", "Verify", "Export", "Logs",
            ]
            .iter()
            .any(|verb| name.starts_with(verb))
        };
        for method in methods() {
            let viewer = least(&format!("/aios.v1.Management/{method}")) == Role::Viewer;
            assert_eq!(viewer, reading(&method), "{method}");
        }
        for path in [
            "/aios.v1.Management/Format",
            "/",
            "",
            "GetStatus",
            "/aios.v1.Tools/ListTools",
        ] {
            assert_eq!(least(path), Role::Admin, "{path}");
        }
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
    }
}
