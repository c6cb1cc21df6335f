//! What the tests share.
pub mod goldens;
pub mod interpreter;
pub mod random;
pub mod targets;
pub mod threads;
pub mod wasm;
