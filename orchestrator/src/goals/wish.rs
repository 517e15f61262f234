//! What an operator wants done, and whether that is a goal. Pure.

use aios_goals::{Call, Role};
use tonic::Status;
use uuid::Uuid;

/// The longest goal, in characters.
const TEXT_MAX: usize = 2000;

/// The longest request id, in characters.
const REQUEST_ID_MAX: usize = 128;

/// What an operator wants done.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// In words; empty when there is a call.
    pub text: String,
    /// This very call.
    pub call: Option<Call>,
    /// The id of the goal, where it was given one before; empty: it follows from the request.
    pub goal_id: String,
    /// The same for a repeated request; empty: each request is a new goal.
    pub request_id: String,
    /// Certificate subject and serial.
    pub by: String,
    /// Of that certificate.
    pub role: Role,
}

impl Wish {
    /// Is it whole, and of a size that is taken?
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, saying what is wrong.
    pub(super) fn check(&self) -> Result<(), Status> {
        let refuse = |text: String| Err(Status::invalid_argument(text));
        let length = self.text.chars().count();
        match &self.call {
            Some(_) if length > 0 => {
                return refuse("give either a text or a call, not both".into());
            }
            Some(call) if call.tool.is_empty() => return refuse("the call names no tool".into()),
            None if self.text.trim().is_empty() => return refuse("the goal has no text".into()),
            _ => {}
        }
        if length > TEXT_MAX {
            return refuse(format!(
                "the goal has {length} characters, at most {TEXT_MAX} are taken"
            ));
        }
        if self.request_id.chars().count() > REQUEST_ID_MAX {
            return refuse(format!(
                "the request id has more than {REQUEST_ID_MAX} characters"
            ));
        }
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
        if self.text.contains(control) || self.request_id.contains(control) {
            return refuse("the goal contains control characters".into());
        }
        Ok(())
    }

    /// The same id for a repeated request of the same operator, a new one otherwise.
    pub(super) fn goal_id(&self) -> String {
        if !self.goal_id.is_empty() {
            return self.goal_id.clone();
        }
        if self.request_id.is_empty() {
            return Uuid::now_v7().to_string();
        }
        let name = format!("{}\0{}", self.by, self.request_id);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
    }

    /// What the goal is called.
    pub(super) fn title(&self) -> String {
        match &self.call {
            Some(call) => format!("{} {}", call.tool, call.arguments_json)
                .chars()
                .take(TEXT_MAX)
                .collect(),
            None => self.text.trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_words_or_a_call_and_neither_too_long_nor_binary() {
        let call = |tool: &str| {
            Some(Call {
                tool: tool.into(),
                ..Call::default()
            })
        };
        let check = |text: &str, call: Option<Call>, expected| {
            let wish = Wish {
                text: text.into(),
                call,
                ..Wish::default()
            };
            assert_eq!(wish.check().is_ok(), expected, "{text:.20}");
        };
        check("check disk usage", None, true);
        check("", None, false);
        check(" \n", None, false);
        check("", call("fs.list"), true);
        check("", call(""), false);
        check("list", call("fs.list"), false);
        check(&"ä".repeat(2000), None, true);
        check(&"ä".repeat(2001), None, false);
        check("esc\u{1b}[2J", None, false);
        check("nul\0", None, false);
    }

    #[test]
    fn a_repeated_request_is_the_same_goal_but_only_for_the_same_operator() {
        let wish = |by: &str, request_id: &str| Wish {
            by: by.into(),
            request_id: request_id.into(),
            ..Wish::default()
        };
        assert_eq!(wish("a", "1").goal_id(), wish("a", "1").goal_id());
        assert_ne!(wish("a", "1").goal_id(), wish("b", "1").goal_id());
        assert_ne!(wish("a", "").goal_id(), wish("a", "").goal_id());
    }
}
