//! Tests of the passes.

mod cases;
mod differential;
mod layers;
mod random;
mod snapshots;
mod tapes;
mod units;
