//! Bad input: every file in `hostile/` is refused with the message that `hostile/expected.txt` has for
//! it, in time and in bounded memory; damaged copies of good files never make the reader panic or
//! disagree with itself.
//!
//! `BLESS=1 cargo test -p keras-compile-tests --test hostile` writes `expected.txt` anew; read the
//! difference before committing it.

use keras_compile::keras::{KerasModel, ModelFile, read_inputs};
use keras_compile::text::printable;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What the issue promises for any file.
const TIME: Duration = Duration::from_secs(10);

/// Resident memory of this whole process that no bad file may drive it over, in KiB.
const MEMORY: u64 = 900 << 10;

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs `work` and fails if it takes too long; a panic inside is a failure too.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    match result.recv_timeout(TIME) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what} takes longer than {TIME:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{what} makes the reader panic"),
    }
}

/// The text of all problems with a file, with paths as a clean clone has them.
fn refusal(path: &Path, weights: Option<PathBuf>) -> String {
    let owned = path.to_owned();
    let result = in_time(&path.display().to_string(), move || {
        read_inputs(ModelFile::Path(&owned), weights.as_deref().map(ModelFile::Path)).map(|_| ())
    });
    let folder = format!("{}/", path.parent().expect("a folder").display());
    match result {
        Ok(()) => "WAS ACCEPTED".to_owned(),
        Err(errors) => {
            let root = format!("{}/", here("").display());
            errors
                .to_string()
                .replace(&folder, "")
                .replace(root.trim_end_matches('/'), "tests")
        }
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(here(folder)).expect("a folder");
    let mut found: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    found
}

fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn hostile_files_are_refused_by_name() {
    let good = here("goldens/containers/k2-sequential.h5");
    let mut found = String::new();
    for path in files("hostile") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name == "make_hostile.py" || name == "expected.txt" {
            continue;
        }
        let weights = name.ends_with(".json").then(|| good.clone());
        let message = refusal(&path, weights);
        assert!(
            message.starts_with(&name) || message.contains(&format!("\n{name}")),
            "{name}: {message}"
        );
        let lines: Vec<_> = message.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 1000), "{message}");
        assert!(lines.iter().all(|line| printable(line) == **line), "{message}");
        found.push_str(&format!("{name}\n    {}\n", message.replace('\n', "\n    ")));
    }
    let expected = here("hostile/expected.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected, &found).expect("expected.txt");
    }
    let expected = std::fs::read_to_string(expected).unwrap_or_default();
    let differing = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(
        found == expected,
        "the messages changed, first here: {differing:?}; see the top of this file"
    );
    assert!(!found.contains("WAS ACCEPTED"), "{found}");
    if let Some(peak) = peak_memory() {
        assert!(peak < MEMORY, "reading took {peak} KiB");
    }
}

#[test]
fn what_is_not_a_file() {
    let folder = std::env::temp_dir().join(format!("keras-compile-hostile-{}", std::process::id()));
    let said = |name: &str, files: &[&str]| {
        std::fs::create_dir_all(folder.join(name)).expect("a folder");
        for file in files {
            std::fs::write(folder.join(name).join(file), b"x").expect("a file");
        }
        refusal(&folder.join(name), None)
    };
    assert_eq!(
        said("saved", &["saved_model.pb"]),
        "saved: this is a TensorFlow SavedModel folder, not a Keras model; load its folder in Python with \
         tf_keras.models.load_model(folder) and save it with model.save('model.keras')"
    );
    assert_eq!(
        said("bundle", &["index.js", "baseline-0.wasm"]),
        "bundle: this is a bundle, not a Keras model; compile the Keras model that it was made from; keras-compile \
         inspect DIR shows what is in a bundle"
    );
    assert_eq!(
        said("weights", &["model.ckpt.index", "checkpoint"]),
        "weights: this is a folder with a TensorFlow checkpoint, not a Keras model; it holds weights without an \
         architecture: build the model in Python, call model.load_weights(…) and save it with \
         model.save('model.keras')"
    );
    assert_eq!(
        said("unpacked", &["config.json", "model.weights.h5"]),
        "unpacked: this is an unpacked .keras archive; give config.json as the model and model.weights.h5 with --weights"
    );
    assert_eq!(
        said("folder\u{202e}", &["x"]),
        "folder\\u{202e}: this is a folder; give the file of the model, .h5, .keras or .json"
    );
    assert!(refusal(&folder.join("absent.h5"), None).starts_with("absent.h5: "));
    std::fs::write(
        folder.join("m.json"),
        br#"{"class_name": "Sequential", "config": []}"#,
    )
    .expect("a file");
    assert_eq!(
        refusal(&folder.join("m.json"), None),
        "m.json: the file holds an architecture without weights; name the file with the weights with --weights\n\
         m.json: model \"sequential\" has no layers; the architecture was damaged or edited; save the model again"
    );
    std::fs::remove_dir_all(folder).expect("to clean up");
}

/// Small good files of every container.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for path in files("goldens/containers") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let model = name.ends_with(".h5") || name.ends_with(".keras");
        if model && !name.contains("weights") {
            found.push((name, std::fs::read(path).expect("a file")));
        }
    }
    found
}

fn read(name: &str, bytes: &[u8]) -> Result<KerasModel, String> {
    read_inputs(ModelFile::Bytes(name, bytes), None).map_err(|errors| errors.to_string())
}

#[test]
fn a_cut_file_is_refused_or_complete() {
    for (name, bytes) in seeds() {
        let whole = read(&name, &bytes).expect("a good file");
        for part in 0..64 {
            let cut = bytes.get(..bytes.len() * part / 64).expect("a part");
            match read(&name, cut) {
                Ok(model) => assert!(model == whole, "{name} cut to {part}/64 gives another model"),
                Err(message) => assert!(message.starts_with(&name), "{message}"),
            }
        }
    }
}

/// A generator of numbers that is the same everywhere (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Damages a file in one of the ways that files get damaged, by chance or by intent.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const EVIL: [u64; 8] = [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, u64::MAX];
    let at = random.below(bytes.len());
    let length = random.below(64).min(bytes.len() - at);
    match random.below(6) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => {
            let value = EVIL[random.below(EVIL.len())].to_le_bytes();
            let width = (1 << random.below(4)).min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&value[..width]);
        }
        3 => bytes[at..at + length].fill(0),
        4 => {
            let from = random.below(bytes.len() - length);
            bytes.copy_within(from..from + length, at);
        }
        _ => drop(bytes.drain(at..at + length)),
    }
}

#[test]
fn damaged_files_neither_panic_nor_hang() {
    let seeds = seeds();
    let end = Instant::now() + Duration::from_secs(60);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut refused, mut slowest) = (0, Duration::ZERO);
    for round in 0..4_000 {
        let (name, bytes) = &seeds[round % seeds.len()];
        let (name, mut bytes) = (name.clone(), bytes.clone());
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        let what = format!("mutant {round} of {name}");
        let start = Instant::now();
        let failed = in_time(&what, move || read(&name, &bytes).is_err());
        slowest = slowest.max(start.elapsed());
        refused += usize::from(failed);
        if Instant::now() > end {
            break;
        }
    }
    assert!(refused > 100, "only {refused} mutants were refused");
    assert!(slowest < TIME, "one took {slowest:?}");
    if let Some(peak) = peak_memory() {
        assert!(peak < MEMORY, "reading took {peak} KiB");
    }
}
