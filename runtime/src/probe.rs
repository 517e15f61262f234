//! The test prompt of a model: `<model>.test.json` beside it.
//!
//! It is a real one: a known sentence through the model's own tokenizer and layers,
//! judged by what came out when the model was made. A damaged model is not ready.

use std::io;
use std::path::{Path, PathBuf};

use aios_contracts::v1;
use serde::Deserialize;

use crate::wire::{Command, Event};

/// What is asked, and how the answer is judged.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Test {
    /// A sentence: the embedding model must give the vector that its original weights gave.
    Vector {
        /// The sentence.
        text: String,
        /// The vector.
        vector: Vec<f32>,
        /// How near the model's own must be: quantised weights move it a little.
        least_cosine: f32,
    },
    /// A goal: the operator model's heads must choose this act.
    Act {
        /// The goal, for people.
        text: String,
        /// The goal as the operator model's tokenizer reads it.
        token_ids: Vec<u32>,
        /// The label.
        expected_act: String,
    },
}

/// The test beside a model; `None` when it has none.
pub fn beside(model: &Path) -> Result<Option<Test>, String> {
    let path: PathBuf = model.with_extension("test.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| format!("{}: not a test prompt: {error}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

impl Test {
    /// The question.
    pub fn command(&self) -> Command {
        let model = String::new(); // the worker has only one
        match self {
            Self::Vector { text, .. } => Command::Embed(v1::EmbedRequest {
                model,
                texts: vec![text.clone()],
            }),
            Self::Act { token_ids, .. } => Command::Encode(v1::EncodeRequest {
                model,
                token_ids: token_ids.clone(),
            }),
        }
    }

    /// Is that the answer? `folder` holds the operator model's heads.
    pub fn judge(&self, event: &Event, folder: &Path) -> Result<String, String> {
        match (self, event) {
            (
                Self::Vector {
                    text,
                    vector,
                    least_cosine,
                },
                Event::Embedded(answer),
            ) => {
                let answer = answer.response.as_ref();
                let own = answer.and_then(|answer| answer.embeddings.first());
                let own = own.map_or(&[][..], |own| &own.values);
                judge_vector(text, vector, own, *least_cosine)
            }
            (
                Self::Act {
                    text, expected_act, ..
                },
                Event::Encoded(answer),
            ) => judge_act(text, expected_act, answer, folder),
            (_, Event::Failed(failure)) => Err(format!("the test prompt: {}", failure.message)),
            _ => Err("the test prompt was answered with something else".to_owned()),
        }
    }
}

fn judge_vector(text: &str, wanted: &[f32], own: &[f32], least: f32) -> Result<String, String> {
    if wanted.len() != own.len() {
        let (wanted, own) = (wanted.len(), own.len());
        return Err(format!(
            "the vector of {text:?} has {own} numbers, not {wanted}"
        ));
    }
    let cosine = dot(wanted, own) / (dot(wanted, wanted) * dot(own, own)).sqrt();
    let figure = format!("{text:?} is where it was, to a cosine of {cosine:.4}");
    // Not `cosine < least`: a NaN must fail, too.
    if cosine >= least {
        Ok(figure)
    } else {
        Err(format!(
            "the model is not what it was: the vector of {text:?} agrees to a cosine of {cosine:.4}, \
             at least {least} is needed"
        ))
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn judge_act(
    text: &str,
    expected: &str,
    answer: &v1::EncodeResponse,
    folder: &Path,
) -> Result<String, String> {
    let decision = aios_brain::Heads::load(folder)
        .and_then(|heads| {
            heads.decide(
                &answer.states,
                answer.tokens as usize,
                answer.width as usize,
            )
        })
        .map_err(|error| format!("the heads: {}", aios_daemon::error::chain(&error)))?;
    let chosen = format!("{text:?} is {} ({:.2})", decision.act, decision.confidence);
    if decision.act == expected {
        Ok(chosen)
    } else {
        Err(format!(
            "the model does not understand: {chosen}, not {expected}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_is_elsewhere_or_no_number_fails() {
        let check = |own: &[f32], passes| {
            let judged = judge_vector("disk", &[0.6, 0.8], own, 0.99);
            assert_eq!(judged.is_ok(), passes, "{own:?}: {judged:?}");
        };
        check(&[0.6, 0.8], true);
        check(&[0.61, 0.79], true);
        check(&[0.8, 0.6], false);
        check(&[-0.6, -0.8], false);
        check(&[0.0, 0.0], false);
        check(&[f32::NAN, 0.8], false);
        check(&[0.6], false);
        check(&[], false);
    }

    #[test]
    fn both_kinds_of_test_are_read() {
        let act = r#"{"text":"reboot","token_ids":[101,102],"expected_act":"x"}"#;
        assert!(matches!(serde_json::from_str(act), Ok(Test::Act { .. })));
        let vector =
            r#"{"text":"disk full","token_ids":[101,102],"vector":[0.1],"least_cosine":0.99}"#;
        let read = serde_json::from_str(vector);
        assert!(matches!(read, Ok(Test::Vector { .. })));
    }
}
