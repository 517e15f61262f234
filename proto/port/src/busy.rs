//! Which connections are at work.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

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
            _held: (self, holds),
        })
    }
}

struct Sending<H> {
    body: Body,
    _held: (AtWork, H),
}

impl<H: Unpin> HttpBody for Sending<H> {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
