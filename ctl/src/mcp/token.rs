//! The tokens that bind the second step of a change to the preview of the first.
//!
//! A token is random, and what it stands for is kept here: the call with its arguments, the digest
//! of the preview that was shown, and until when it holds. Whoever starts the server again begins
//! without tokens.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

/// How long a preview can be confirmed: long enough for a person to read it.
pub const FRESH_FOR: Duration = Duration::from_secs(300);

/// How long a token still tells what became of its call, once it was confirmed.
const USED_FOR: Duration = Duration::from_secs(3600);

/// How many are kept; the oldest gives way.
const KEPT_MAX: usize = 256;

/// A call, with its arguments in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The registry's name.
    pub tool: String,
    /// A JSON object, its keys in order.
    pub arguments_json: String,
}

impl Call {
    fn digest(&self) -> [u8; 32] {
        let text = format!("{}\0{}", self.tool, self.arguments_json);
        Sha256::digest(text.as_bytes()).into()
    }
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// To act, if what would happen still has this digest.
    Fresh(String),
    /// To learn what became of the call, which was ordered already.
    Ordered,
}

/// Why a token allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// This server did not give it, or has forgotten it.
    Unknown,
    /// It was given for another tool or other arguments.
    Other,
    /// Its time is over.
    Expired,
}

impl Wrong {
    /// For the client.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "the confirm_token is not known here",
            Self::Other => "the confirm_token was given for other arguments",
            Self::Expired => "the confirm_token has expired",
        }
    }
}

struct Kept {
    token: String,
    call: [u8; 32],
    digest: String,
    since: Instant,
    ordered: bool,
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        let lasts = if self.ordered { USED_FOR } else { FRESH_FOR };
        now.saturating_duration_since(self.since) > lasts
    }
}

/// All tokens of one server.
#[derive(Default)]
pub struct Tokens(Mutex<VecDeque<Kept>>);

impl Tokens {
    /// A token for the call whose preview has the digest.
    pub fn make(&self, call: &Call, digest: &str, now: Instant) -> String {
        let token = uuid::Uuid::new_v4().simple().to_string();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.len() >= KEPT_MAX {
            all.pop_front();
        }
        all.push_back(Kept {
            token: token.clone(),
            call: call.digest(),
            digest: digest.to_owned(),
            since: now,
            ordered: false,
        });
        token
    }

    /// What the token allows for the call.
    pub fn check(&self, token: &str, call: &Call, now: Instant) -> Result<Confirmed, Wrong> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.iter().find(|kept| kept.token == token);
        let kept = kept.ok_or(Wrong::Unknown)?;
        if kept.is_over(now) {
            Err(Wrong::Expired)
        } else if kept.call != call.digest() {
            Err(Wrong::Other)
        } else if kept.ordered {
            Ok(Confirmed::Ordered)
        } else {
            Ok(Confirmed::Fresh(kept.digest.clone()))
        }
    }

    /// The call was ordered: from now on the token only tells what became of it.
    pub fn ordered(&self, token: &str, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.iter_mut().find(|kept| kept.token == token) {
            kept.ordered = true;
            kept.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &str) -> Call {
        Call {
            tool: "fs.write".into(),
            arguments_json: arguments.into(),
        }
    }

    #[test]
    fn a_token_holds_for_its_call_and_its_preview_and_for_a_while() {
        let tokens = Tokens::default();
        let now = Instant::now();
        let token = tokens.make(&call("{}"), "d1", now);
        let fresh = Ok(Confirmed::Fresh("d1".into()));
        assert_eq!(tokens.check(&token, &call("{}"), now), fresh);
        assert_eq!(tokens.check(&token, &call("{}"), now + FRESH_FOR), fresh);
        let late = now + FRESH_FOR + Duration::from_millis(1);
        assert_eq!(tokens.check(&token, &call("{}"), late), Err(Wrong::Expired));
        let other = call(r#"{"path":"/"}"#);
        assert_eq!(tokens.check(&token, &other, now), Err(Wrong::Other));
        let tool = Call {
            tool: "fs.delete".into(),
            ..call("{}")
        };
        assert_eq!(tokens.check(&token, &tool, now), Err(Wrong::Other));
        for unknown in ["", "d1", &token[1..]] {
            let found = tokens.check(unknown, &call("{}"), now);
            assert_eq!(found, Err(Wrong::Unknown), "{unknown}");
        }
    }

    #[test]
    fn an_ordered_call_is_not_confirmed_again_but_can_be_asked_about() {
        let tokens = Tokens::default();
        let now = Instant::now();
        let token = tokens.make(&call("{}"), "d1", now);
        tokens.ordered(&token, now);
        let later = now + FRESH_FOR * 2;
        let found = tokens.check(&token, &call("{}"), later);
        assert_eq!(found, Ok(Confirmed::Ordered));
        let found = tokens.check(&token, &call("{}"), later + USED_FOR);
        assert_eq!(found, Err(Wrong::Expired));
    }

    #[test]
    fn a_client_that_asks_for_many_tokens_takes_no_more_memory() {
        let tokens = Tokens::default();
        let now = Instant::now();
        let first = tokens.make(&call("{}"), "d", now);
        let made: Vec<String> = (0..KEPT_MAX)
            .map(|_| tokens.make(&call("{}"), "d", now))
            .collect();
        assert_eq!(tokens.0.lock().unwrap().len(), KEPT_MAX);
        let found = tokens.check(&first, &call("{}"), now);
        assert_eq!(found, Err(Wrong::Unknown));
        assert!(
            made.iter()
                .all(|token| tokens.check(token, &call("{}"), now).is_ok())
        );
    }
}
