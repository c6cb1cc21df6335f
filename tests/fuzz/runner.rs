//! Runs a target over and over, and tells what came of it.

use keras_compile::error::{Error, ErrorKind, Errors};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// After so long a run counts as endless. A busy machine may let none go on for seconds; the tally has the slowest.
const TIME: Duration = Duration::from_secs(60);

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing could be read.
    Refused,
    /// The file was read.
    Read,
    /// There was a graph.
    Lowered,
    /// There was a module, and it is valid.
    Emitted,
    /// Its numbers were compared with the reference's.
    Compared,
}

/// What came of a run: the stage it reached, or what must not be.
pub type Outcome = Result<Stage, String>;

/// The outcome of a stage that could not be finished: every problem that has a name is well.
pub fn refused(errors: impl Into<Errors>, stage: Stage) -> Outcome {
    let errors = errors.into();
    let internal = |error: &&Error| matches!(error.kind, ErrorKind::Internal(_));
    match errors.as_slice().iter().find(internal) {
        Some(error) => Err(error.to_string()),
        None => Ok(stage),
    }
}

/// What came of all runs.
#[derive(Default)]
pub struct Tally {
    name: &'static str,
    runs: u64,
    stages: BTreeMap<Stage, u64>,
    slowest: (Duration, u64),
    /// Failures by their text, with the number of the first run that had them and how many had.
    failures: BTreeMap<String, (u64, u64)>,
}

impl Tally {
    /// The part of all runs that came so far or further.
    pub fn share(&self, stage: Stage) -> f64 {
        let further: u64 = self.stages.range(stage..).map(|(_, count)| count).sum();
        further as f64 / self.runs.max(1) as f64
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} runs", self.name, self.runs)?;
        for (stage, count) in &self.stages {
            write!(f, ", {count} {}", format!("{stage:?}").to_lowercase())?;
        }
        let (time, number) = self.slowest;
        write!(f, "; slowest {} ms (run {number})", time.as_millis())?;
        if let Some(peak) = peak_memory() {
            write!(f, ", largest memory {} MB", peak >> 10)?;
        }
        for (text, (first, count)) in &self.failures {
            write!(f, "\n  {count} times, first in run {first}: {text}")?;
        }
        Ok(())
    }
}

fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A target and how often it is run.
pub struct Runner {
    name: &'static str,
    runs: u64,
    start: u64,
}

impl Runner {
    /// A target that is run so often unless the environment says otherwise.
    pub fn new(name: &'static str, runs: u64) -> Self {
        let number = |key: &str| std::env::var(key).ok()?.parse().ok();
        Self {
            name,
            runs: number("FUZZ_RUNS").unwrap_or(runs),
            start: number("FUZZ_START").unwrap_or(0),
        }
    }

    /// Runs the target with the numbers from the start on.
    ///
    /// # Panics
    /// When a run panics, takes too long or reports a failure.
    pub fn run(self, target: impl Fn(u64) -> Outcome + Send + 'static) -> Tally {
        let (done, finished) = mpsc::channel();
        let current = Arc::new(AtomicU64::new(self.start));
        let (at, name, range) = (
            Arc::clone(&current),
            self.name,
            self.start..self.start + self.runs,
        );
        std::thread::Builder::new()
            .stack_size(8 << 20)
            .spawn(move || done.send(all(name, range, &at, &target)))
            .expect("a thread");
        let tally = loop {
            let before = current.load(Ordering::Relaxed);
            match finished.recv_timeout(TIME) {
                Ok(tally) => break tally,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let now = current.load(Ordering::Relaxed);
                    assert!(now > before, "{name}: run {now} takes longer than {TIME:?}");
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{name}: the thread is gone"),
            }
        };
        println!("{tally}");
        assert!(tally.failures.is_empty(), "{tally}");
        tally
    }
}

fn all(
    name: &'static str,
    range: std::ops::Range<u64>,
    current: &AtomicU64,
    target: &impl Fn(u64) -> Outcome,
) -> Tally {
    let mut tally = Tally {
        name,
        ..Tally::default()
    };
    for number in range {
        current.store(number, Ordering::Relaxed);
        let start = Instant::now();
        let outcome = quietly(|| target(number)).unwrap_or_else(|text| Err(format!("panic: {text}")));
        tally.slowest = tally.slowest.max((start.elapsed(), number));
        tally.runs += 1;
        match outcome {
            Ok(stage) => *tally.stages.entry(stage).or_default() += 1,
            Err(text) => tally.failures.entry(text).or_insert((number, 0)).1 += 1,
        }
    }
    tally
}

/// Where the last panic was, and what it said. Every test has a thread of its own, but one hook serves all.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    thread_local! {
        static SAID: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
        static CATCHING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    static HOOKED: Mutex<bool> = Mutex::new(false);
    let mut hooked = HOOKED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !std::mem::replace(&mut hooked, true) {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                SAID.set(Some(info.to_string()));
            } else {
                usual(info);
            }
        }));
    }
    drop(hooked);
    CATCHING.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(false);
    result.map_err(|_| SAID.take().unwrap_or_default())
}
