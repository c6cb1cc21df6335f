//! Runs what the documents tell a reader to run, in their order, in a copy of the examples.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const DOCUMENTS: [&str; 3] = ["README.md", "compiler/ARCHITECTURE.md", "compiler/CHANGELOG.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A fenced block.
struct Block {
    language: String,
    text: String,
    /// For messages.
    place: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) if !inside => {
                blocks.push(Block {
                    language: language.to_owned(),
                    text: String::new(),
                    place: format!("{document}:{}", number + 1),
                });
                inside = true;
            }
            Some(_) => inside = false,
            None if inside => blocks.last_mut().unwrap().text += &format!("{line}\n"),
            None => {}
        }
    }
    assert!(!inside, "{document}: a block does not end");
    blocks
}

/// A directory with the examples, gone with the value.
struct Clone(PathBuf);

impl Clone {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("keras-compile-readme-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        copy(&root().join("examples"), &path.join("examples"));
        Self(path)
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if name == "dist" || name == "node_modules" {
            continue;
        }
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn every_block_does_what_it_should() {
    let clone = Clone::new();
    for block in DOCUMENTS.iter().flat_map(|document| blocks(document)) {
        match block.language.as_str() {
            "sh" => block
                .text
                .lines()
                .for_each(|line| shell(line, &block.place, &clone.0)),
            "js" if block.text.contains("from 'keras-compile'") => packed("", &block.place),
            "js" => javascript(&block, &clone.0),
            "http" => policy(&block),
            "json" => definitions(&block, &clone.0),
            // The lines after it build it.
            "toml" => assert_eq!(block.text, recipe(), "{}", block.place),
            "py" => python(&block),
            other => panic!("{}: no test runs blocks of {other:?}", block.place),
        }
    }
}

/// The recipe of the example.
fn recipe() -> String {
    fs::read_to_string(root().join("examples/digits/keras-compile.toml")).unwrap()
}

/// Runs a line with the command that was built for this test, in the copy.
fn shell(line: &str, place: &str, directory: &Path) {
    let command = env!("CARGO_BIN_EXE_keras-compile");
    if line == "tests/run" {
        // It runs this test.
        return runs_everything();
    }
    if line.starts_with("node compiler/npm/") || line.starts_with("npm install ") {
        return packed(line, place);
    }
    if let Some(script) = line.strip_prefix("npm --prefix tests run ") {
        // It takes an hour; tests/web runs a part of it with the same driver.
        return finds_tests(script, place);
    }
    let arguments = line
        .strip_prefix("keras-compile ")
        .or_else(|| line.strip_prefix("cargo run --release -- "));
    let arguments = arguments.unwrap_or_else(|| panic!("{place}: no test runs {line:?}"));
    if arguments.starts_with("serve ") {
        return serve(command, arguments, directory);
    }
    let output = Command::new("sh")
        .args(["-euc", &format!("'{command}' {arguments}")])
        .current_dir(directory)
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{place}: {line}\n{said}");
}

/// The package of npm is made, installed and used in a test of its own.
fn packed(line: &str, place: &str) {
    let test = fs::read_to_string(root().join("tests/web/npm.test.js")).unwrap();
    for part in [
        "compiler/npm/pack.js",
        "'install', '--offline'",
        "from 'keras-compile'",
    ] {
        assert!(test.contains(part), "{place}: no test does {line:?}");
    }
    let script = line.strip_prefix("node ").and_then(|rest| rest.split(' ').next());
    assert!(
        script.is_none_or(|script| root().join(script).exists()),
        "{place}: {line:?}"
    );
}

/// A script of the tests must be there, and the tests that it runs.
fn finds_tests(script: &str, place: &str) {
    let package = fs::read_to_string(root().join("tests/package.json")).unwrap();
    let package: serde_json::Value = serde_json::from_str(&package).unwrap();
    let line = package["scripts"][script]
        .as_str()
        .unwrap_or_else(|| panic!("{place}: there is no script {script:?}"));
    let pattern = line.split(' ').find_map(|word| word.strip_suffix("/*.test.js"));
    let folder = pattern.unwrap_or_else(|| panic!("{place}: {line:?} names no tests"));
    let mut files = fs::read_dir(root().join("tests").join(folder)).unwrap();
    let is_test = |file: std::io::Result<fs::DirEntry>| {
        file.unwrap().file_name().to_string_lossy().ends_with(".test.js")
    };
    assert!(files.any(is_test), "{place}: {line:?} finds no tests");
}

/// Serves on any port, and expects the example's page.
fn serve(command: &str, arguments: &str, directory: &Path) {
    let mut server = Command::new(command);
    server
        .args(arguments.split(' '))
        .args(["--port", "0"])
        .current_dir(directory)
        .stdout(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let answer = |path: &str| {
        let host = address.trim().trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let (page, bundle) = (answer("/"), answer("/dist/index.js"));
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("digits.js"),
        "{page}"
    );
    assert!(
        bundle.starts_with("HTTP/1.1 200") && bundle.contains("text/javascript"),
        "{bundle}"
    );
}

/// Runs a module with Node.
fn javascript(block: &Block, directory: &Path) {
    let file = directory.join("snippet.mjs");
    fs::write(&file, &block.text).unwrap();
    let output = Command::new("node").arg(&file).current_dir(directory).output();
    let output = output.expect("Node 20 or newer is installed");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success() && out.contains("Float32Array"),
        "{}: {out}{err}",
        block.place
    );
}

/// Keras is not there in tests: what is shown stands in the script that wrote the files which the commands behind it read.
fn python(block: &Block) {
    let script = fs::read_to_string(root().join("tests/goldens/make_arrays.py")).unwrap();
    for part in ["np.savez", "model.predict("] {
        let place = &block.place;
        assert!(
            script.contains(part) && block.text.contains(part),
            "{place}: {part}"
        );
    }
}

/// Runs the command on one of the files with Python code.
fn compiles(model: &str, options: &str, directory: &Path) {
    let command = env!("CARGO_BIN_EXE_keras-compile");
    let model = root().join("tests/goldens/custom").join(model);
    let line = format!("'{command}' '{}' --emit ir --quiet {options}", model.display());
    let output = Command::new("sh")
        .args(["-euc", &line])
        .current_dir(directory)
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{options}: {said}");
}

/// Compiles a model with definitions of its classes, and with those of the tests for the others.
fn definitions(block: &Block, directory: &Path) {
    let all = fs::read_to_string(root().join("tests/goldens/custom/custom.json")).unwrap();
    let mut others: serde_json::Value = serde_json::from_str(&all).unwrap();
    let shown: serde_json::Value = serde_json::from_str(&block.text).unwrap();
    let others = others.as_object_mut().unwrap();
    let before = others.len();
    others.retain(|name, _| shown.get(name).is_none());
    let place = &block.place;
    assert!(others.len() < before, "{place}: no test has such classes");
    fs::write(directory.join("shown.json"), &block.text).unwrap();
    fs::write(directory.join("others.json"), serde_json::to_vec(others).unwrap()).unwrap();
    compiles(
        "k3-network.keras",
        "--custom shown.json --custom others.json",
        directory,
    );
    compiles(
        "k2-network.h5",
        "--custom shown.json --custom others.json",
        directory,
    );
}

/// What the documents give as an option for a function in Python is taken.
#[test]
fn options_for_lambdas_are_taken() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let inline = text.split('`').skip(1).step_by(2);
    let options: Vec<&str> = inline.filter(|code| code.starts_with("--lambda ")).collect();
    assert!(!options.is_empty(), "README.md has no example of --lambda");
    for option in options {
        compiles("k2-distance.h5", option, &root());
    }
}

/// The policy is what the tests in Chromium run under.
fn policy(block: &Block) {
    let strict = fs::read_to_string(root().join("tests/web/support/server.js")).unwrap();
    // Headers with their names, or a policy alone.
    let parts = block.text.lines().flat_map(|line| match line.split_once(": ") {
        Some((name, value)) => vec![format!("'{}': '{value}'", name.to_lowercase())],
        None => line.split("; ").map(str::to_owned).collect(),
    });
    for part in parts {
        let place = &block.place;
        assert!(strict.contains(&part), "{place}: no test runs under {part}");
    }
}

/// The one command for all tests exists, is what CI runs, and names everything that this workspace holds.
fn runs_everything() {
    let script = fs::read_to_string(root().join("tests/run")).unwrap();
    for part in [
        "cargo fmt --all --check",
        "cargo clippy",
        "cargo test --release --workspace",
        "npm --prefix tests test",
        "npm --prefix tests/tools test",
    ] {
        assert!(script.contains(part), "tests/run does not run {part}");
    }
    assert!(
        fs::read_to_string(root().join(".ci/run"))
            .unwrap()
            .contains("tests/run")
    );
    use std::os::unix::fs::PermissionsExt;
    for file in ["tests/run", ".ci/run"] {
        let mode = fs::metadata(root().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{file} cannot be run");
    }
}

#[test]
fn the_command_can_be_run_through_cargo() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--release", "--", "--version"])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.starts_with("keras-compile "),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn links_lead_somewhere() {
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(link, _)| link)
        {
            let local = !link.contains("://");
            assert!(!local || folder.join(link).exists(), "{document}: {link}");
        }
    }
}

