//! The test prompt of a model: `<model>.test.json` beside it.
//!
//! It is a real one: known sentences through the model's own tokenizer and
//! layers, judged by what they mean. A model that answers nonsense is not ready.

use std::io;
use std::path::{Path, PathBuf};

use aios_proto::v1;
use serde::Deserialize;

use crate::wire::{Command, Event};

/// What is asked, and how the answer is judged.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Test {
    /// Sentences: the paraphrase must be nearer than the unrelated one.
    Similarity {
        /// The sentence.
        text: Sentence,
        /// The same, said otherwise.
        paraphrase: Sentence,
        /// Something else.
        unrelated: Sentence,
        /// By how much nearer, as a difference of cosines.
        margin: f32,
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

/// A sentence of the embedding model's test.
#[derive(Clone, Debug, Deserialize)]
pub struct Sentence {
    text: String,
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
            Self::Similarity {
                text,
                paraphrase,
                unrelated,
                ..
            } => Command::Embed(v1::EmbedRequest {
                model,
                texts: [text, paraphrase, unrelated].map(|s| s.text.clone()).into(),
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
            (Self::Similarity { margin, .. }, Event::Embedded(answer)) => {
                let vectors = answer
                    .response
                    .as_ref()
                    .map(|response| &response.embeddings);
                judge_similarity(vectors.map_or(&[][..], Vec::as_slice), *margin)
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

fn judge_similarity(vectors: &[v1::Embedding], margin: f32) -> Result<String, String> {
    let [text, paraphrase, unrelated] = vectors else {
        return Err(format!("three sentences gave {} vectors", vectors.len()));
    };
    let (near, far) = (dot(text, paraphrase), dot(text, unrelated));
    let figures = format!("paraphrase {near:.2}, unrelated {far:.2}");
    // Not `near <= far + margin`: a NaN must fail, too.
    if near > far + margin {
        Ok(figures)
    } else {
        Err(format!(
            "the model does not tell sentences apart: {figures}"
        ))
    }
}

fn dot(a: &v1::Embedding, b: &v1::Embedding) -> f32 {
    a.values.iter().zip(&b.values).map(|(x, y)| x * y).sum()
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
        .map_err(|error| format!("the heads: {}", crate::chain(&error)))?;
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

    fn vector(values: [f32; 2]) -> v1::Embedding {
        v1::Embedding {
            values: values.into(),
        }
    }

    #[test]
    fn sentences_that_all_look_alike_or_are_no_numbers_fail() {
        let check = |a, b, c, passes| {
            let vectors = [a, b, c].map(vector);
            assert_eq!(
                judge_similarity(&vectors, 0.3).is_ok(),
                passes,
                "{b:?} {c:?}"
            );
        };
        check([1.0, 0.0], [0.8, 0.6], [0.0, 1.0], true);
        check([1.0, 0.0], [1.0, 0.0], [1.0, 0.0], false);
        check([1.0, 0.0], [0.0, 1.0], [1.0, 0.0], false);
        check([f32::NAN, 0.0], [1.0, 0.0], [0.0, 1.0], false);
    }

    #[test]
    fn both_kinds_of_test_are_read() {
        let act = r#"{"text":"reboot","token_ids":[101,102],"expected_act":"x"}"#;
        assert!(matches!(serde_json::from_str(act), Ok(Test::Act { .. })));
        let sentence = r#"{"text":"a","token_ids":[101,102]}"#;
        let similarity = format!(
            r#"{{"text":{sentence},"paraphrase":{sentence},"unrelated":{sentence},"margin":0.3}}"#
        );
        let read = serde_json::from_str(&similarity);
        assert!(matches!(read, Ok(Test::Similarity { .. })));
    }
}
