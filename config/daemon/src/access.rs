//! Who may call: the orchestrator for operators, the console page for whoever sits before the
//! machine, and root.

use std::sync::Arc;

use aios_proto::identity::{Principal, caller};
use tonic::{Request, Status};

/// Finds out who calls; tests play roles.
pub type Identify = Arc<dyn Fn(&tonic::Extensions) -> Result<Principal, Status> + Send + Sync>;

/// Who calls is what the kernel says.
pub fn by_peer_credentials() -> Identify {
    Arc::new(|extensions| {
        let mut request = Request::new(());
        *request.extensions_mut() = extensions.clone();
        caller(&request)
    })
}

/// # Errors
/// `PERMISSION_DENIED`, saying who may.
pub fn check(who: &Principal) -> Result<(), Status> {
    match *who == Principal::Root || who.is_daemon("orchestrator") || who.is_daemon("console") {
        true => Ok(()),
        false => Err(Status::permission_denied(format!(
            "{who} may not use Config; only the orchestrator, the console and root may"
        ))),
    }
}
