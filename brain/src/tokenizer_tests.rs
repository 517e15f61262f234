//! Written with the first weights.
