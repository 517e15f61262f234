//! The two small heads over the trunk's token states: which act, and which tokens are arguments.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::BrainError;
use crate::decode::{linear, pool, runs, softmax};
use crate::safetensors::{self, Tensor};

/// What the heads read out of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The likeliest label: a tool, a skill, `none`, `done` or `ask`.
    pub act: String,
    /// Calibrated probability of `act`.
    pub confidence: f32,
    /// The next likeliest labels, best first.
    pub alternatives: Vec<(String, f32)>,
    /// Where the act's arguments are.
    pub slots: Vec<SlotSpan>,
}

/// One argument, as a run of tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotSpan {
    /// The parameter's name.
    pub slot: String,
    /// First token.
    pub token_start: usize,
    /// One past the last token.
    pub token_end: usize,
    /// The least certain of its tokens' probabilities.
    pub confidence: f32,
}

/// The heads' weights and labels.
pub struct Heads {
    description: Description,
    /// For each act, whether it has each slot.
    allowed: Vec<Vec<bool>>,
    query: Vec<f32>,
    act: Linear,
    tag: Linear,
}

struct Linear {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// `operator.json`: what the rows of the heads mean.
#[derive(Deserialize)]
struct Description {
    format: u32,
    width: usize,
    /// Labels, in the order of the rows of `act.weight`.
    acts: Vec<String>,
    /// Names of all slots; tag `2 i + 1` starts slot `i`, `2 i + 2` goes on with it.
    slots: Vec<String>,
    /// Which slots each act has.
    parameters: BTreeMap<String, Vec<String>>,
    temperature: f32,
    thresholds: Thresholds,
    /// Identifies data, code and settings of the training.
    recipe: String,
}

/// How sure the model has to be, 0 to 1, chosen on sentences of a writer who is not in training.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Thresholds {
    /// To look at something: a wrong look costs little.
    pub look: f32,
    /// To change something.
    pub change: f32,
    /// To take a goal as done.
    pub done: f32,
}

/// How many alternatives a decision lists.
const ALTERNATIVES: usize = 4;

