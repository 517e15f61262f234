//! Who may call what: one table.

use aios_daemon::{Access, Who};

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

use Method as M;

/// Every method.
const ALL: &[Method] = &[
    M::PutGoal,
    M::GetGoal,
    M::ListGoals,
    M::ListDecisions,
    M::AppendEvent,
    M::ListEvents,
    M::Remember,
    M::Recall,
];

/// Who may call which method.
pub static ACCESS: Access<Method> = Access::new(
    "Memory",
    &[
        (Who::Root, ALL),
        (Who::Daemon("orchestrator"), ALL),
        (Who::Daemon("tools"), &[M::AppendEvent]),
    ],
);

#[cfg(test)]
mod tests {
    use aios_daemon::identity::Principal;

    use super::*;

    #[test]
    fn each_principal_may_call_only_what_it_needs() {
        let check = |uid, expected: &[Method]| {
            let caller = Principal::from_uid(uid);
            let may = ALL.iter().copied();
            let may: Vec<_> = may.filter(|m| ACCESS.may(&caller, *m)).collect();
            assert_eq!(may, expected, "{caller}");
        };
        check(0, ALL);
        check(905, ALL); // orchestrator
        check(904, &[M::AppendEvent]); // tools
        check(915, &[]); // an agent
        check(902, &[]); // runtime
        check(1000, &[]);
    }
}
