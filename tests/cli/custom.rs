//! What the command says about Python code: functions of Lambda layers and classes of the user's.

use crate::support::{self, root};

/// What the command says beside the files with Python code.
fn transcripts(name: &str, lines: &[&[&str]]) {
    support::transcripts(name, &root().join("tests/goldens/custom"), lines);
}

#[test]
fn functions_of_lambdas() {
    transcripts(
        "lambda",
        &[
            &["k2-distance.h5", "--out", "OUT"],
            &["k2-distance.h5", "--out", "OUT", "--lambda", "distance"],
            &["k2-distance.h5", "--out", "OUT", "--lambda", "distance=a +"],
            &["k2-distance.h5", "--out", "OUT", "--lambda", "distance=y * 2"],
            &["k2-distance.h5", "--out", "OUT", "--lambda", "other=x"],
            &[
                "k2-distance.h5",
                "--out",
                "OUT",
                "--lambda",
                "distance=x",
                "--lambda",
                "distance=x",
            ],
            &[
                "inspect",
                "k2-distance.h5",
                "--lambda",
                "distance=lambda a, b: K.abs(a - b)",
            ],
        ],
    );
}

#[test]
fn classes_of_the_users() {
    transcripts(
        "custom",
        &[
            &["k3-network.keras", "--out", "OUT"],
            &["k2-network.h5", "--out", "OUT"],
            &["inspect", "k3-network.keras", "--custom", "custom.json"],
            &["k3-network.keras", "--out", "OUT", "--custom", "no-such.json"],
            &["k3-network.keras", "--out", "OUT", "--custom", "k3-network.keras"],
            &[
                "k3-network.keras",
                "--out",
                "OUT",
                "--custom",
                "k3-network-h5.golden.json",
            ],
            &[
                "k3-network.keras",
                "--out",
                "OUT",
                "--custom",
                "custom.json",
                "--custom",
                "custom.json",
            ],
            &["k2-distance.h5", "--out", "OUT", "--custom", "custom.json"],
        ],
    );
}
