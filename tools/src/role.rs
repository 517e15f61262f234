//! Whose goals may call which tool. The role of an operator holds for their goals as it holds on the
//! management port: what they may not order there, no agent does for them.

use std::collections::BTreeSet;
use std::path::Path;

use aios_daemon::identity::Principal;
use aios_daemon::services;
use aios_role::Role;
use aios_tool::error::ToolError;
use aios_tool::spec::Least;
use serde_json::Value;

/// The services of aiOS itself.
#[derive(Clone, Debug, Default)]
pub struct OwnServices(BTreeSet<String>);

impl OwnServices {
    /// Those that have a manifest below `etc`, and those that every node has.
    pub fn read(etc: &Path) -> Self {
        let found = std::fs::read_dir(etc.join("services"))
            .into_iter()
            .flatten();
        let names = found.flatten().filter_map(|entry| {
            let path = entry.path();
            let is_manifest = path
                .extension()
                .is_some_and(|extension| extension == "toml");
            is_manifest.then(|| path.file_stem()?.to_str().map(str::to_owned))?
        });
        let core = services::CORE.iter().map(|name| (*name).to_owned());
        Self(names.chain(core).collect())
    }

    /// Is it one of them?
    pub fn has(&self, service: &str) -> bool {
        let service = service.strip_suffix(".service").unwrap_or(service);
        self.0.contains(service) || service.starts_with("agent-")
    }

    /// The role that a call with these arguments needs.
    pub fn least(&self, least: Least, arguments_json: &str) -> Role {
        match least {
            Least::Operator => Role::Operator,
            Least::Admin => Role::Admin,
            Least::AdminForOwn => {
                let arguments = serde_json::from_str::<Value>(arguments_json);
                let named = arguments
                    .as_ref()
                    .ok()
                    .and_then(|all| all["service"].as_str());
                match named {
                    Some(service) if !self.has(service) => Role::Operator,
                    _ => Role::Admin, // what cannot be read is not taken for harmless
                }
            }
        }
    }
}

/// May this be done for an operator of this role? Root asks for itself when it names none; for nobody
/// else is that more than for a viewer.
///
/// # Errors
/// `Denied` when the role is less; `what` and `who` are for people.
pub fn check(
    caller: &Principal,
    role: Option<Role>,
    least: Role,
    what: &str,
    who: &str,
) -> Result<(), ToolError> {
    let held = match (caller, role) {
        (Principal::Root, None) => Role::Admin,
        (_, role) => role.unwrap_or(Role::Viewer),
    };
    match held >= least {
        true => Ok(()),
        false => Err(ToolError::Denied(format!(
            "{what} needs the role {least}, which {who} has not"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_the_node_is_for_admins_and_what_packages_brought_for_operators() {
        let etc = tempfile::tempdir().unwrap();
        std::fs::create_dir(etc.path().join("services")).unwrap();
        std::fs::write(etc.path().join("services/update.toml"), "").unwrap();
        let own = OwnServices::read(etc.path());
        let check = |least, arguments: &str, expected| {
            assert_eq!(own.least(least, arguments), expected, "{arguments}");
        };
        let service = Least::AdminForOwn;
        check(service, r#"{"service":"update"}"#, Role::Admin);
        check(service, r#"{"service":"update.service"}"#, Role::Admin);
        check(service, r#"{"service":"runtime"}"#, Role::Admin);
        check(service, r#"{"service":"agent-dev"}"#, Role::Admin);
        check(service, r#"{"service":"nginx"}"#, Role::Operator);
        check(
            service,
            r#"{"service":"nginx","service":"runtime"}"#,
            Role::Admin,
        );
        check(service, r#"{"service":5}"#, Role::Admin);
        check(service, "{", Role::Admin);
        check(Least::Operator, "{", Role::Operator);
        check(Least::Admin, r#"{"pid":14}"#, Role::Admin);
    }

    #[test]
    fn who_names_no_role_is_root_or_may_only_look() {
        let orchestrator = Principal::Daemon("orchestrator".into());
        let check = |caller: &Principal, role, least, expected: bool| {
            let found = check(caller, role, least, "it", "CN=ann");
            assert_eq!(found.is_ok(), expected, "{caller} {role:?} {least}");
        };
        check(&Principal::Root, None, Role::Admin, true);
        check(&Principal::Root, Some(Role::Viewer), Role::Operator, false);
        check(&orchestrator, None, Role::Operator, false);
        check(&orchestrator, Some(Role::Operator), Role::Operator, true);
        check(&orchestrator, Some(Role::Operator), Role::Admin, false);
        check(&orchestrator, Some(Role::Admin), Role::Admin, true);
    }
}
