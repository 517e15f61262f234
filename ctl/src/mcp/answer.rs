//! What a client is answered: text for people and models, and structured content that fits the
//! tool's output schema. Pure.
//!
//! Every text of the node passes [`bounds`] here, so that no caller can forget it.

use aios_contracts::v1::{Execution, Goal, Preview, PreviewResponse};
use aiosctl::commands::preview;
use aiosctl::error::Failure;
use aiosctl::json;
use aiosctl::output::escape;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use super::bounds::{self, STRUCTURED_MAX, TEXT_MAX};
use super::schema::TOKEN;
use super::token::FRESH_FOR;

/// How many changes of a preview stay in its structured content when all of them are too much.
const CHANGES_KEPT: usize = 100;

/// It cannot be done: what, where, and what to do.
pub fn failed(tool: &str, endpoint: &str, failure: &Failure) -> CallToolResult {
    let mut text = format!("{tool} on {endpoint}: {}", failure.what);
    if !failure.hint.is_empty() {
        text += &format!("\n-> {}", failure.hint);
    }
    CallToolResult::error(vec![block(text)])
}

/// What a tool that looks saw.
pub fn looked(goal: &Goal, execution: &Execution) -> Result<CallToolResult, Failure> {
    let output = output(goal, execution)?;
    let summary = summary(goal, execution);
    Ok(structured(vec![summary], output))
}

/// What a change would do, and the token that confirms it.
pub fn previewed(found: &PreviewResponse, token: &str) -> CallToolResult {
    let seen = seen(found);
    let text = format!(
        "Nothing was changed. What would change:\n{}{}\nTo do exactly this, call again with the same \
         arguments and {TOKEN} {token:?} within {} seconds.",
        seen.text,
        seen.decision,
        FRESH_FOR.as_secs(),
    );
    structured(
        vec![text],
        seen.document("preview", seen.summary.clone(), token),
    )
}

/// A confirmed change that is not made: why, and what would change now.
pub fn refused(why: &str, found: &PreviewResponse, token: &str) -> CallToolResult {
    let seen = seen(found);
    let text = format!(
        "Refused, and nothing was changed: {why}. What would change now:\n{}{}\nTo do exactly this, call \
         again with the same arguments and {TOKEN} {token:?} within {} seconds.",
        seen.text,
        seen.decision,
        FRESH_FOR.as_secs(),
    );
    let document = seen.document("refused", format!("refused: {why}"), token);
    let mut result = structured(vec![text], document);
    result.is_error = Some(true);
    result
}

/// A person is asked before the change is made.
pub fn waiting(tool: &str, goal: &Goal, approval: &str) -> CallToolResult {
    let summary = format!("{tool} waits for a person; nothing was changed yet");
    let text = format!(
        "{summary}.\n-> A person sees what it would do with `aiosctl approvals show {approval}` and \
         decides with `aiosctl approvals allow {approval}` or `aiosctl approvals deny {approval}`. Once \
         allowed it is made without another call. To learn what became of it, call again with the same \
         arguments and the same {TOKEN}."
    );
    let document = json!({
        "state": "waiting", "summary": summary, "approval": approval, "goal": goal.id,
    });
    structured(vec![text], bounds::clean(document))
}

/// A change that was made.
pub fn done(goal: &Goal, execution: &Execution) -> CallToolResult {
    let summary = summary(goal, execution);
    let mut text = summary.clone();
    if execution.reversible {
        text += &format!(
            "\nTo take it back: aiosctl undo {}",
            escape::line(&execution.id)
        );
    }
    let mut document = json!({
        "state": "done", "summary": bounds::cut(summary, TEXT_MAX),
        "goal": escape::line(&goal.id), "execution": escape::line(&execution.id),
    });
    // What was made is made, also when its output is missing or too large to send.
    if let Ok(output) = output(goal, execution) {
        document["output"] = output;
    }
    structured(vec![text], document)
}

/// A preview in the forms in which it is told.
struct Seen {
    text: String,
    summary: String,
    decision: String,
    preview: Value,
}

impl Seen {
    fn document(&self, state: &str, summary: String, token: &str) -> Value {
        json!({
            "state": state, "summary": summary, "preview": self.preview, "decision": self.decision,
            TOKEN: token, "expires_in_seconds": FRESH_FOR.as_secs(),
        })
    }
}

fn seen(found: &PreviewResponse) -> Seen {
    let foreseen = found.preview.clone().unwrap_or_default();
    let summary = match foreseen.summary.is_empty() {
        true => "nothing would change".to_owned(),
        false => escape::line(&foreseen.summary),
    };
    Seen {
        text: bounds::cut(preview::text(&foreseen), TEXT_MAX - 2048),
        summary: bounds::cut(summary, 1024),
        decision: bounds::cut(escape::line(&found.decision), 1024),
        preview: fitting(foreseen),
    }
}

/// The preview as JSON: without texts' differences, then without its last changes, when it is too
/// much.
fn fitting(mut foreseen: Preview) -> Value {
    let whole = bounds::clean(json::preview(&foreseen));
    if bounds::length(&whole) <= STRUCTURED_MAX / 2 {
        return whole;
    }
    for change in &mut foreseen.changes {
        change.diff = String::new();
        for text in [&mut change.object, &mut change.before, &mut change.after] {
            *text = bounds::cut(std::mem::take(text), 512);
        }
    }
    let left_out = foreseen.changes.len().saturating_sub(CHANGES_KEPT);
    foreseen.changes.truncate(CHANGES_KEPT);
    foreseen.more = foreseen.more.saturating_add(left_out as u64);
    foreseen.summary = bounds::cut(foreseen.summary, 1024);
    bounds::clean(json::preview(&foreseen))
}