impl Heads {
    /// Reads `operator.json` and `operator.heads.safetensors` from the folder.
    pub fn load(dir: &Path) -> Result<Self, BrainError> {
        let read = |name: &str| {
            let path = dir.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok((path, bytes)),
                Err(source) => Err(BrainError::Read { path, source }),
            }
        };
        let (path, bytes) = read("operator.json")?;
        let description: Description =
            serde_json::from_slice(&bytes).map_err(|e| BrainError::Format {
                path,
                detail: e.to_string(),
            })?;
        let (path, bytes) = read("operator.heads.safetensors")?;
        safetensors::parse(&bytes)
            .and_then(|tensors| Self::new(description, tensors))
            .map_err(|detail| BrainError::Format { path, detail })
    }

    fn new(
        description: Description,
        mut tensors: BTreeMap<String, Tensor>,
    ) -> Result<Self, String> {
        if description.format != 2 {
            return Err(format!(
                "operator.json has format {}, not 2",
                description.format
            ));
        }
        if description.width == 0 || !description.temperature.is_normal() {
            return Err("operator.json: width or temperature is not usable".into());
        }
        let (width, acts) = (description.width, description.acts.len());
        let tags = 1 + 2 * description.slots.len();
        let query = take(&mut tensors, "pool.query", &[width])?;
        let act = Linear::take(&mut tensors, "act", acts, 2 * width)?;
        let tag = Linear::take(&mut tensors, "tag", tags, width)?;
        let allowed = description
            .acts
            .iter()
            .map(|act| description.slots_of(act))
            .collect();
        Ok(Self {
            description,
            allowed,
            query,
            act,
            tag,
        })
    }

    /// Values per token that [`Heads::decide`] expects.
    pub fn width(&self) -> usize {
        self.description.width
    }

    /// Every label the model can give.
    pub fn acts(&self) -> &[String] {
        &self.description.acts
    }

    /// The parameters that the model knows of a tool or skill.
    pub fn parameters(&self, act: &str) -> &[String] {
        self.description
            .parameters
            .get(act)
            .map_or(&[], Vec::as_slice)
    }

    /// Identifies the training that these weights came from.
    pub fn recipe(&self) -> &str {
        &self.description.recipe
    }

    /// How sure the model has to be.
    pub fn thresholds(&self) -> Thresholds {
        self.description.thresholds
    }

    /// Reads the act and its arguments out of the states of a sequence
    /// (row-major, `tokens` rows of `width` values).
    pub fn decide(
        &self,
        states: &[f32],
        tokens: usize,
        width: usize,
    ) -> Result<Decision, BrainError> {
        let fits = width == self.width() && tokens > 0 && states.len() == tokens * width;
        if !fits || states.iter().any(|value| !value.is_finite()) {
            return Err(BrainError::States {
                detail: format!(
                    "{} values for {tokens} tokens of {width}; finite ones of {} are needed",
                    states.len(),
                    self.width()
                ),
            });
        }
        let pooled = pool(states, width, &self.query);
        let logits = linear(&self.act.weight, &self.act.bias, &pooled);
        let probabilities = softmax(&logits, self.description.temperature);
        let mut ranked: Vec<(usize, f32)> = probabilities.into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let Some((act, confidence)) = ranked.first().copied() else {
            return Err(BrainError::States {
                detail: "the model has no labels".into(),
            });
        };
        Ok(Decision {
            act: self.description.acts[act].clone(),
            confidence,
            alternatives: ranked
                .iter()
                .skip(1)
                .take(ALTERNATIVES)
                .map(|(act, p)| (self.description.acts[*act].clone(), *p))
                .collect(),
            slots: self.spans(states, &self.allowed[act]),
        })
    }

    /// The arguments among the slots that the act has; only these compete, as in training.
    fn spans(&self, states: &[f32], allowed: &[bool]) -> Vec<SlotSpan> {
        if !allowed.contains(&true) {
            return Vec::new();
        }
        let scores: Vec<Vec<f32>> = states
            .chunks_exact(self.width())
            .map(|state| {
                let mut logits = linear(&self.tag.weight, &self.tag.bias, state);
                for (tag, logit) in logits.iter_mut().enumerate().skip(1) {
                    if !allowed[(tag - 1) / 2] {
                        *logit = f32::NEG_INFINITY;
                    }
                }
                softmax(&logits, 1.0)
                    .into_iter()
                    .map(|p| p.max(1e-9).ln())
                    .collect()
            })
            .collect();
        runs(&scores, |slot| allowed[slot])
            .into_iter()
            .map(|run| {
                let later = scores[run.start + 1..run.end]
                    .iter()
                    .map(|row| row[2 * run.slot + 2]);
                let least = later.fold(scores[run.start][2 * run.slot + 1], f32::min);
                SlotSpan {
                    slot: self.description.slots[run.slot].clone(),
                    token_start: run.start,
                    token_end: run.end,
                    confidence: least.exp(),
                }
            })
            .collect()
    }
}

impl Description {
    fn slots_of(&self, act: &str) -> Vec<bool> {
        let parameters = self.parameters.get(act);
        self.slots
            .iter()
            .map(|slot| parameters.is_some_and(|p| p.contains(slot)))
            .collect()
    }
}

impl Linear {
    fn take(
        tensors: &mut BTreeMap<String, Tensor>,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Self, String> {
        Ok(Self {
            weight: take(tensors, &format!("{name}.weight"), &[rows, columns])?,
            bias: take(tensors, &format!("{name}.bias"), &[rows])?,
        })
    }
}

fn take(
    tensors: &mut BTreeMap<String, Tensor>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, String> {
    let tensor = tensors
        .remove(name)
        .ok_or_else(|| format!("the tensor {name} is missing"))?;
    if tensor.shape != shape {
        return Err(format!(
            "{name} has shape {:?}, not {shape:?}",
            tensor.shape
        ));
    }
    Ok(tensor.values)
}

#[cfg(test)]
#[path = "heads_tests.rs"]
mod tests;
