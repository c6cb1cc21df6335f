//! Bundles of a plan that computes nothing.

use super::*;
use crate::budget::Budget;
use crate::error::ErrorKind;
use crate::plan::{ArenaId, Step, Weights};
use crate::report::{StepRow, steps};
use crate::tensor::TensorType;
use std::fs;
use std::path::PathBuf;

/// An empty directory that vanishes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("keras-compile-bundle-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
    fn target(&self) -> Target {
        Target::new(&self.0.join("dist"), false).unwrap()
    }
    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join("dist").join(name)).unwrap()
    }
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn plan(parts: Vec<Vec<f32>>, input: &str) -> Plan {
    let mut weights = Weights::new(64);
    parts.into_iter().for_each(|part| {
        weights.add(part);
    });
    let binding = |name: &str, dtype: DType, offset| Binding {
        name: name.to_owned(),
        ty: TensorType {
            shape: [1, 3].into(),
            dtype,
        },
        arena: ArenaId(0),
        offset,
        range: None,
    };
    Plan {
        kernels: Vec::new(),
        prepare: Vec::new(),
        steps: vec![Step::Loop {
            count: 1,
            body: Vec::new(),
        }],
        weights,
        prepared_bytes: 0,
        arenas: vec![128],
        arena_bytes: 128,
        decisions: Vec::new(),
        lower_bound_bytes: 128,
        inputs: vec![binding(input, DType::F32, 0), binding("ids", DType::I32, 64)],
        outputs: vec![binding("y", DType::F32, 0)],
        budget: Budget::new(),
    }
}

fn module(bytes: &[u8]) -> Module {
    Module {
        bytes: bytes.to_vec(),
        weights_at: 64,
        arena_at: 1024,
        pages: 3,
        scratch_bytes: 0,
        useful_threads: 1,
        code_bytes: Vec::new(),
    }
}

fn write_plan(plan: &Plan, target: &Target, baseline: &Module) -> Result<Manifest> {
    let contents = Contents {
        model: "toy",
        package: &PackageName::of_model("Toy model"),
        plan,
        inputs: &["float32".to_owned(), "int32".to_owned()],
        outputs: &["float32".to_owned()],
        relaxed: &module(b"relaxed"),
        baseline,
        threaded: None,
    };
    write(&contents, target, &mut |_| {})
}

