//! Who calls, and who may call what.

use std::fmt;
use std::sync::Arc;

use tonic::{Extensions, Request, Status};

use crate::identity::{self, Principal};

/// How a service knows who calls. Cloning is cheap.
#[derive(Clone, Default)]
pub struct Callers {
    played: Option<Arc<dyn Fn() -> Principal + Send + Sync>>,
}

impl Callers {
    /// By the kernel's word: the peer credentials of the connection.
    pub fn by_kernel() -> Self {
        Self::default()
    }

    /// Everybody is whom `who` names; for tests, which run under one uid.
    pub fn played(who: impl Fn() -> Principal + Send + Sync + 'static) -> Self {
        Self {
            played: Some(Arc::new(who)),
        }
    }

    /// Who a process of this account is.
    pub fn of_account(&self, uid: u32) -> Principal {
        match &self.played {
            Some(who) => who(),
            None => Principal::from_uid(uid),
        }
    }

    /// Who sent the request with these extensions.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the connection carries no peer credentials.
    pub fn identify(&self, extensions: &Extensions) -> Result<Principal, Status> {
        match &self.played {
            Some(who) => Ok(who()),
            None => identity::peer(extensions),
        }
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.played {
            Some(_) => "Callers::played",
            None => "Callers::by_kernel",
        })
    }
}

/// Whom a row of an access table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// PID 1, and a person on the recovery shell.
    Root,
    /// The daemon of this name.
    Daemon(&'static str),
    /// Every agent.
    Agents,
    /// The account that the daemon itself runs under.
    Own,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Daemon(name) => name,
            Self::Agents => "every agent",
            Self::Own => "the daemon's own account",
        })
    }
}

impl Who {
    fn is(self, caller: &Principal) -> bool {
        match self {
            Self::Root => *caller == Principal::Root,
            Self::Daemon(name) => caller.is_daemon(name),
            Self::Agents => matches!(caller, Principal::Agent(_)),
            Self::Own => *caller == Principal::from_uid(rustix::process::geteuid().as_raw()),
        }
    }
}

/// An access table, as far as whoever connects is concerned.
pub trait Known: fmt::Debug + Sync {
    /// Has this caller any right here? Who has none is turned away when it connects.
    fn knows(&self, caller: &Principal) -> bool;

    /// The service, as in its contract.
    fn service(&self) -> &'static str;

    /// Who, and their rights by name, for the documentation.
    fn rows(&self) -> Vec<(String, Vec<String>)>;
}

/// The access table of a service: who may use which rights. A right is a method, or what several
/// methods have in common. Who is in no row may do nothing.
#[derive(Debug)]
pub struct Access<R: 'static> {
    service: &'static str,
    rows: &'static [(Who, &'static [R])],
}

impl<R: Copy + PartialEq> Access<R> {
    /// The table of this service, named as in its contract.
    pub const fn new(service: &'static str, rows: &'static [(Who, &'static [R])]) -> Self {
        Self { service, rows }
    }

    /// May this caller use the right?
    pub fn may(&self, caller: &Principal, right: R) -> bool {
        self.rows
            .iter()
            .any(|(who, rights)| who.is(caller) && rights.contains(&right))
    }

    /// # Errors
    /// `PERMISSION_DENIED`, saying who may not call what.
    pub fn check(&self, caller: &Principal, right: R, method: &str) -> Result<(), Status> {
        if self.may(caller, right) {
            return Ok(());
        }
        Err(Status::permission_denied(format!(
            "{caller} may not call {}.{method}",
            self.service
        )))
    }

    /// Who sent the request, if that caller may use the right. A refusal is logged.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` or `PERMISSION_DENIED`.
    pub fn admit<T>(
        &self,
        callers: &Callers,
        request: &Request<T>,
        right: R,
        method: &str,
    ) -> Result<Principal, Status> {
        let caller = callers.identify(request.extensions())?;
        let checked = self.check(&caller, right, method);
        checked.inspect_err(|refused| tracing::warn!("refused: {}", refused.message()))?;
        Ok(caller)
    }
}

impl<R: fmt::Debug + Sync> Known for Access<R> {
    fn knows(&self, caller: &Principal) -> bool {
        self.rows
            .iter()
            .any(|(who, rights)| who.is(caller) && !rights.is_empty())
    }

    fn service(&self) -> &'static str {
        self.service
    }

    fn rows(&self) -> Vec<(String, Vec<String>)> {
        let names = |rights: &[R]| rights.iter().map(|right| format!("{right:?}")).collect();
        let rows = self.rows.iter();
        rows.map(|(who, rights)| (who.to_string(), names(rights)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Right {
        Look,
        Change,
    }

    static ACCESS: Access<Right> = Access::new(
        "Things",
        &[
            (Who::Root, &[Right::Look, Right::Change]),
            (Who::Daemon("orchestrator"), &[Right::Look, Right::Change]),
            (Who::Agents, &[Right::Look]),
            (Who::Daemon("memory"), &[]),
        ],
    );

    #[test]
    fn who_is_in_no_row_may_do_nothing() {
        let check = |caller: Principal, look, change| {
            assert_eq!(ACCESS.may(&caller, Right::Look), look, "{caller}");
            assert_eq!(ACCESS.may(&caller, Right::Change), change, "{caller}");
            assert_eq!(ACCESS.knows(&caller), look || change, "{caller}");
        };
        check(Principal::Root, true, true);
        check(Principal::Daemon("orchestrator".into()), true, true);
        check(Principal::Agent("storage".into()), true, false);
        check(Principal::Agent("orchestrator".into()), true, false);
        check(Principal::Daemon("memory".into()), false, false);
        check(Principal::Daemon("tools".into()), false, false);
        check(Principal::Other(1000), false, false);
    }

    #[test]
    fn who_calls_is_what_the_kernel_says_and_a_connection_without_credentials_is_nobody() {
        let request = Request::new(());
        let nobody = ACCESS.admit(&Callers::by_kernel(), &request, Right::Look, "Get");
        assert_eq!(nobody.unwrap_err().code(), tonic::Code::Unauthenticated);
        let stranger = Callers::played(|| Principal::Other(1000));
        let refused = ACCESS.admit(&stranger, &request, Right::Look, "Get");
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        assert_eq!(refused.message(), "uid:1000 may not call Things.Get");
    }
}