fn summary(goal: &Goal, execution: &Execution) -> String {
    let said = match execution.summary.is_empty() {
        true => &goal.answer,
        false => &execution.summary,
    };
    escape::text(said.trim_end())
}

/// The output of the call, cleaned.
fn output(goal: &Goal, execution: &Execution) -> Result<Value, Failure> {
    let missing = |what: &str| {
        Failure::failed(what).hint(format!(
            "ask for less, or see `aiosctl goal show {}`",
            goal.id
        ))
    };
    match json::embedded(&execution.output_json) {
        output @ Value::Object(_) if execution.output_json.len() <= STRUCTURED_MAX => {
            Ok(bounds::clean(output))
        }
        Value::Object(_) | Value::Null => Err(missing("the output is too large to be sent")),
        _ => Err(missing("the output is no JSON object")),
    }
}

fn block(text: String) -> ContentBlock {
    ContentBlock::text(bounds::cut(escape::text(&text), TEXT_MAX))
}

/// Texts, then the document as text too, for clients that read no structured content.
fn structured(texts: Vec<String>, document: Value) -> CallToolResult {
    let written = bounds::cut(document.to_string(), TEXT_MAX);
    let texts = texts.into_iter().map(block);
    let content = texts.chain([ContentBlock::text(written)]).collect();
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(document);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::Foreseen;

    fn text(result: &CallToolResult) -> String {
        let blocks = result.content.iter().filter_map(|block| block.as_text());
        blocks
            .map(|block| block.text.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn foreseen(changes: usize, diff: usize) -> PreviewResponse {
        let change = Foreseen {
            object: "/srv/x\u{1b}[2J".into(),
            before: "absent".into(),
            after: "file".into(),
            diff: format!("--- a\n+++ b\n@@ -0,0 +1 @@\n+{}\n", "x".repeat(diff)),
        };
        PreviewResponse {
            preview: Some(Preview {
                changes: vec![change; changes],
                summary: "/srv/x: absent → file".into(),
                digest: "d".into(),
                ..Preview::default()
            }),
            decision: "runs by itself".into(),
        }
    }

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        let failure = Failure::failed("no such file\u{7}").hint("look with fs-list");
        let result = failed("fs.read", "https://node:9090", &failure);
        assert_eq!(result.is_error, Some(true));
        assert_eq!(
            text(&result),
            "fs.read on https://node:9090: no such file\\u{7}\n-> look with fs-list"
        );
    }

    #[test]
    fn a_look_gives_its_summary_and_its_output() {
        let execution = Execution {
            output_json: r#"{"content":"a\u001b[2J"}"#.into(),
            summary: "/srv/x has 4 B\u{1b}".into(),
            ..Execution::default()
        };
        let result = looked(&Goal::default(), &execution).unwrap();
        assert_eq!(
            result.structured_content,
            Some(json!({"content": "a\\u{1b}[2J"}))
        );
        assert!(
            text(&result).starts_with("/srv/x has 4 B\\u{1b}\n{"),
            "{}",
            text(&result)
        );
        for missing in [
            "",
            "[1]",
            "{",
            &format!("{{\"a\":\"{}\"}}", "x".repeat(STRUCTURED_MAX)),
        ] {
            let execution = Execution {
                output_json: missing.to_owned(),
                ..Execution::default()
            };
            assert!(
                looked(&Goal::default(), &execution).is_err(),
                "{missing:.9}"
            );
        }
    }

    #[test]
    fn a_preview_of_any_size_is_told_and_bounded() {
        for (changes, diff) in [(0, 0), (1, 10), (3, 300_000), (20_000, 10)] {
            let result = previewed(&foreseen(changes, diff), "t0k");
            let document = result.structured_content.clone().unwrap();
            assert!(bounds::length(&document) < STRUCTURED_MAX);
            let told = text(&result);
            assert!(told.len() < 2 * TEXT_MAX + 1024);
            assert!(told.contains("confirm_token \"t0k\"") && !told.contains('\u{1b}'));
            assert_eq!(document["state"], "preview");
            let named = document["preview"]["changes"].as_array().unwrap().len();
            let more = document["preview"]["more"].as_u64().unwrap();
            assert_eq!(named as u64 + more, changes as u64);
        }
    }

    #[test]
    fn a_refusal_is_an_error_with_the_new_preview() {
        let result = refused("the confirm_token has expired", &foreseen(1, 1), "t1");
        assert_eq!(result.is_error, Some(true));
        assert_eq!(result.structured_content.unwrap()["confirm_token"], "t1");
    }

    #[test]
    fn a_change_that_was_made_is_told_as_made_even_without_its_output() {
        let goal = Goal {
            id: "g1".into(),
            ..Goal::default()
        };
        let execution = Execution {
            id: "e1".into(),
            summary: "/srv/x is written".into(),
            reversible: true,
            ..Execution::default()
        };
        let result = done(&goal, &execution);
        assert!(text(&result).contains("aiosctl undo e1"));
        let document = result.structured_content.unwrap();
        assert_eq!(
            (&document["state"], &document["goal"]),
            (&json!("done"), &json!("g1"))
        );
        assert_eq!(document.get("output"), None);
    }
}
