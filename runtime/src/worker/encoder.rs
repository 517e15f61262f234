//! Token states and sentence vectors of an encoder model.

use std::io;

use aios_contracts::v1;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use tonic::Status;

use super::{Out, Queue, SEQUENCES};
use crate::wire::{Command, Embedded, Event};

/// Texts in one `Embed`.
const TEXTS_MAX: usize = 256;
/// Tokens that are computed together when several texts are embedded: more
/// gains nothing, and makes the wait of whoever comes next longer.
const GROUP_TOKENS: usize = 256;
/// Bytes of text read for each token of the context; a word has fewer.
const BYTES_PER_TOKEN: usize = 32;

/// An encoder and its one context.
pub(super) struct Encoder<'m> {
    model: &'m LlamaModel,
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
}

impl<'m> Encoder<'m> {
    pub(super) fn new(model: &'m LlamaModel, context: LlamaContext<'m>) -> Self {
        let batch = LlamaBatch::new(context.n_ctx() as usize, 1);
        Self {
            model,
            context,
            batch,
        }
    }

    /// Answers requests one after the other until the server has gone.
    pub(super) fn run(mut self, mut queue: Queue, out: &mut Out) -> io::Result<()> {
        while queue.refresh(true) {
            queue.cancelled(); // what runs here ends before a cancel is seen
            let Some((id, command)) = queue.next() else {
                continue;
            };
            let answer = match command {
                Command::Encode(request) => self.encode(&request).map(Event::Encoded),
                Command::Embed(request) => self.embed(&request).map(Event::Embedded),
                _ => Err(Status::failed_precondition(
                    "the model is an encoder; it does not generate text",
                )),
            };
            match answer {
                Ok(event) => out.send(id, event)?,
                Err(refusal) => out.fail(id, &refusal)?,
            }
        }
        Ok(())
    }

    fn encode(&mut self, request: &v1::EncodeRequest) -> Result<v1::EncodeResponse, Status> {
        let width = self.width()?;
        let vocabulary = self.model.n_vocab();
        let tokens = check_ids(&request.token_ids, self.limit(), vocabulary)?;
        let largest = aios_daemon::socket::MESSAGE_MAX / (width * size_of::<f32>() + 1);
        if tokens.len() > largest {
            return Err(Status::out_of_range(format!(
                "the states of {} tokens do not fit into an answer; those of {largest} do",
                tokens.len()
            )));
        }
        self.compute(std::slice::from_ref(&tokens))?;
        let mut states = Vec::with_capacity(tokens.len() * width);
        for row in 0..tokens.len() {
            states.extend_from_slice(self.state(row)?);
        }
        Ok(v1::EncodeResponse {
            tokens: tokens.len() as u32,
            width: width as u32,
            states,
        })
    }

    fn embed(&mut self, request: &v1::EmbedRequest) -> Result<Embedded, Status> {
        if request.texts.is_empty() || request.texts.len() > TEXTS_MAX {
            return Err(Status::invalid_argument(format!(
                "{} texts; 1 to {TEXTS_MAX} can be embedded at once",
                request.texts.len()
            )));
        }
        let mut truncated = Vec::new();
        let mut sequences = Vec::with_capacity(request.texts.len());
        for (index, text) in (0..).zip(&request.texts) {
            let (tokens, whole) = self.tokenize(text)?;
            if !whole {
                truncated.push(index);
            }
            sequences.push(tokens);
        }
        let mut embeddings = Vec::with_capacity(sequences.len());
        for group in groups(&sequences, self.limit().min(GROUP_TOKENS)) {
            self.compute(group)?;
            let mut row = 0;
            for tokens in group {
                embeddings.push(self.mean(row, tokens.len())?);
                row += tokens.len();
            }
        }
        Ok(Embedded {
            response: Some(v1::EmbedResponse { embeddings }),
            truncated,
        })
    }

    /// The longest sequence, in tokens.
    fn limit(&self) -> usize {
        self.context.n_ctx().min(self.model.n_ctx_train()) as usize
    }

    fn width(&self) -> Result<usize, Status> {
        usize::try_from(self.model.n_embd_out())
            .map_err(|_| Status::internal("the model has no width"))
    }

    /// The text's tokens, at most as many as the model takes; and whether that is all of it.
    fn tokenize(&self, text: &str) -> Result<(Vec<LlamaToken>, bool), Status> {
        let limit = self.limit();
        let end = floor_char_boundary(text, limit * BYTES_PER_TOKEN);
        let vocabulary = self.model.vocab();
        let mut tokens = vocabulary.tokenize(&text.as_bytes()[..end], true, false);
        let mut whole = end == text.len();
        if tokens.len() > limit {
            whole = false;
            let last = tokens.last().copied(); // [SEP] ends a shortened text, too
            tokens.truncate(limit);
            if let (Some(last), Some(end)) = (last, tokens.last_mut()) {
                *end = last;
            }
        }
        if tokens.is_empty() {
            return Err(Status::invalid_argument("a text has no tokens"));
        }
        Ok((tokens, whole))
    }

