//! The stream of messages, read no faster than answers are taken: a client that floods requests and
//! reads nothing finds its own pipe full, and this process no larger.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::Transport;
use tokio::sync::Notify;

/// Requests that may be without an answer at one time, subscriptions included.
const OPEN_MAX: usize = 128;

/// What is under way on a stream.
#[derive(Default)]
pub struct Open {
    requests: Mutex<HashSet<RequestId>>,
    answered: Notify,
    ended: AtomicBool,
}

impl Open {
    /// The client has closed its side.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn is_full(&self) -> bool {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.len() >= OPEN_MAX
    }

    /// Counts a message that came in.
    fn received(&self, message: &ClientJsonRpcMessage) {
        match message {
            JsonRpcMessage::Request(request) => {
                let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
                requests.insert(request.id.clone());
            }
            // No answer is sent for what was cancelled.
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.close(id);
                }
            }
            _ => {}
        }
    }

    fn close(&self, id: &RequestId) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.remove(id);
        drop(requests);
        self.answered.notify_one();
    }
}

/// A stream that is not read while [`OPEN_MAX`] requests wait for their answers to be taken.
pub struct Bounded<T> {
    inner: T,
    open: Arc<Open>,
}

impl<T> Bounded<T> {
    /// Bounds a stream; `open` tells what is under way.
    pub fn new(inner: T, open: Arc<Open>) -> Self {
        Self { inner, open }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Bounded<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answers = match &message {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        let sending = self.inner.send(message);
        let open = self.open.clone();
        async move {
            let sent = sending.await;
            if let Some(id) = answers {
                open.close(&id);
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        while self.open.is_full() {
            self.open.answered.notified().await;
        }
        let message = self.inner.receive().await;
        match &message {
            Some(message) => self.open.received(message),
            None => self.open.ended.store(true, Ordering::Release),
        }
        message
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::transport::async_rw::AsyncRwTransport;
    use serde_json::{Value, json};
    use std::time::Duration;
    use tokio::io::AsyncWriteExt as _;

    fn message<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[tokio::test]
    async fn a_flood_is_read_only_as_fast_as_its_answers_are_sent() {
        let (mut client, server) = tokio::io::duplex(1024 * 1024);
        let (read, write) = tokio::io::split(server);
        let open = Arc::new(Open::default());
        let mut bounded = Bounded::new(AsyncRwTransport::new_server(read, write), open.clone());
        for id in 0..=OPEN_MAX {
            let line = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
            client
                .write_all(format!("{line}\n").as_bytes())
                .await
                .unwrap();
        }
        for _ in 0..OPEN_MAX {
            assert!(bounded.receive().await.is_some());
        }
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, bounded.receive()).await.is_err());
        let answer = message(json!({"jsonrpc": "2.0", "id": 0, "result": {}}));
        bounded.send(answer).await.unwrap();
        assert!(bounded.receive().await.is_some());
        // A cancelled request gets no answer, and its place is free too.
        let cancelled = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1},
        });
        open.received(&message(cancelled));
        assert!(!open.is_full());
        assert!(!open.has_ended());
        drop(client);
        assert!(bounded.receive().await.is_none());
        assert!(open.has_ended());
    }
}