#[test]
fn weights_are_cut_into_shards_without_loss() {
    let scratch = Scratch::new("shards");
    // Parts of odd lengths, with gaps between them, one across the border of two shards.
    let element = |i: u32| i as f32 * 0.25;
    let parts: Vec<Vec<f32>> = [3u32, 4_194_303, 17, 300_001]
        .map(|count| (count..2 * count).map(element).collect())
        .into();
    let plan = plan(parts, "x");
    let manifest = write_plan(&plan, &scratch.target(), &module(b"baseline")).unwrap();
    let shards = &manifest.weights.shards;
    let lengths: Vec<_> = shards.iter().map(|shard| manifest.files[shard].bytes).collect();
    assert_eq!(lengths[0], SHARD_BYTES);
    assert_eq!(lengths.iter().sum::<u64>(), plan.weights.bytes() as u64);
    let bytes: Vec<u8> = shards.iter().flat_map(|shard| scratch.read(shard)).collect();
    let mut end = 0;
    for (offset, data) in plan.weights.parts() {
        assert!(bytes[end..offset].iter().all(|&byte| byte == 0));
        end = offset + data.len() * 4;
        let found = bytes[offset..end]
            .chunks(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        assert!(found.eq(data.iter().copied()), "the part at {offset}");
    }
}

#[test]
fn the_manifest_says_where_everything_lies() {
    let scratch = Scratch::new("manifest");
    let plan = plan(vec![vec![1.0]], "x");
    let manifest = write_plan(&plan, &scratch.target(), &module(b"baseline")).unwrap();
    let profile = manifest.profile.clone();
    let text = String::from_utf8(scratch.read("manifest.json")).unwrap();
    let files = text.find(",\"files\"").unwrap();
    assert_eq!(
        text[..files].replace(&profile, "STEPS"),
        concat!(
            r#"{"format":1,"generator":"keras-compile "#,
            env!("CARGO_PKG_VERSION"),
            r#"","model":"toy","#,
            r#""inputs":[{"name":"x","shape":[1,3],"dtype":"float32","storage":"f32","offset":1024},"#,
            r#"{"name":"ids","shape":[1,3],"dtype":"int32","storage":"i32","offset":1088}],"#,
            r#""outputs":[{"name":"y","shape":[1,3],"dtype":"float32","storage":"f32","offset":1024}],"#,
            r#""memory":{"pages":3},"prepare":0,"steps":1,"profile":"STEPS","#,
            r#""backends":{"wasm":{"relaxed":"model-relaxed.acd85c97.wasm","baseline":"model-baseline.8ba8496a.wasm"}},"#,
            r#""weights":{"offset":64,"bytes":64,"shards":["weights-0.ae5140b4.bin"],"ready":[0]}"#,
        )
    );
    let described: Vec<StepRow> = serde_json::from_slice(&scratch.read(&profile)).unwrap();
    assert_eq!(described, steps(&plan));
    let index = String::from_utf8(scratch.read("index.js")).unwrap();
    assert!(index.contains(&format!("'{profile}': new URL('./{profile}', import.meta.url),")));
    // The script holds the manifest, without what that says of the script itself.
    assert!(index.contains("  model: \"toy\",\n"));
    for (name, FileEntry { bytes, sha256 }) in &manifest.files {
        let entry = format!("    '{name}': {{\"bytes\":{bytes},\"sha256\":\"{sha256}\"}},\n");
        assert_eq!(index.contains(&entry), name.contains(&sha256[..8]), "{name}");
    }
    assert!(!index.contains("// keras-compile: "));
    let inspection = inspect(&scratch.0.join("dist")).unwrap();
    assert_eq!(inspection.problems, []);
}

#[test]
fn what_is_for_threads_is_there_or_not() {
    let found = [false, true].map(|threads| {
        let scratch = Scratch::new("threads");
        let (single, threaded) = (module(b"single"), module(b"threaded"));
        let contents = Contents {
            model: "toy",
            package: &PackageName::of_model("Toy model"),
            plan: &plan(Vec::new(), "x"),
            inputs: &["float32".to_owned(), "int32".to_owned()],
            outputs: &["float32".to_owned()],
            relaxed: &single,
            baseline: &single,
            threaded: threads.then_some([&threaded, &threaded]),
        };
        let manifest = write(&contents, &scratch.target(), &mut |_| {}).unwrap();
        assert_eq!(inspect(&scratch.0.join("dist")).unwrap().problems, []);
        let index = String::from_utf8(scratch.read("index.js")).unwrap();
        assert!(!index.contains("// keras-compile: "), "{index}");
        let listed = manifest.backends.wasm.and_then(|wasm| wasm.threads);
        let url = |name: &str| index.contains(&format!("new URL('./{name}', import.meta.url)"));
        [
            listed.is_some_and(|modules| url(&modules.relaxed) && url(&modules.baseline)),
            manifest.files.contains_key("worker.js"),
            index.contains("// threads.js"),
            url("worker.js"),
        ]
    });
    assert_eq!(found, [[false; 4], [true; 4]]);
}

#[test]
fn npm_knows_the_bundle_by_a_name() {
    let scratch = Scratch::new("package");
    write_plan(&plan(Vec::new(), "x"), &scratch.target(), &module(b"baseline")).unwrap();
    let package: serde_json::Value = serde_json::from_slice(&scratch.read("package.json")).unwrap();
    assert_eq!(package["name"], "toy-model");
    assert_eq!(package["version"], "1.0.0");
}

#[test]
fn names_are_quoted_in_types() {
    let scratch = Scratch::new("types");
    let name = "a\"b\\c\n*/ ${d}`é\u{2028}";
    write_plan(&plan(Vec::new(), name), &scratch.target(), &module(b"baseline")).unwrap();
    let types = String::from_utf8(scratch.read("index.d.ts")).unwrap();
    let quoted = "\"a\\\"b\\\\c\\n*/ ${d}`é\\u{2028}\"";
    assert!(types.contains(&format!(
        "  /** float32 [1, 3], 3 elements */\n  {quoted}: Float32Array | Bytes;\n"
    )));
    assert!(types.contains(&format!("  TensorInfo<{quoted}, readonly [1, 3], 'float32'>,\n")));
    assert!(types.contains("export type PredictInput = Inputs;\n"), "{types}");
    assert!(!types.contains("[name: string]"));
    let index = String::from_utf8(scratch.read("index.js")).unwrap();
    assert!(index.contains(&format!("\"name\":{quoted},")), "{index}");
}

#[test]
fn a_failure_leaves_nothing() {
    let scratch = Scratch::new("failure");
    let other = Module {
        pages: 4,
        ..module(b"baseline")
    };
    let failed = write_plan(&plan(Vec::new(), "x"), &scratch.target(), &other);
    assert!(failed.is_err());
    let contents = Contents {
        model: "toy",
        package: &PackageName::of_model("Toy model"),
        plan: &plan(vec![vec![1.0; 1000]], "x"),
        inputs: &["float32".to_owned(), "complex64".to_owned()],
        outputs: &["float32".to_owned()],
        relaxed: &module(b"relaxed"),
        baseline: &module(b"baseline"),
        threaded: None,
    };
    // It fails when the types are written, after the weights.
    let failed = write(&contents, &scratch.target(), &mut |_| {});
    assert!(failed.is_err());
    assert_eq!(scratch.names(), Vec::<String>::new());
}

#[test]
fn what_appears_meanwhile_is_not_overwritten() {
    let scratch = Scratch::new("meanwhile");
    let target = scratch.target();
    fs::create_dir(scratch.0.join("dist")).unwrap();
    fs::write(scratch.0.join("dist/mine"), "").unwrap();
    assert!(write_plan(&plan(Vec::new(), "x"), &target, &module(b"baseline")).is_err());
    assert_eq!(scratch.names(), ["dist"]);
    assert_eq!(scratch.read("mine"), b"");
}

#[test]
fn what_is_cancelled_vanishes() {
    let scratch = Scratch::new("cancelled");
    let (single, weights) = (module(b"single"), vec![vec![1.0; 1000], vec![2.0; 1000]]);
    let write_with = |cancel: &CancelToken, progress: &mut dyn FnMut(u64)| {
        let contents = Contents {
            model: "toy",
            package: &PackageName::new("toy").unwrap(),
            plan: &plan(weights.clone(), "x"),
            inputs: &["float32".to_owned(), "int32".to_owned()],
            outputs: &["float32".to_owned()],
            relaxed: &single,
            baseline: &single,
            threaded: None,
        };
        let target = Target::new(&scratch.0.join("new/dist"), false).unwrap();
        write(&contents, &target.cancelled_by(cancel.clone()), progress)
    };
    let cancel = CancelToken::default();
    let mut seen = Vec::new();
    let cancelled = write_with(&cancel, &mut |_| {
        let before = scratch.names().len();
        cancel.cancel();
        seen.push((before, scratch.names().len()));
    });
    assert_eq!(cancelled.unwrap_err().kind, ErrorKind::Cancelled);
    // At the first bytes of weights, all is gone at once, the parent that was made for it too.
    assert_eq!(seen[0], (1, 0));
    assert_eq!(scratch.names(), Vec::<String>::new());
    // It stays cancelled; what others compile is not.
    assert_eq!(
        write_with(&cancel, &mut |_| {}).unwrap_err().kind,
        ErrorKind::Cancelled
    );
    assert!(write_with(&CancelToken::default(), &mut |_| {}).is_ok());
    assert_eq!(scratch.names(), ["new"]);
}
