//! Goldens from real Keras, Keras 1 to 3: layers through all seams, whole networks through the emitted code.

use keras_compile_tests::cases::try_goldens;
use keras_compile_tests::stages::{Depth, check};

#[test]
fn layers() {
    try_goldens("layers", |case| check(case, Depth::All));
}

#[test]
fn networks() {
    try_goldens("networks", |case| check(case, Depth::Code));
}
