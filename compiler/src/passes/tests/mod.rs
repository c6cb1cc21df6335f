//! Tests of the passes.

mod chains;
mod differential;
mod files;
mod layers;
mod random;
mod tapes;
mod units;
