//! The contracts between the parts of aiOS: code generated from `aios/v1/*.proto`, whose comments are
//! the specification. What must not live here: anything else.

/// Generated messages, clients and servers of the package `aios.v1`.
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("aios.v1");
}