    /// One pass over sequences that fit into it together.
    fn compute(&mut self, sequences: &[Vec<LlamaToken>]) -> Result<(), Status> {
        let total: usize = sequences.iter().map(Vec::len).sum();
        let fits = total > 0
            && total <= self.context.n_ubatch() as usize
            && sequences.len() <= SEQUENCES as usize;
        if !fits {
            // llama.cpp would abort: never give it this.
            return Err(Status::internal(format!("a batch of {total} tokens")));
        }
        self.batch.clear();
        for (sequence, tokens) in (0..).zip(sequences) {
            for (position, token) in (0..).zip(tokens) {
                self.batch
                    .add(*token, position, &[sequence], true)
                    .map_err(|error| Status::internal(error.to_string()))?;
            }
        }
        self.context
            .encode(&mut self.batch)
            .map_err(|error| Status::internal(format!("llama.cpp: {error}")))
    }

    /// The state of the token in this row of the last pass.
    fn state(&self, row: usize) -> Result<&[f32], Status> {
        let row = i32::try_from(row).map_err(|_| Status::internal("too many rows"))?;
        self.context
            .embeddings_ith(row)
            .map_err(|error| Status::internal(format!("llama.cpp: {error}")))
    }

    /// The normalised mean of the states of `count` rows from `first` on.
    fn mean(&self, first: usize, count: usize) -> Result<v1::Embedding, Status> {
        let mut values = vec![0.0_f32; self.width()?];
        for row in first..first + count {
            for (sum, value) in values.iter_mut().zip(self.state(row)?) {
                *sum += value;
            }
        }
        normalise(&mut values);
        Ok(v1::Embedding { values })
    }
}

/// The largest index of a character's beginning that is not beyond `most`.
fn floor_char_boundary(text: &str, most: usize) -> usize {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// Scales to length 1; a zero vector stays.
fn normalise(values: &mut [f32]) {
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    }
}

/// A request's token ids, when the model can take them.
fn check_ids(ids: &[u32], limit: usize, vocabulary: i32) -> Result<Vec<LlamaToken>, Status> {
    if ids.is_empty() {
        return Err(Status::invalid_argument("no token ids"));
    }
    if ids.len() > limit {
        return Err(Status::out_of_range(format!(
            "{} tokens; the model takes {limit}",
            ids.len()
        )));
    }
    ids.iter()
        .map(|id| match i32::try_from(*id) {
            Ok(token) if token < vocabulary => Ok(LlamaToken::new(token)),
            _ => Err(Status::invalid_argument(format!(
                "token id {id}; the vocabulary has {vocabulary}"
            ))),
        })
        .collect()
}

/// Splits sequences, in order, into what is computed together
/// (`most` tokens, unless one alone has more).
fn groups(sequences: &[Vec<LlamaToken>], most: usize) -> Vec<&[Vec<LlamaToken>]> {
    let mut groups = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (index, sequence) in sequences.iter().enumerate() {
        let full = tokens + sequence.len() > most || index - start == SEQUENCES as usize;
        if full && index > start {
            groups.push(&sequences[start..index]);
            (start, tokens) = (index, 0);
        }
        tokens += sequence.len();
    }
    groups.push(&sequences[start..]);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_would_abort_llama_are_refused() {
        let check = |ids: &[u32], passes| {
            assert_eq!(check_ids(ids, 4, 100).is_ok(), passes, "{ids:?}");
        };
        check(&[1, 2, 3, 99], true);
        check(&[], false);
        check(&[1; 5], false);
        check(&[100], false);
        check(&[u32::MAX], false);
    }

    #[test]
    fn groups_keep_the_order_and_the_limits() {
        let sequence = |length| vec![LlamaToken::new(0); length];
        let check = |lengths: &[usize], expected: &[usize]| {
            let sequences: Vec<_> = lengths.iter().copied().map(sequence).collect();
            let sizes: Vec<usize> = groups(&sequences, 256).iter().map(|g| g.len()).collect();
            assert_eq!(sizes, expected, "{lengths:?}");
        };
        check(&[5], &[1]);
        check(&[512], &[1]);
        check(&[100, 100, 100], &[2, 1]);
        check(&[512, 1, 512], &[1, 1, 1]);
        check(&[1; 20], &[8, 8, 4]);
    }

    #[test]
    fn a_zero_vector_does_not_become_nan() {
        let mut values = [0.0, 0.0];
        normalise(&mut values);
        assert_eq!(values, [0.0, 0.0]);
        let mut values = [3.0, 4.0];
        normalise(&mut values);
        assert!((values[0] - 0.6).abs() < 1e-6 && (values[1] - 0.8).abs() < 1e-6);
    }
}
