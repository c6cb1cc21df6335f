//! The directories that the command writes, replaces and refuses.

use crate::support::{Run, Scratch, compile, models, root, run, snapshot};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn model() -> PathBuf {
    models().join("k3-cnn.keras")
}

/// Every file of a directory.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

fn force(out: &Path) -> Run {
    let (model, out) = (model(), out.to_str().unwrap());
    run(
        &root(),
        &[model.to_str().unwrap(), "--out", out, "--force", "--quiet"],
    )
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.join("deep/er")).unwrap();
    let copy = scratch.join("deep/er/other-name.keras");
    fs::copy(model(), &copy).unwrap();
    compile(&model(), &scratch.join("first"));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = run(
        &scratch.join("deep/er"),
        &["other-name.keras", "--out", "../second", "--verbose"],
    );
    assert_eq!(second.code, Some(0), "{second:#?}");
    let (first, second) = (files(&scratch.join("first")), files(&scratch.join("deep/second")));
    assert!(first.len() > 9, "{:?}", first.keys());
    for end in [".wasm", ".wgsl", ".txt"] {
        let found = first.keys().any(|name| name.ends_with(end));
        assert!(found, "no file ends with {end}: {:?}", first.keys());
    }
    assert!(first == second, "{:?} and {:?}", first.keys(), second.keys());
    for (name, bytes) in &first {
        let text = String::from_utf8_lossy(bytes);
        for private in [scratch.path(), &root(), &models()] {
            assert!(
                !text.contains(private.to_str().unwrap()),
                "{name} names {}",
                private.display()
            );
        }
    }
}

/// What only scripts have of wasm, of any GPU, of WebGPU and of WebGL.
const SIGNS: [&str; 4] = [
    "WebAssembly.Memory",
    "the GPU was lost",
    "dispatchWorkgroups",
    "readPixels",
];

/// Files of code are those of the backends that were chosen, and the script knows no others.
#[test]
fn a_bundle_holds_what_its_backends_need() {
    let scratch = Scratch::new();
    for (backends, ends, signs) in [
        ("wasm", &[".wasm"][..], &["WebAssembly.Memory"][..]),
        ("webgpu", &[".wgsl"], &["the GPU was lost", "dispatchWorkgroups"]),
        ("webgl", &[".txt"], &["the GPU was lost", "readPixels"]),
        ("wasm,webgpu,webgl", &[".txt", ".wasm", ".wgsl"], &SIGNS),
    ] {
        let (model, out) = (model(), scratch.join(backends));
        let arguments = [
            model.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
            "--backends",
            backends,
        ];
        let said = run(scratch.path(), &arguments);
        assert_eq!(said.code, Some(0), "{said:#?}");
        let files = files(&out);
        let code = [".txt", ".wasm", ".wgsl"].into_iter();
        let held: Vec<_> = code
            .filter(|end| files.keys().any(|name| name.ends_with(end)))
            .collect();
        assert_eq!(held, ends, "{backends}");
        assert_eq!(
            files.contains_key("worker.js"),
            backends.contains("wasm"),
            "{backends}"
        );
        let index = String::from_utf8_lossy(&files["index.js"]);
        for sign in SIGNS {
            assert_eq!(
                index.contains(sign),
                signs.contains(&sign),
                "{sign} for {backends}"
            );
        }
    }
}

/// The report has a table for each backend, and what there is to say of its code.
#[test]
fn each_backend_is_reported() {
    let scratch = Scratch::new();
    let said = compile(&model(), &scratch.join("dist")).stdout;
    let line = |start: &str| {
        let found = said.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line starts with {start:?}:\n{said}"))
    };
    assert!(line("wasm ").contains("with relaxed SIMD, "), "{said}");
    assert!(
        line("webgpu ").ends_with("of WGSL, in single precision"),
        "{said}"
    );
    assert!(
        line("webgl ").ends_with("of GLSL ES 3.00, in single precision"),
        "{said}"
    );
    // A convolution, two poolings, which are joined where they are computed, and two dense layers.
    let numbers = |start: &str| -> Vec<usize> {
        let words = line(start).split([' ', ',']).filter_map(|word| word.parse().ok());
        words.collect()
    };
    for start in ["         dispatches ", "         draws "] {
        let [runs, shaders, most] = numbers(start)[..] else {
            panic!("{}", line(start));
        };
        assert!(
            (3..=9).contains(&runs) && (3..=runs).contains(&shaders),
            "{}",
            line(start)
        );
        assert!((2..=8).contains(&most), "{}", line(start));
    }
}

