//! Tests of the passes.

mod differential;
mod random;
mod tapes;
