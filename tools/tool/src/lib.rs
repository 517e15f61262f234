//! `aios-tool`: what a tool is.
//!
//! 1. **A tool is its typed arguments** ([`argument`]). An argument's type says how the argument is
//!    resolved, which secrets it may not touch, which capability and lock a call needs for it, what
//!    the confined act may reach, and its JSON Schema with `x-aios-kind`. A plain `String` or
//!    `PathBuf` is not an argument, so a guard cannot be forgotten.
//! 2. A tool that looks ([`tool::Look`]) and a tool that changes something ([`tool::Change`]) are
//!    different traits. Only the second has a preview, a post-condition, an undo and a check of them.
//!    Of a tool whose whole effect is what is at some paths, all of that follows from its plan
//!    ([`edit::Edit`]).
//! 3. Specifications ([`spec::Spec`]) are owned data, so that a tool may come from this program, from
//!    a WebAssembly component or from an MCP server.
//! 4. Arguments are parsed once and checked once ([`schema::check`]). What comes out is a
//!    [`tool::Prepared`] call, which holds the typed arguments until the act.
//! 5. What a change would do is shown before it is done ([`preview`]), by looking only.
//! 6. What takes an act back is an [`undo::Inverse`]: file steps, a captured set of
//!    changes, or another call.
//!
//! What must not live here: a server, the ledger, the decision whether a caller may do something
//! (all in the daemon, `aios-tools`), and any single tool.

pub mod argument;
pub mod budget;
pub mod built_in;
pub mod changes;
pub mod context;
pub mod demand;
pub mod edit;
pub mod error;
pub mod file;
pub mod format;
pub mod prelude;
pub mod preview;
pub mod schema;
pub mod spec;
pub mod tool;
pub mod undo;
