//! A TCP port that strangers can reach: who gets a place, and who goes for another.
//!
//! 1. **Whoever is not known yet takes nothing from those who are.** Silent peers and handshakes have
//!    places of their own; when they are full, the oldest goes, not the newest ([`admission`]).
//! 2. **Nobody takes the places of others**: handshakes are limited by source address, connections by
//!    whoever holds them (a certificate), and the last places are kept for those who may do most.
//! 3. **A connection that works is not closed for another**: only a quiet one goes ([`Busy`]).
//! 4. What is decided is pure; sockets, TLS and timers are in [`accept`].
//!
//! What must not live here: what a peer may do once it has a place.

pub mod accept;
pub mod admission;
pub mod busy;

pub use accept::{Connection, Doorkeeper, Visit, accept};
pub use admission::{Limits, Rank, Standing};
pub use busy::Busy;
