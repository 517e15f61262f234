//! In front of every method: is the caller's role enough? And behind it: what was refused goes on record.

use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::peer::Peer;
use super::revoked::Revoked;
use super::roles;
use super::turns::Turns;
use crate::record::{Kind, Recorder};
use aios_files::clock::now_ms;
use aios_port::Visit;

/// Puts a [`Gate`] in front of a service.
#[derive(Clone, Debug)]
pub struct GateLayer {
    recorder: Recorder,
    revoked: Revoked,
    turns: Turns,
}

impl GateLayer {
    /// A gate that records refusals here, and refuses those whose certificate was taken back.
    pub fn new(recorder: Recorder, revoked: Revoked) -> Self {
        Self {
            recorder,
            revoked,
            turns: Turns::default(),
        }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            recorder: self.recorder.clone(),
            revoked: self.revoked.clone(),
            turns: self.turns.clone(),
        }
    }
}

/// Lets requests through whose caller has the role that the method needs.
#[derive(Clone, Debug)]
pub struct Gate<S> {
    inner: S,
    recorder: Recorder,
    revoked: Revoked,
    turns: Turns,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let recorder = self.recorder.clone();
        let path = request.uri().path().to_owned();
        let visit = request.extensions().get::<Visit<Peer>>().cloned();
        let (peer, busy) = visit.map(|visit| (visit.peer, visit.busy)).unzip();
        let who = peer.as_ref().map_or_else(|| "nobody".into(), Peer::name);
        let admitted = admit(peer.as_ref(), &path).and_then(|()| {
            peer.as_ref()
                .map_or(Ok(()), |peer| self.revoked.check(peer))
        });
        if let Err(status) = admitted {
            recorder.refusal(Kind::ClientDenied, &who, status.message());
            return Box::pin(async move { Ok(status.into_http()) });
        }
        let serial = peer.as_ref().map(|peer| peer.serial.clone());
        let serial = serial.unwrap_or_default();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let at_work = busy.map(|busy| busy.begin());
        // The one that is ready is taken; its clone takes its place (tower's rule for clones).
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let turns = self.turns.clone();
        Box::pin(async move {
            let turn = match turns.take(&serial, &path).await {
                Ok(turn) => turn,
                Err(status) => return Ok(status.into_http()),
            };
            let response = inner.call(request).await?;
            if let Some(text) = refusal(&response, &path) {
                recorder.refusal(Kind::RequestRefused, &who, &text);
            }
            Ok(response.map(|body| match at_work {
                Some(at_work) => at_work.until_sent(body, turn),
                None => body,
            }))
        })
    }
}

/// May this peer call the method at this path?
///
/// # Errors
/// `PERMISSION_DENIED`, saying what it has and what it needs.
pub fn admit(peer: Option<&Peer>, path: &str) -> Result<(), Status> {
    let least = roles::least(path);
    let Some(peer) = peer else {
        return Err(Status::unauthenticated(
            "the connection has no client certificate",
        ));
    };
    peer.check_validity(now_ms() / 1000)?;
    match peer.role {
        Some(role) if role >= least => Ok(()),
        Some(role) => Err(Status::permission_denied(format!(
            "{} is {role}; {path} needs {least}",
            peer.subject
        ))),
        None => Err(Status::permission_denied(format!(
            "the certificate of {} gives no role: it needs one OU that is viewer, operator or admin",
            peer.subject
        ))),
    }
}

/// What to put on record about an answer that refuses the request as wrong.
fn refusal(response: &Response<Body>, path: &str) -> Option<String> {
    let status = match response.extensions().get::<Status>() {
        Some(status) => status.clone(),
        None => Status::from_header_map(response.headers())?,
    };
    let wrong = matches!(
        status.code(),
        Code::InvalidArgument
            | Code::OutOfRange
            | Code::ResourceExhausted
            | Code::Unimplemented
            | Code::Internal
            | Code::PermissionDenied
            | Code::Unauthenticated
    );
    wrong.then(|| format!("{path}: {:?}: {}", status.code(), status.message()))
}

#[cfg(test)]
mod tests {
    use super::super::roles::Role;
    use super::*;

    #[test]
    fn a_role_opens_its_methods_and_no_role_opens_none() {
        let check = |role: Option<Role>, method: &str, expected: bool| {
            let peer = Peer {
                subject: "CN=x".into(),
                serial: "1".into(),
                issuer: Vec::new(),
                role,
                address: ([127, 0, 0, 1], 1).into(),
                not_after: i64::MAX,
            };
            let path = format!("/aios.v1.Management/{method}");
            assert_eq!(
                admit(Some(&peer), &path).is_ok(),
                expected,
                "{role:?} {method}"
            );
        };
        check(Some(Role::Viewer), "GetStatus", true);
        check(Some(Role::Viewer), "SubmitGoal", false);
        check(Some(Role::Operator), "SubmitGoal", true);
        check(Some(Role::Operator), "Power", false);
        check(Some(Role::Admin), "Power", true);
        check(Some(Role::Admin), "NotYetThere", true);
        check(Some(Role::Operator), "NotYetThere", false);
        check(None, "GetStatus", false);
        assert!(admit(None, "/aios.v1.Management/GetStatus").is_err());
    }
}
