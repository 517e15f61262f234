//! What the server and a worker say to each other: length-prefixed protobuf frames.
//!
//! Both ends are this same executable, so there is no version. A frame is a
//! 32-bit little-endian length and that many bytes.

use std::io::{self, Read, Write};

use aios_contracts::v1;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The largest frame, in bytes: above every message that the gRPC side accepts.
const FRAME_MAX: usize = 16 * 1024 * 1024;

/// To a worker.
#[derive(Clone, PartialEq, Message)]
pub struct ToWorker {
    /// Which request; answers carry the same.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What to do.
    #[prost(oneof = "Command", tags = "2, 3, 4, 5, 6")]
    pub command: Option<Command>,
}

/// What a worker can be asked.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Command {
    /// The first frame, once: load the model.
    #[prost(message, tag = "2")]
    Load(Load),
    /// The state of every token.
    #[prost(message, tag = "3")]
    Encode(v1::EncodeRequest),
    /// One vector for each text.
    #[prost(message, tag = "4")]
    Embed(v1::EmbedRequest),
    /// Text after a prompt.
    #[prost(message, tag = "5")]
    Generate(v1::GenerateRequest),
    /// The request of this id is not wanted any more; it is not answered.
    #[prost(message, tag = "6")]
    Cancel(Cancel),
}

/// Which model, and how much it may use.
#[derive(Clone, PartialEq, Message)]
pub struct Load {
    /// The GGUF file.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Threads of ggml.
    #[prost(uint32, tag = "2")]
    pub threads: u32,
    /// Tokens that the context holds.
    #[prost(uint32, tag = "3")]
    pub context_tokens: u32,
    /// Decoder (true) or encoder.
    #[prost(bool, tag = "4")]
    pub generates: bool,
}

/// Nothing but the frame's id.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Cancel {}

/// From a worker.
#[derive(Clone, PartialEq, Message)]
pub struct FromWorker {
    /// Which request.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What came of it.
    #[prost(oneof = "Event", tags = "2, 3, 4, 5, 6")]
    pub event: Option<Event>,
}

/// What a worker answers.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Event {
    /// The model is loaded.
    #[prost(message, tag = "2")]
    Loaded(Loaded),
    /// Answer to `Encode`.
    #[prost(message, tag = "3")]
    Encoded(v1::EncodeResponse),
    /// Answer to `Embed`.
    #[prost(message, tag = "4")]
    Embedded(Embedded),
    /// A piece of generated text; the last has `done`.
    #[prost(message, tag = "5")]
    Piece(v1::GenerateResponse),
    /// The request cannot be done.
    #[prost(message, tag = "6")]
    Failed(Failure),
}

impl Event {
    /// Does nothing more follow for this request?
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Piece(piece) if !piece.done)
    }
}

/// How long the steps of loading took.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Loaded {
    /// Mapping the file and building the vocabulary, in milliseconds.
    #[prost(uint64, tag = "1")]
    pub model_ms: u64,
    /// Making the context, in milliseconds.
    #[prost(uint64, tag = "2")]
    pub context_ms: u64,
}

/// Vectors, and which of the texts did not fit.
#[derive(Clone, PartialEq, Message)]
pub struct Embedded {
    /// One normalised vector for each text.
    #[prost(message, optional, tag = "1")]
    pub response: Option<v1::EmbedResponse>,
    /// Indexes of the texts of which only the beginning was read.
    #[prost(uint32, repeated, tag = "2")]
    pub truncated: Vec<u32>,
}

/// A gRPC status.
#[derive(Clone, PartialEq, Message)]
pub struct Failure {
    /// The status code's number.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What happened.
    #[prost(string, tag = "2")]
    pub message: String,
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a frame of {length} bytes"),
    )
}

fn framed(message: &impl Message) -> io::Result<Vec<u8>> {
    let length = message.encoded_len();
    if length > FRAME_MAX {
        return Err(too_long(length));
    }
    let mut frame = Vec::with_capacity(4 + length);
    frame.extend((length as u32).to_le_bytes());
    message.encode(&mut frame).map_err(io::Error::other)?;
    Ok(frame)
}

fn length_of(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length > FRAME_MAX {
        return Err(too_long(length));
    }
    Ok(length)
}

/// Writes one message, waiting until it is out.
///
/// # Errors
/// When the other end is gone, or the message is too large.
pub fn write(to: &mut impl Write, message: &impl Message) -> io::Result<()> {
    to.write_all(&framed(message)?)
}

/// Reads one message, waiting for it.
///
/// # Errors
/// When the other end is gone or does not speak this protocol.
pub fn read<M: Message + Default>(from: &mut impl Read) -> io::Result<M> {
    let mut header = [0; 4];
    from.read_exact(&mut header)?;
    let mut bytes = vec![0; length_of(header)?];
    from.read_exact(&mut bytes)?;
    M::decode(bytes.as_slice()).map_err(io::Error::other)
}

/// [`write`] for the server's side.
///
/// # Errors
/// As there.
pub async fn send(to: &mut (impl AsyncWriteExt + Unpin), message: &impl Message) -> io::Result<()> {
    to.write_all(&framed(message)?).await
}

/// [`read`] for the server's side.
///
/// # Errors
/// As there.
pub async fn receive<M: Message + Default>(
    from: &mut (impl AsyncReadExt + Unpin),
) -> io::Result<M> {
    let mut header = [0; 4];
    from.read_exact(&mut header).await?;
    let mut bytes = vec![0; length_of(header)?];
    from.read_exact(&mut bytes).await?;
    M::decode(bytes.as_slice()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_lying_length_is_an_error() {
        let message = ToWorker {
            id: 7,
            command: Some(Command::Cancel(Cancel {})),
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &message).unwrap();
        assert_eq!(read::<ToWorker>(&mut bytes.as_slice()).unwrap(), message);
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(read::<ToWorker>(&mut bytes.as_slice()).is_err());
    }
}
