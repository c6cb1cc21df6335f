//! What the tests share.
pub mod bundles;
pub mod cases;
pub mod goldens;
pub mod gpu;
pub mod graphs;
pub mod hashes;
pub mod interpreter;
pub mod random;
pub mod stages;
pub mod strings;
pub mod targets;
pub mod threads;
pub mod wasm;
