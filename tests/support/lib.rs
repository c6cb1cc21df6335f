//! What the tests share.
pub mod random;
pub mod wasm;
pub mod goldens;
