//! Runs the command on a file and measures what it takes.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Processor time is given in hundredths of a second on Linux.
const TICKS: f64 = 100.0;
/// What no file takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A model file, with a second one for its weights if it is an architecture alone.
pub struct Container {
    model: Vec<u8>,
    ending: &'static str,
    weights: Option<&'static [u8]>,
}

impl Container {
    /// An archive, whose architecture is packed.
    pub fn keras(architecture: String, weights: &[u8]) -> Self {
        let packed = zip::write::SimpleFileOptions::default();
        let stored = packed.compression_method(zip::CompressionMethod::Stored);
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let members: [(&str, &[u8], _); 3] = [
            ("metadata.json", br#"{"keras_version": "3.15.1"}"#, packed),
            ("config.json", architecture.as_bytes(), packed),
            ("model.weights.h5", weights, stored),
        ];
        for (name, bytes, options) in members {
            archive.start_file(name, options).expect("a member");
            archive.write_all(bytes).expect("its bytes");
        }
        let model = archive.finish().expect("an archive").into_inner();
        Self {
            model,
            ending: "keras",
            weights: None,
        }
    }

    /// An architecture and its weights.
    pub fn json(architecture: String, weights: &'static [u8]) -> Self {
        let model = architecture.into_bytes();
        Self {
            model,
            ending: "json",
            weights: Some(weights),
        }
    }
}

/// What a run came to.
pub struct Took {
    /// Bytes of the model file.
    pub bytes: usize,
    /// The exit code; `None` if it had to be stopped.
    pub code: Option<i32>,
    /// What it said.
    pub message: String,
    /// Processor time.
    pub seconds: f64,
    /// MiB of memory at the peak.
    pub peak: f64,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bytes,
            code,
            seconds,
            peak,
            message,
        } = self;
        let message: String = message.chars().take(300).collect();
        write!(
            f,
            "{bytes:>8} bytes, {seconds:>5.2} s, {peak:>4.0} MiB, code {code:?}: {message}"
        )
    }
}

/// Compiles a file, for all backends or for some.
pub fn compile(name: &str, container: &Container, backends: Option<&str>) -> Took {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("keras-compile-budget-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let took = in_folder(&folder, container, backends);
    fs::remove_dir_all(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
    took
}

fn in_folder(folder: &Path, container: &Container, backends: Option<&str>) -> Took {
    let model = folder.join("model").with_extension(container.ending);
    fs::write(&model, &container.model).expect("the model");
    let said: PathBuf = folder.join("said");
    let mut command = Command::new(env!("CARGO_BIN_EXE_keras-compile"));
    command
        .current_dir(folder)
        .arg(&model)
        .args(["--out", "dist", "--quiet"]);
    if let Some(backends) = backends {
        command.args(["--backends", backends]);
    }
    if let Some(weights) = container.weights {
        fs::write(folder.join("weights.h5"), weights).expect("the weights");
        command.args(["--weights", "weights.h5"]);
    }
    let stderr = File::create(&said).expect("a file");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("the command");
    let (code, [seconds, peak]) = watch(&mut child);
    Took {
        bytes: container.model.len(),
        code,
        message: String::from_utf8_lossy(&fs::read(&said).expect("what it said")).into_owned(),
        seconds,
        peak,
    }
}

/// Waits for the end; gives the exit code, and time and memory as they were shortly before.
fn watch(child: &mut Child) -> (Option<i32>, [f64; 2]) {
    let start = Instant::now();
    let mut last = [0.0; 2];
    loop {
        if let Some(status) = child.try_wait().expect("its state") {
            return (status.code(), last);
        }
        last = measure(child.id()).map_or(last, |now| [last[0].max(now[0]), last[1].max(now[1])]);
        if start.elapsed() > PATIENCE || last[1] > 2_000.0 {
            let _ = child.kill();
            let _ = child.wait();
            return (None, last);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processor time in seconds and peak memory in MiB of a process, where Linux tells them.
fn measure(id: u32) -> Option<[f64; 2]> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).ok();
    let stat = read("stat")?;
    // The name before may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields
        .get(11..13)?
        .iter()
        .filter_map(|text| text.parse::<f64>().ok())
        .sum();
    let status = read("status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = peak
        .and_then(|text| text.split_whitespace().next())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0);
    Some([ticks / TICKS, kib / 1024.0])
}
