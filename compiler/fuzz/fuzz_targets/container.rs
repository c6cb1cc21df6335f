//! Any bytes as a model file: `.h5`, `.keras`, JSON or nothing of the kind.
#![no_main]

use keras_compile::keras::{Input, read_inputs};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = read_inputs(Input::Bytes("fuzz", bytes), None);
});
