//! Trying again while a daemon restarts: which failures are worth it, and for how long.

use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};

/// The first pause. A killed daemon is back in about a tenth of a second.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// The longest pause: what a waiting operator loses at most once the daemon is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Is it the way to the daemon that failed, and not the daemon that refused?
///
/// `UNAVAILABLE` always is. Other codes are when the status was made on this
/// side from a broken connection: then it has a source.
pub fn is_transient(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::Unknown | Code::Cancelled | Code::Internal => status.source().is_some(),
        _ => false,
    }
}

/// Repeats `attempt` while its failure [`is_transient`], with growing pauses,
/// for at most `patience`. Only for what may be done twice: reads, upserts,
/// and calls that carry a call id.
///
/// # Errors
/// The first lasting failure, or the last transient one.
pub async fn persistently<T, F>(patience: Duration, attempt: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    persistently_unless(patience, attempt, || std::future::ready(None)).await
}

/// As [`persistently`], until `hopeless`, asked after each failure, says why no further try helps.
///
/// # Errors
/// The first lasting failure, what `hopeless` said, or the last transient failure.
pub async fn persistently_unless<T, F, G>(
    patience: Duration,
    mut attempt: impl FnMut() -> F,
    mut hopeless: impl FnMut() -> G,
) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
    G: Future<Output = Option<Status>>,
{
    let end = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let failure = match attempt().await {
            Err(status) if is_transient(&status) => status,
            outcome => return outcome,
        };
        if let Some(why) = hopeless().await {
            return Err(why);
        }
        if Instant::now() + pause >= end {
            return Err(failure);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_daemon_that_comes_back_is_waited_for() {
        let mut left = 5;
        let outcome = persistently(Duration::from_secs(20), || {
            left -= 1;
            let answer = if left == 0 {
                Ok("here")
            } else {
                Err(Status::unavailable("restarting"))
            };
            async move { answer }
        })
        .await;
        assert_eq!(outcome.unwrap(), "here");
    }

    #[tokio::test]
    async fn patience_ends_and_a_refusal_is_not_repeated() {
        let started = Instant::now();
        let gone = persistently(Duration::from_millis(300), || async {
            Err::<(), _>(Status::unavailable("gone"))
        });
        assert_eq!(gone.await.unwrap_err().code(), Code::Unavailable);
        assert!(started.elapsed() < Duration::from_secs(2));

        let mut calls = 0;
        let refused = persistently(Duration::from_secs(3), || {
            calls += 1;
            async { Err::<(), _>(Status::permission_denied("no")) }
        });
        assert_eq!(refused.await.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(calls, 1);
    }
}
