//! Text from a decoder model: up to [`SEQUENCES`] streams, one decode for all of them at a time.
//!
//! A stream is admitted when the cells that it may need at most are free, so a
//! decode never fails for want of room; others wait in their order.

use std::collections::HashSet;
use std::io;

use aios_contracts::v1;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use tonic::Status;

use super::sampling::Picker;
use super::text::TextOut;
use super::{Out, Queue, SEQUENCES};
use crate::wire::{Command, Event};

/// Tokens in one decode: a longer prompt is read in several, so that others'
/// streams go on and a cancel is seen soon.
pub(super) const BATCH: u32 = 256;
/// Tokens to write when the request does not say.
const TOKENS_DEFAULT: u32 = 256;
/// Stop strings in a request, and bytes in each.
const STOPS_MAX: usize = 16;
const STOP_BYTES_MAX: usize = 256;
/// Bytes of prompt for each token of the context; more cannot be meant to fit.
const BYTES_PER_TOKEN: usize = 64;

/// One request being answered.
struct Stream {
    id: u64,
    /// The sequence's number in the context.
    sequence: i32,
    prompt: Vec<LlamaToken>,
    /// Tokens of the prompt that were decoded.
    read: usize,
    /// The token to decode next, once the prompt was read.
    next: Option<LlamaToken>,
    written: u32,
    /// Tokens that it may write.
    limit: u32,
    picker: Picker,
    text: TextOut,
    /// Its row of logits in the current decode.
    row: Option<i32>,
}

impl Stream {
    /// Cells that it holds at most.
    fn reserved(&self) -> usize {
        self.prompt.len() + self.limit as usize
    }
}

/// A decoder and its one context.
pub(super) struct Generator<'m> {
    model: &'m LlamaModel,
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    streams: Vec<Stream>,
}

impl<'m> Generator<'m> {
    pub(super) fn new(model: &'m LlamaModel, context: LlamaContext<'m>) -> Self {
        let batch = LlamaBatch::new(context.n_batch() as usize, 1);
        Self {
            model,
            context,
            batch,
            streams: Vec::new(),
        }
    }

    /// Answers requests until the server has gone.
    pub(super) fn run(mut self, mut queue: Queue, out: &mut Out) -> io::Result<()> {
        while queue.refresh(self.streams.is_empty()) {
            self.give_up(&queue.cancelled())?;
            self.admit(&mut queue, out)?;
            if !self.streams.is_empty() {
                self.step(out)?;
            }
        }
        Ok(())
    }

    fn give_up(&mut self, cancelled: &HashSet<u64>) -> io::Result<()> {
        let is_cancelled = |stream: &Stream| cancelled.contains(&stream.id);
        while let Some(index) = self.streams.iter().position(is_cancelled) {
            self.remove(index)?;
        }
        Ok(())
    }

