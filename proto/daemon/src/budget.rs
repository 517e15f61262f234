//! In front of every method: how large its messages may be, and how many bytes of large ones its
//! caller may have under way. Both are known from a message's first five bytes, before more of it is
//! kept. Who may not call a method sends it no large message at all.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http_body::{Body as HttpBody, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Bytes};
use tonic::transport::server::UdsConnectInfo;
use tower::{Layer, Service};

use crate::frames::{Frames, TooLong};
use crate::guests::Guests;
use crate::identity::Principal;
use crate::limits::{self, SMALL};

/// What the callers of one socket may send. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    guests: Guests,
    /// The methods that take more than [`SMALL`]: `/aios.v1.Tools/Call`.
    larger: HashMap<String, Larger>,
    /// Bytes that are left to each account.
    left: Mutex<HashMap<Option<u32>, Arc<Semaphore>>>,
}

/// What a method takes that takes more than [`SMALL`].
#[derive(Clone)]
pub(crate) struct Larger {
    pub bytes: usize,
    /// May this caller send so much? Only who may call the method.
    pub may: Arc<dyn Fn(&Principal) -> bool + Send + Sync>,
}

impl fmt::Debug for Larger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes)
    }
}

impl Budget {
    pub(crate) fn new(guests: Guests, larger: HashMap<String, Larger>) -> Self {
        Self(Arc::new(Inner {
            guests,
            larger,
            left: Mutex::default(),
        }))
    }

    /// The largest message of this account to the method at this path.
    fn most(&self, path: &str, uid: Option<u32>) -> usize {
        let larger = self
            .0
            .larger
            .get(path)
            .filter(|larger| uid.is_some_and(|uid| (larger.may)(&self.0.guests.caller(uid))));
        larger.map_or(SMALL, |larger| larger.bytes)
    }

    /// What is left to the account, and all that it has.
    fn of(&self, uid: Option<u32>) -> (Arc<Semaphore>, usize) {
        let all = uid.map_or(limits::AGENT_BYTES, |uid| {
            limits::bytes(&self.0.guests.caller(uid))
        });
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        let of = left
            .entry(uid)
            .or_insert_with(|| Semaphore::new(all).into());
        (Arc::clone(of), all)
    }
}

impl<S> Layer<S> for Budget {
    type Service = Budgeted<S>;

    fn layer(&self, inner: S) -> Budgeted<S> {
        Budgeted {
            inner,
            budget: self.clone(),
        }
    }
}

/// A service behind a [`Budget`].
#[derive(Clone, Debug)]
pub struct Budgeted<S> {
    inner: S,
    budget: Budget,
}

impl<S> Service<Request<Body>> for Budgeted<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let info = request.extensions().get::<UdsConnectInfo>();
        let uid = info.and_then(|info| Some(info.peer_cred?.uid()));
        let most = self.budget.most(request.uri().path(), uid);
        let (left, all) = self.budget.of(uid);
        let held = Arc::new(Held::default());
        let until_answered = Arc::clone(&held);
        let bounded = |inner| Bounded {
            inner,
            frames: Frames::new(most),
            most,
            left,
            all,
            held,
            waits: None,
        };
        let answer = self
            .inner
            .call(request.map(|body| Body::new(bounded(body))));
        Box::pin(async move {
            let answer = answer.await;
            drop(until_answered);
            answer
        })
    }
}

/// The bytes that a request holds, until its body has been read and its answer begins.
#[derive(Default)]
struct Held(Mutex<Option<OwnedSemaphorePermit>>);

impl Held {
    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

type Permit = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// A body whose messages are not longer than they may be, and come when there is room for them.
struct Bounded {
    inner: Body,
    frames: Frames,
    most: usize,
    left: Arc<Semaphore>,
    all: usize,
    held: Arc<Held>,
    /// What came and waits for room.
    waits: Option<(Permit, Frame<Bytes>)>,
}

impl Bounded {
    /// Room for the messages that begin in this piece: in place of that of those before, which have
    /// been read. `None` when they need none.
    fn room(&mut self, data: &[u8]) -> Result<Option<Permit>, Status> {
        let begun = self.frames.take(data).map_err(|TooLong(length)| {
            let most = self.most;
            Status::out_of_range(format!(
                "the message has {length} bytes; {most} are allowed"
            ))
        })?;
        let Some(bytes) = begun else {
            return Ok(None);
        };
        self.held.set(None);
        if bytes <= SMALL {
            return Ok(None);
        }
        let bytes = u32::try_from(bytes.min(self.all)).unwrap_or(u32::MAX);
        let left = Arc::clone(&self.left);
        Ok(Some(Box::pin(async move {
            left.acquire_many_owned(bytes).await.ok()
        })))
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some((permit, _)) = &mut self.waits {
                let permit = ready!(permit.as_mut().poll(context));
                self.held.set(permit);
                return Poll::Ready(self.waits.take().map(|(_, frame)| Ok(frame)));
            }
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.data_ref().cloned() {
                Some(data) => match self.room(&data)? {
                    Some(permit) => self.waits = Some((permit, frame)),
                    None => return Poll::Ready(Some(Ok(frame))),
                },
                None => return Poll::Ready(Some(Ok(frame))),
            }
        }
    }
}
