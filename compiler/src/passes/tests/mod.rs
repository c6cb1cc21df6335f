//! Tests of the passes.

mod cases;
mod chains;
mod differential;
mod layers;
mod random;
mod snapshots;
mod tapes;
mod units;