/// Names of layers in a row; those that differ in their number of axes, from 1 to 3, as one.
fn joined(names: &[&str]) -> String {
    let mut found = Vec::new();
    let mut rest = names;
    while let [first, more @ ..] = rest {
        let of_axes = |stem: &str| [2, 3].map(|axes| format!("{stem}{axes}D"));
        let stem = first.strip_suffix("1D");
        match (stem, more) {
            (Some(stem), [second, third, more @ ..]) if of_axes(stem) == [*second, *third] => {
                found.push(format!("{first} to 3D"));
                rest = more;
            }
            _ => {
                found.push((*first).to_owned());
                rest = more;
            }
        }
    }
    found.join(", ")
}

/// The table of layers is that of the compiler. `BLESS=1` in the environment writes it anew.
#[test]
fn every_layer_is_listed() {
    const HEAD: &str = "| | |\n|---|---|\n";
    let file = root().join("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let rows = keras_compile::keras::layers::listed();
    let rows: String = rows
        .map(|(kind, names)| format!("| {kind} | {} |\n", joined(&names)))
        .collect();
    let (before, rest) = readme.split_once(HEAD).expect("README.md has a table of layers");
    let end = rest
        .find("| Operations |")
        .expect("the table ends with the operations");
    let (found, after) = rest.split_at(end);
    if found != rows && std::env::var_os("BLESS").is_some() {
        fs::write(file, [before, HEAD, &rows, after].concat()).unwrap();
    } else {
        assert_eq!(
            found, rows,
            "README.md lists other layers than the compiler has; BLESS=1 writes them anew"
        );
    }
}
