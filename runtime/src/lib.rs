//! Serves local models (GGUF files) through llama.cpp.
//!
//! 1. **llama.cpp never runs in the server.** Each model has a worker process:
//!    this same executable, spoken to over a socket pair. A crash, a kill or a
//!    hostile file costs that model's callers their calls in flight
//!    (`UNAVAILABLE`), and nobody else anything.
//! 2. **What is ready was tried.** A model with a test prompt is `READY` only
//!    after it answered it as expected, at every load; `READY=1` goes out when
//!    all built-in models are.
//! 3. **Checked before C++ sees it.** A file's header and bounds ([`gguf`]), a
//!    request's lengths, ids, grammar and sampling: llama.cpp aborts the process
//!    on several of them.
//! 4. **No endless retries.** A model that does not load three times running is
//!    `FAILED`, with the reason, until somebody asks for it again.
//! 5. **Everything queued is bounded**, and a request whose caller has gone is
//!    given up before the next decode.
//! 6. **Prompts are text.** No special token is ever parsed from one.
//!
//! The way of a call: [`service`] (who may call, wire types) to [`registry`]
//! (which model) to [`supervise`] (its worker) to [`worker`] (llama.cpp).
//! What must not live here: what a model's output means to the appliance; that
//! is the callers', except for the operator model's test prompt.

pub mod catalogue;
pub mod config;
pub mod gguf;
mod probe;
mod process;
pub mod registry;
pub mod server;
pub mod service;
pub mod supervise;
pub mod wire;
pub mod worker;

pub use config::Config;