#[test]
fn a_bundle_is_replaced_only_when_asked() {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    compile(&model(), &out);
    let before = files(&out);
    let again = run(
        &root(),
        &[model().to_str().unwrap(), "--out", out.to_str().unwrap()],
    );
    assert_eq!(again.code, Some(2));
    assert!(
        again.stderr.contains("add --force to replace it"),
        "{}",
        again.stderr
    );
    let other = models().join("k2-sequential.h5");
    let replaced = run(
        &root(),
        &[other.to_str().unwrap(), "--out", out.to_str().unwrap(), "--force"],
    );
    assert_eq!(replaced.code, Some(0), "{replaced:#?}");
    assert!(files(&out) != before);
    assert_eq!(force(&out).code, Some(0));
    assert!(files(&out) == before);
    let directories: Vec<_> = scratch
        .contents()
        .into_iter()
        .filter(|name| name.ends_with('/'))
        .collect();
    assert_eq!(directories, ["dist/"], "nothing else is left");
}

/// Makes something at a path.
type Make = fn(&Path);

/// Each case makes something at `dist`; neither with nor without `--force` may it change.
#[test]
fn other_directories_are_never_touched() {
    let cases: [(&str, Make); 6] = [
        ("a directory with a file", |out| {
            fs::create_dir(out).unwrap();
            fs::write(out.join("thesis.txt"), "years of work").unwrap();
        }),
        ("a manifest of something else", |out| {
            fs::create_dir(out).unwrap();
            fs::write(
                out.join("manifest.json"),
                r#"{"format":1,"generator":"another","files":{}}"#,
            )
            .unwrap();
        }),
        ("a bundle with a file more", |out| {
            compile(&model(), out);
            fs::write(out.join("notes.txt"), "mine").unwrap();
        }),
        ("a bundle with a directory more", |out| {
            compile(&model(), out);
            fs::create_dir(out.join("photos")).unwrap();
        }),
        ("a file", |out| fs::write(out, "text").unwrap()),
        ("a link to nowhere", |out| {
            std::os::unix::fs::symlink("nowhere", out).unwrap()
        }),
    ];
    let mut text = String::new();
    for (what, make) in cases {
        let scratch = Scratch::new();
        let out = scratch.join("dist");
        make(&out);
        let before = scratch.contents();
        for flags in [&[][..], &["--force"]] {
            let mut arguments = vec![
                model().to_str().unwrap().to_owned(),
                "--out".to_owned(),
                "dist".to_owned(),
            ];
            arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let run = run(scratch.path(), &arguments);
            assert_ne!(run.code, Some(0), "{what}");
            assert_eq!(scratch.contents(), before, "{what}");
            text += &format!("{what} {flags:?}\n{}exit {:?}\n\n", run.stderr, run.code.unwrap());
        }
    }
    snapshot("refused-outputs", &text);
}

#[test]
fn odd_places() {
    let scratch = Scratch::new();
    let path = |name: &str| scratch.join(name).to_str().unwrap().to_owned();
    let model = model();
    let to = |out: &str| {
        run(
            scratch.path(),
            &[model.to_str().unwrap(), "--out", out, "--quiet"],
        )
    };
    // Parents are made, and an empty directory will do.
    assert_eq!(to("a/b/dist").code, Some(0));
    fs::create_dir(path("empty")).unwrap();
    assert_eq!(to("empty").code, Some(0));
    assert_eq!(to("trailing/").code, Some(0));
    // A link is followed: what it names is replaced, the link stays.
    std::os::unix::fs::symlink("empty", path("link")).unwrap();
    assert_eq!(force(Path::new(&path("link"))).code, Some(0));
    assert!(fs::symlink_metadata(path("link")).unwrap().is_symlink());
    // What cannot be an output.
    for out in [".", "..", "/", "", "empty/manifest.json/dist"] {
        let run = to(out);
        assert_ne!(run.code, Some(0), "{out:?}");
        assert!(run.stderr.starts_with("error: "), "{out:?}: {}", run.stderr);
    }
    // The model lies in the bundle that is to be replaced.
    fs::copy(&model, path("empty/model.keras")).unwrap();
    let inside = run(
        &scratch.join("empty"),
        &["model.keras", "--out", "../empty", "--force"],
    );
    assert_eq!(inside.code, Some(2), "{inside:#?}");
    assert!(scratch.join("empty/model.keras").exists());
    fs::remove_file(path("empty/model.keras")).unwrap();
    let hidden: Vec<_> = scratch
        .contents()
        .into_iter()
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(hidden, Vec::<String>::new());
}

