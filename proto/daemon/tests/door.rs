//! What the door promises while somebody floods it: strangers are closed unread, an agent takes no
//! more than its part, and the orchestrator is served meanwhile.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aios_contracts::v1::{EmergencyRequest, GetEmergencyRequest};
use aios_daemon::identity::Principal;
use aios_daemon::{Callers, limits, retry, socket};
use http_body::Frame;
use support::{Running, client, start};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::{Bytes, http};
use tower::{Service as _, ServiceExt as _};

/// An agent, or the orchestrator once the switch is set.
fn switched() -> (Callers, Arc<AtomicBool>) {
    let orchestrator = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&orchestrator);
    let who = move || match switch.load(Ordering::SeqCst) {
        true => Principal::Daemon("orchestrator".into()),
        false => Principal::Agent("storage".into()),
    };
    (Callers::played(who), orchestrator)
}

/// Has the daemon closed this connection within a moment, although nothing was sent?
async fn is_closed(mut stream: UnixStream) -> bool {
    let read = stream.read_u8();
    match tokio::time::timeout(Duration::from_millis(300), read).await {
        Ok(read) => read.is_err(),
        Err(_) => false,
    }
}

async fn is_served(running: &Running) -> bool {
    let mut client = client(&running.path);
    let call = client.get_state(GetEmergencyRequest {});
    let answer = tokio::time::timeout(Duration::from_secs(2), call).await;
    answer.is_ok_and(|answer| answer.is_ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_closed_before_a_byte_is_read() {
    let stranger = Callers::played(|| Principal::Other(1000));
    let running = start(stranger, Duration::ZERO).await;
    let stream = UnixStream::connect(&running.path).await.unwrap();
    assert!(is_closed(stream).await);
    let refused = client(&running.path)
        .get_state(GetEmergencyRequest {})
        .await;
    assert!(
        retry::is_transient(&refused.unwrap_err()),
        "no daemon answered"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_holds_all_its_places_keeps_nobody_out() {
    let (callers, orchestrator) = switched();
    let running = start(callers, Duration::ZERO).await;
    let mut held = Vec::new();
    for _ in 0..limits::AGENT_CONNECTIONS {
        let mut stream = UnixStream::connect(&running.path).await.unwrap();
        // The daemon's first HTTP/2 frame: it has a place.
        assert!(stream.read_u8().await.is_ok(), "{} held", held.len());
        held.push(stream);
    }
    for _ in 0..100 {
        let more = UnixStream::connect(&running.path).await.unwrap();
        assert!(is_closed(more).await);
    }
    orchestrator.store(true, Ordering::SeqCst);
    assert!(is_served(&running).await);
    orchestrator.store(false, Ordering::SeqCst);
    held.pop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(is_served(&running).await, "a place was given back");
}

/// A message that says to have so many bytes, and comes in pieces until the last but one.
struct Endless {
    left: usize,
    sent: Arc<AtomicUsize>,
    header: Option<Bytes>,
}

impl Endless {
    const PIECE: usize = 4096;

    fn of(bytes: usize, sent: &Arc<AtomicUsize>) -> Self {
        let mut header = vec![0];
        header.extend(u32::try_from(bytes).unwrap().to_be_bytes());
        Self {
            left: bytes - 1,
            sent: Arc::clone(sent),
            header: Some(header.into()),
        }
    }
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        if let Some(header) = self.header.take() {
            return Poll::Ready(Some(Ok(Frame::data(header))));
        }
        let piece = self.left.min(Self::PIECE);
        if piece == 0 {
            return Poll::Pending;
        }
        self.left -= piece;
        self.sent.fetch_add(piece, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(vec![b'x'; piece].into()))))
    }
}

/// Sends the message on a stream of its own, and returns how many bytes the daemon has taken in the end.
async fn flood(running: &Running, method: &str, bytes: usize, streams: usize) -> usize {
    let sent = Arc::new(AtomicUsize::new(0));
    for _ in 0..streams {
        let mut channel = socket::channel(&running.path).unwrap();
        let request = http::Request::post(format!("http://aios/aios.v1.Emergency/{method}"))
            .header("content-type", "application/grpc")
            .body(Body::new(Endless::of(bytes, &sent)))
            .unwrap();
        tokio::spawn(async move {
            channel.ready().await.unwrap();
            drop(channel.call(request).await);
            std::future::pending::<()>().await;
        });
    }
    let mut before = usize::MAX;
    while before != sent.load(Ordering::SeqCst) {
        before = sent.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_of_an_agent_fill_its_budget_and_no_more_memory() {
    let (callers, orchestrator) = switched();
    let running = start(callers, Duration::ZERO).await;
    let streams = limits::AGENT_CONNECTIONS - 1;
    let taken = flood(&running, "GetState", support::STOP_MAX, streams).await;
    // On their way besides: a window of each stream, and what the clients have encoded beforehand.
    let on_the_way = streams * 256 * 1024;
    assert!(
        taken <= limits::AGENT_BYTES + on_the_way,
        "{taken} bytes were taken"
    );
    assert!(is_served(&running).await, "small requests need no room");
    orchestrator.store(true, Ordering::SeqCst);
    assert!(is_served(&running).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_call_a_method_sends_it_no_large_message() {
    let (callers, orchestrator) = switched();
    let running = start(callers, Duration::ZERO).await;
    let streams = limits::AGENT_CONNECTIONS - 1;
    let taken = flood(&running, "Stop", support::STOP_MAX, streams).await;
    assert!(taken <= streams * 256 * 1024, "{taken} bytes were taken");
    let of = |bytes: usize| EmergencyRequest {
        reason: "x".repeat(bytes),
        ..EmergencyRequest::default()
    };
    let mut client = client(&running.path);
    let refused = client.stop(of(limits::SMALL)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{}", refused.message());
    // A small one is read, so that the service can put on record who tried what.
    let refused = client.stop(of(16)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    orchestrator.store(true, Ordering::SeqCst);
    assert!(client.stop(of(limits::SMALL)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_takes_no_larger_message_than_it_needs() {
    let orchestrator = Callers::played(|| Principal::Daemon("orchestrator".into()));
    let running = start(orchestrator, Duration::ZERO).await;
    let taken = flood(&running, "Resume", support::STOP_MAX, 4).await;
    assert!(taken <= 4 * 256 * 1024, "{taken} bytes were taken");
    let of = |bytes: usize| EmergencyRequest {
        reason: "x".repeat(bytes),
        ..EmergencyRequest::default()
    };
    let mut client = client(&running.path);
    let refused = client.resume(of(limits::SMALL)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{}", refused.message());
    assert!(client.resume(of(limits::SMALL - 16)).await.is_ok());
    for _ in 0..8 {
        assert!(client.stop(of(support::STOP_MAX - 16)).await.is_ok());
    }
    assert!(client.stop(of(support::STOP_MAX)).await.is_err());
}

/// What this process has used of the CPU.
fn used() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_without_a_descriptor_waits_for_one_and_does_not_spin() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    use rustix::process::{Resource, Rlimit, setrlimit};
    let (callers, orchestrator) = switched();
    orchestrator.store(true, Ordering::SeqCst);
    let running = start(callers, Duration::ZERO).await;
    let waiting = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let few = Rlimit {
        current: Some(8),
        maximum: Some(4096),
    };
    setrlimit(Resource::Nofile, few).unwrap();
    // Its socket was made before; the daemon's end of it cannot be.
    connect(&waiting, &SocketAddrUnix::new(&running.path).unwrap()).unwrap();
    let before = used();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = used() - before;
    assert!(spent < Duration::from_millis(200), "{spent:?} of a second");
    let enough = Rlimit {
        current: Some(1024),
        maximum: Some(4096),
    };
    setrlimit(Resource::Nofile, enough).unwrap();
    assert!(is_served(&running).await);
}
