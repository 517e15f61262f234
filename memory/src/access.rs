//! Who may call what: one table.

use aios_proto::identity::Principal;
use tonic::Status;

/// The methods of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // they are named as in the .proto
pub enum Method {
    PutGoal,
    GetGoal,
    ListGoals,
    ListDecisions,
    AppendEvent,
    ListEvents,
    Remember,
    Recall,
}

/// May this principal call this method?
pub fn allowed(caller: &Principal, method: Method) -> bool {
    match caller {
        Principal::Root => true,
        Principal::Daemon(name) if name == "orchestrator" => true,
        Principal::Daemon(name) if name == "tools" => method == Method::AppendEvent,
        Principal::Agent(_) => method == Method::AppendEvent,
        Principal::Daemon(_) | Principal::Other(_) => false,
    }
}

/// Refuses those who may not.
///
/// # Errors
/// `PERMISSION_DENIED`, saying who and what.
pub fn check(caller: &Principal, method: Method) -> Result<(), Status> {
    if allowed(caller, method) {
        return Ok(());
    }
    tracing::warn!("refused {method:?} to {caller}");
    Err(Status::permission_denied(format!(
        "{caller} may not call Memory.{method:?}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_principal_may_call_only_what_it_needs() {
        use Method as M;
        let methods = [
            M::PutGoal,
            M::GetGoal,
            M::ListGoals,
            M::ListDecisions,
            M::AppendEvent,
            M::ListEvents,
            M::Remember,
            M::Recall,
        ];
        let check = |uid, expected: &[Method]| {
            let caller = Principal::from_uid(uid);
            let may: Vec<_> = methods
                .into_iter()
                .filter(|m| allowed(&caller, *m))
                .collect();
            assert_eq!(may, expected, "{caller}");
        };
        check(0, &methods);
        check(905, &methods); // orchestrator
        check(904, &[M::AppendEvent]); // tools
        check(915, &[M::AppendEvent]); // an agent
        check(902, &[]); // runtime
        check(1000, &[]);
    }
}
