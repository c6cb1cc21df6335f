//! Mutated files and architectures through the whole compiler, each from the number that seeds it: whatever comes, there
//! is no panic, no internal error, no wrong number and no long wait. Seeds are the goldens.
//!
//! The numbers of runs suit a test of a minute. For a longer one, with another place to start from:
//!
//! ```sh
//! FUZZ_RUNS=1000000 FUZZ_START=0 cargo test --release -p keras-compile-tests --test fuzz -- --nocapture architectures
//! ```

mod architectures;
mod compile;
mod files;
mod mutate;
mod runner;

use runner::{Runner, Stage};

#[test]
fn architectures() {
    let seeds = architectures::Seeds::new();
    let tally = Runner::new("architectures", 150_000).run(move |number| architectures::run(&seeds, number));
    // Mutants that are all refused at once would show nothing.
    assert!(tally.share(Stage::Emitted) > 0.25, "{tally}");
}

#[test]
fn hdf5_files() {
    let seeds = files::hdf5();
    let tally = Runner::new("hdf5 files", 100_000).run(move |number| files::damaged(&seeds, number));
    assert!(tally.share(Stage::Emitted) > 0.1, "{tally}");
}

#[test]
fn archives() {
    let seeds = files::archives();
    let tally = Runner::new("archives", 50_000).run(move |number| seeds.run(number));
    assert!(tally.share(Stage::Emitted) > 0.1, "{tally}");
}

#[test]
fn manifests() {
    let bundle = files::Bundle::new();
    let tally = Runner::new("manifests", 300_000).run(move |number| bundle.run(number));
    assert!(tally.share(Stage::Read) > 0.05, "{tally}");
}
