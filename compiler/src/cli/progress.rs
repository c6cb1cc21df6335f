//! Progress on stderr: a bar on a terminal, a line per stage elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use keras_compile::text::printable;
use keras_compile::{Progress, Stage};
use std::io::{IsTerminal, stderr};
use std::time::Instant;

/// Length of the bar.
const WHOLE: u64 = 1000;

/// Shows how far a compilation is.
pub struct Reporter {
    quiet: bool,
    verbose: bool,
    /// Present on a terminal.
    bar: Option<ProgressBar>,
    since: Option<(Stage, Instant)>,
}

impl Reporter {
    /// Chooses between a bar, lines and silence.
    pub fn new(quiet: bool, verbose: bool) -> Self {
        let bar = (!quiet && stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:32} {msg}");
            ProgressBar::new(WHOLE).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            quiet,
            verbose,
            bar,
            since: None,
        }
    }

    /// The work ended, well or not.
    pub fn finish(&mut self) {
        self.leave();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Prints what the user should know.
    pub fn notes(&self, notes: &[String]) {
        notes
            .iter()
            .for_each(|note| eprintln!("note: {}", printable(note)));
    }

    /// With `--verbose`, says how long the stage took.
    fn leave(&mut self) {
        if let (Some((stage, begin)), true, None) = (self.since.take(), self.verbose, &self.bar) {
            eprintln!("{stage} took {:.3} s", begin.elapsed().as_secs_f64());
        }
    }
}

impl Progress for Reporter {
    fn stage(&mut self, stage: Stage) {
        self.leave();
        self.since = Some((stage, Instant::now()));
        match &self.bar {
            Some(bar) => {
                bar.set_message(stage.to_string());
                bar.set_position(start(stage));
            }
            None if self.quiet || self.verbose => {}
            None => eprintln!("{stage}"),
        }
    }

    fn written(&mut self, bytes: u64, total: u64) {
        if let Some(bar) = &self.bar {
            let begin = start(Stage::Write);
            bar.set_position(begin + (WHOLE - begin) * bytes / total.max(1));
        }
    }
}

/// Where a stage begins on the bar, by how long stages take on large models.
fn start(stage: Stage) -> u64 {
    match stage {
        Stage::Read => 0,
        Stage::Lower => 350,
        Stage::Optimise => 450,
        Stage::Plan => 600,
        Stage::Emit => 750,
        Stage::Write => 850,
    }
}