    /// Starts waiting requests while there is room.
    fn admit(&mut self, queue: &mut Queue, out: &mut Out) -> io::Result<()> {
        while let Some((id, command)) = queue.next() {
            let stream = match &command {
                Command::Generate(request) => self.prepare(id, request),
                _ => Err(Status::failed_precondition(
                    "the model generates text; it is no encoder",
                )),
            };
            match stream {
                Err(refusal) => out.fail(id, &refusal)?,
                Ok(stream) if self.has_room(&stream) => self.streams.push(stream),
                Ok(_) => {
                    queue.waiting.push_front((id, command));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn has_room(&self, stream: &Stream) -> bool {
        let reserved: usize = self.streams.iter().map(Stream::reserved).sum();
        stream.sequence < SEQUENCES as i32
            && reserved + stream.reserved() <= self.context.n_ctx() as usize
    }

    /// Checks a request and reads its prompt.
    fn prepare(&self, id: u64, request: &v1::GenerateRequest) -> Result<Stream, Status> {
        let room = self.context.n_ctx().min(self.model.n_ctx_train()) as usize;
        if request.prompt.len() > room * BYTES_PER_TOKEN {
            return Err(Status::out_of_range(format!(
                "a prompt of {} bytes; the model takes {room} tokens",
                request.prompt.len()
            )));
        }
        check_stops(&request.stop)?;
        let picker = Picker::new(self.model, request)?;
        let prompt = self
            .model
            .vocab()
            .tokenize(request.prompt.as_bytes(), true, false);
        if prompt.is_empty() {
            return Err(Status::invalid_argument("the prompt has no tokens"));
        }
        if prompt.len() >= room {
            return Err(Status::out_of_range(format!(
                "a prompt of {} tokens; the model takes {room} with the answer",
                prompt.len()
            )));
        }
        let wanted = match request.max_tokens {
            0 => TOKENS_DEFAULT,
            wanted => wanted,
        };
        let limit = (wanted as usize).min(room - prompt.len()) as u32;
        let taken: HashSet<i32> = self.streams.iter().map(|stream| stream.sequence).collect();
        let free = (0..).find(|sequence| !taken.contains(sequence));
        Ok(Stream {
            id,
            sequence: free.unwrap_or(i32::MAX),
            prompt,
            read: 0,
            next: None,
            written: 0,
            limit,
            picker,
            text: TextOut::new(request.stop.clone()),
            row: None,
        })
    }

    /// One decode, and what it gave each stream.
    fn step(&mut self, out: &mut Out) -> io::Result<()> {
        if let Err(refusal) = self.fill().and_then(|()| self.decode()) {
            while let Some(stream) = self.streams.first() {
                out.fail(stream.id, &refusal)?;
                self.remove(0)?;
            }
            return Ok(());
        }
        for index in (0..self.streams.len()).rev() {
            let Some(row) = self.streams[index].row.take() else {
                continue;
            };
            let stream = &mut self.streams[index];
            let piece = match stream.picker.pick(&self.context, row) {
                Ok(token) => advance(stream, self.model, token),
                Err(refusal) => {
                    out.fail(stream.id, &refusal)?;
                    self.remove(index)?;
                    continue;
                }
            };
            let done = piece.done;
            if done || !piece.text.is_empty() {
                out.send(stream.id, Event::Piece(piece))?;
            }
            if done {
                self.remove(index)?;
            }
        }
        Ok(())
    }

    /// Puts each stream's next token into the batch, then as much of the prompts as fits.
    fn fill(&mut self) -> Result<(), Status> {
        let full = |error| Status::internal(format!("the batch: {error}"));
        self.batch.clear();
        for stream in &mut self.streams {
            if let Some(token) = stream.next.take() {
                let position = (stream.prompt.len() + stream.written as usize - 1) as i32;
                stream.row = Some(self.batch.n_tokens());
                self.batch
                    .add(token, position, &[stream.sequence], true)
                    .map_err(full)?;
            }
        }
        for stream in &mut self.streams {
            let free = (self.context.n_batch() as i32 - self.batch.n_tokens()).max(0) as usize;
            let until = stream.prompt.len().min(stream.read + free);
            for position in stream.read..until {
                let last = position + 1 == stream.prompt.len();
                if last {
                    stream.row = Some(self.batch.n_tokens());
                }
                let token = stream.prompt[position];
                self.batch
                    .add(token, position as i32, &[stream.sequence], last)
                    .map_err(full)?;
            }
            stream.read = until;
        }
        Ok(())
    }

    fn decode(&mut self) -> Result<(), Status> {
        self.context
            .decode(&mut self.batch)
            .map_err(|error| Status::internal(format!("llama.cpp: {error}")))
    }

    /// Ends a stream and frees its cells.
    fn remove(&mut self, index: usize) -> io::Result<()> {
        let stream = self.streams.remove(index);
        let sequence = u32::try_from(stream.sequence).map_err(io::Error::other)?;
        self.context
            .clear_kv_cache_seq(Some(sequence), None, None)
            .map_err(io::Error::other)?;
        Ok(())
    }
}

/// Takes the chosen token into the stream; the piece of text that this makes ready.
fn advance(stream: &mut Stream, model: &LlamaModel, token: LlamaToken) -> v1::GenerateResponse {
    let vocabulary = model.vocab();
    if vocabulary.is_eog(token) {
        let reason = if stream.picker.has_grammar() {
            "grammar"
        } else {
            "stop"
        };
        let text = stream.text.finish();
        return last_piece(stream, text, reason);
    }
    stream.picker.accept(token);
    stream.written += 1;
    let ready = stream
        .text
        .push(&vocabulary.token_to_piece(token, false, None));
    if ready.stopped {
        return last_piece(stream, ready.text, "stop");
    }
    if stream.written == stream.limit {
        let text = ready.text + &stream.text.finish();
        return last_piece(stream, text, "length");
    }
    stream.next = Some(token);
    v1::GenerateResponse {
        text: ready.text,
        ..Default::default()
    }
}

fn last_piece(stream: &Stream, text: String, reason: &str) -> v1::GenerateResponse {
    v1::GenerateResponse {
        text,
        done: true,
        finish_reason: reason.to_owned(),
        prompt_tokens: stream.prompt.len() as u32,
        generated_tokens: stream.written,
    }
}

fn check_stops(stops: &[String]) -> Result<(), Status> {
    let fits = |stop: &String| (1..=STOP_BYTES_MAX).contains(&stop.len());
    if stops.len() <= STOPS_MAX && stops.iter().all(fits) {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "at most {STOPS_MAX} stop strings of 1 to {STOP_BYTES_MAX} bytes are possible"
    )))
}