#[test]
fn a_failure_leaves_nothing() {
    let scratch = Scratch::new();
    let bytes = fs::read(model()).unwrap();
    fs::write(scratch.join("cut.keras"), &bytes[..bytes.len() / 2]).unwrap();
    let cut = run(scratch.path(), &["cut.keras", "--out", "new/parent/dist"]);
    assert_eq!(cut.code, Some(1), "{cut:#?}");
    assert_eq!(scratch.contents(), ["cut.keras"]);
    // The directory can be entered, but nothing can be made in it; root may do anything.
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir(scratch.join("closed")).unwrap();
    fs::set_permissions(scratch.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::create_dir(scratch.join("closed/probe")).is_err() {
        let run = run(
            scratch.path(),
            &[model().to_str().unwrap(), "--out", "closed/dist"],
        );
        assert_eq!(run.code, Some(1), "{run:#?}");
        assert_eq!(scratch.contents(), ["closed/", "cut.keras"]);
    }
}

#[test]
fn inspect_checks_a_bundle() {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    compile(&model(), &out);
    let inspect = || run(scratch.path(), &["inspect", "dist"]);
    let whole = inspect();
    assert_eq!(whole.code, Some(0), "{whole:#?}");
    for part in [
        "model \"cnn\"",
        "input  \"image\" float32 [1, 6, 6, 2]",
        "index.js",
        "before weights",
        "manifest.json",
    ] {
        assert!(
            whole.stdout.contains(part),
            "{part:?} is not in\n{}",
            whole.stdout
        );
    }
    let mut wasm = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
    let wasm = wasm
        .find(|path| path.extension().is_some_and(|end| end == "wasm"))
        .unwrap();
    let mut bytes = fs::read(&wasm).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&wasm, bytes).unwrap();
    fs::write(out.join("worker.js"), "").unwrap();
    fs::remove_file(out.join("internal.d.ts")).unwrap();
    let damaged = inspect();
    assert_eq!(damaged.code, Some(1));
    for part in [
        "its SHA-256 is not the one",
        "worker.js: has 0 bytes",
        "internal.d.ts: cannot be read",
        "3 problems",
    ] {
        assert!(
            damaged.stderr.contains(part),
            "{part:?} is not in\n{}",
            damaged.stderr
        );
    }
    for format in [1, 4] {
        fs::write(
            out.join("manifest.json"),
            format!(r#"{{"format":{format},"generator":"keras-compile 9","files":{{}}}}"#),
        )
        .unwrap();
        let other = inspect();
        assert_eq!(other.code, Some(1));
        let said = format!("has format {format}, not 2 or 3; inspect it with the version that wrote it");
        assert!(other.stderr.contains(&said), "{}", other.stderr);
    }
}

#[test]
fn a_manifest_cannot_lead_out_of_its_bundle() {
    let scratch = Scratch::new();
    let out = scratch.join("dist");
    compile(&model(), &out);
    let text = fs::read_to_string(out.join("manifest.json")).unwrap();
    let text = text.replace("\"worker.js\"", "\"../secret\"");
    fs::write(out.join("manifest.json"), text).unwrap();
    fs::write(scratch.join("secret"), "x").unwrap();
    let run = run(scratch.path(), &["inspect", "dist"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("is no name of a file in a bundle"),
        "{}",
        run.stderr
    );
    assert_ne!(force(&out).code, Some(0), "worker.js is not the manifest's");
}

#[test]
fn a_backend_that_is_named_twice_counts_once() {
    let scratch = Scratch::new();
    let manifest = |folder: &str, more: &[&str]| {
        let (model, out) = (model(), scratch.join(folder));
        let arguments = [model.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let said = run(scratch.path(), &[&arguments, more].concat());
        assert_eq!(said.code, Some(0), "{said:#?}");
        fs::read_to_string(out.join("manifest.json")).unwrap()
    };
    let all = manifest("all", &[]);
    let twice = ["--backends", "webgl, wasm, webgpu, wasm"];
    assert_eq!(all, manifest("twice", &twice));
    let alone = manifest("once", &["--backends", "wasm"]);
    assert_eq!(alone, manifest("wasm", &["--backends", "wasm, wasm"]));
    assert_ne!(alone, all);
}

#[test]
fn a_bundle_has_a_name_for_npm() {
    let scratch = Scratch::new();
    let named = |folder: &str, more: &[&str]| {
        let (model, out) = (model(), scratch.join(folder));
        let arguments = [model.to_str().unwrap(), "--out", out.to_str().unwrap(), "-q"];
        let run = run(scratch.path(), &[&arguments, more].concat());
        let text = fs::read_to_string(out.join("package.json")).unwrap_or_default();
        let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        (run, package["name"].clone())
    };
    assert_eq!(named("a", &[]).1, "cnn");
    assert_eq!(named("b", &["--package-name", "@me/digits"]).1, "@me/digits");
    let (refused, _) = named("c", &["--package-name", "My Digits"]);
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.stderr,
        "error: --package-name: \"My Digits\" is no name of an npm package: it has letters in upper case; take \
         lower-case letters, digits, -, . and _, as in digits or @scope/digits\n1 problem; nothing was written\n"
    );
}
