//! Which connections are at work.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::Bytes;

/// How many requests of a connection are under way. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<AtomicUsize>);

impl Busy {
    /// Is a request under way?
    pub fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// A request is under way until the answer is dropped.
    pub fn begin(&self) -> AtWork {
        self.0.fetch_add(1, Ordering::Relaxed);
        AtWork(self.clone())
    }
}

/// A request is under way for as long as this lives.
#[derive(Debug)]
pub struct AtWork(Busy);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AtWork {
    /// The answer's body, whose connection is at work until all of it has been sent. What else the
    /// answer holds until then is dropped with it.
    pub fn until_sent<H: Unpin + Send + 'static>(self, body: Body, holds: H) -> Body {
        Body::new(Sending {
            body,
            rest: Bytes::new(),
            _held: (self, holds),
        })
    }
}

/// The most that is handed over at once, in bytes. HTTP/2 takes a piece whole as soon as its client has
/// room for a byte, and keeps the rest in memory; so what is large is handed over in pieces, and what
/// the client does not take stays here, where it is counted.
const PIECE: usize = 64 * 1024;

struct Sending<H> {
    body: Body,
    /// What of the last frame is not handed over yet.
    rest: Bytes,
    _held: (AtWork, H),
}

impl<H: Unpin> HttpBody for Sending<H> {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = PIECE.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Unfinished;

    impl HttpBody for Unfinished {
        type Data = Bytes;
        type Error = tonic::Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn what_is_large_is_handed_over_in_pieces_and_whole() {
        let text = "x".repeat(2 * PIECE + 5);
        let mut body = Busy::default()
            .begin()
            .until_sent(Body::new(text.clone()), ());
        let (mut sizes, mut all) = (Vec::new(), Vec::new());
        while !body.is_end_stream() {
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
            let data = frame.await.unwrap().unwrap().into_data().unwrap();
            sizes.push(data.len());
            all.extend_from_slice(&data);
        }
        assert_eq!(sizes, [PIECE, PIECE, 5]);
        assert_eq!(all, text.as_bytes());
    }

    #[test]
    fn a_connection_is_busy_until_the_last_answer_is_sent() {
        let busy = Busy::default();
        let (one, two) = (busy.begin(), busy.begin());
        drop(one);
        assert!(busy.is_busy());
        let body = two.until_sent(Body::new(Unfinished), ());
        assert!(busy.is_busy());
        drop(body);
        assert!(!busy.is_busy());
    }
}
