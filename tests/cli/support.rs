//! Runs the command and compares what it says with files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the repository is here")
}

/// Small models that Keras saved, in every container.
pub fn models() -> PathBuf {
    root().join("tests/goldens/containers")
}

/// An empty directory that vanishes with the value.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one.
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("keras-compile-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a temporary directory");
        Self(path.canonicalize().expect("it exists"))
    }
    /// A path in it.
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// Names of all files and directories below, sorted; directories end with a slash.
    pub fn contents(&self) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.0, "", &mut found);
        found.sort();
        found
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn list(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("readable").map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), found);
            found.push(name + "/");
        } else {
            found.push(name);
        }
    }
}

/// What a run of the command said.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Its results.
    pub stdout: String,
    /// Progress and problems.
    pub stderr: String,
}

/// The command, to be run in `directory`.
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keras-compile"));
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Runs the command in `directory`.
pub fn run(directory: &Path, arguments: &[&str]) -> Run {
    let output = command(directory)
        .args(arguments)
        .output()
        .expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command speaks UTF-8");
    Run {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Compiles a model to `out` and expects that to work.
pub fn compile(model: &Path, out: &Path) -> Run {
    let arguments = [model, Path::new("--out"), out].map(|a| a.to_str().unwrap());
    let run = run(&root(), &arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run:#?}");
    run
}

/// Compares text with `tests/snapshots/cli/<name>.txt`; with `BLESS` set in the environment it writes the file.
pub fn snapshot(name: &str, text: &str) {
    let path = root().join(format!("tests/snapshots/cli/{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).expect("the snapshot is writable");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "{} differs; if the new text is right, run the test again with BLESS=1\n--- expected\n{expected}\n--- found\n{text}",
        path.display()
    );
}

impl Run {
    /// All that was said, for a snapshot.
    pub fn transcript(&self, arguments: &[&str]) -> String {
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        let mut text = format!("$ keras-compile {}\n", arguments.join(" "));
        for (stream, said) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !said.is_empty() {
                text += &format!("--- {stream}\n{said}");
            }
        }
        text + &format!("--- exit {code}\n")
    }
}

/// Runs the command once per line of arguments in a directory, and compares all that it said. `OUT` in the arguments is a path where
/// nothing is; afterwards still nothing must be there.
pub fn transcripts(name: &str, folder: &Path, lines: &[&[&str]]) {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    let out = out.to_str().unwrap();
    let mut text = String::new();
    for arguments in lines {
        let given: Vec<_> = arguments
            .iter()
            .map(|a| if *a == "OUT" { out } else { a })
            .collect();
        let said = run(folder, &given).transcript(arguments);
        text += &said.replace(scratch.path().to_str().unwrap(), "SCRATCH");
        text += "\n";
        let left = scratch.contents();
        assert!(left.is_empty(), "{arguments:?} left {left:?}");
    }
    snapshot(name, &text);
}
