//! What the tests share.
pub mod goldens;
pub mod random;
pub mod threads;
pub mod wasm;
