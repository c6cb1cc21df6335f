//! Bundles of a plan that computes nothing.

use super::*;
use crate::backends::wasm::Wasm;
use crate::backends::{
    BACKENDS, Backend, Bench, Emitted, Options, Part, SHARD_BYTES, Script, Section, Variant,
};
use crate::budget::Budget;
use crate::error::ErrorKind;
use crate::plan::{ArenaId, Argument, KernelId, Run, Space, Step, Weights};
use crate::report::{StepRow, steps};
use crate::tensor::encoded::decode;
use crate::tensor::{DType, Encoded, Encoding, Grouping, TensorType};
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
        joint: Vec::new(),
        weights,
        originals_bytes: 0,
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

/// A backend with two variants of its code.
static LEFT: Backend = Backend {
    name: "left",
    variants: &[
        Variant {
            name: "quick",
            about: "where it can",
            tile: |_| None,
        },
        Variant {
            name: "slow",
            about: "elsewhere",
            tile: |_| None,
        },
    ],
    target: |_| Box::new(Wasm::default()),
    emit: |_, _| Ok(emitted("quick")),
    check: |_| Ok(()),
    texts: &[],
    files: &[],
    parts: &[],
    scripts: &[],
    bench: Bench {
        peak: None,
        node_flags: &[],
        browsers: &[],
    },
};

/// Another, with a part of the runtime.
static RIGHT: Backend = Backend {
    name: "right",
    variants: &[Variant {
        name: "only",
        about: "alone",
        tile: |_| None,
    }],
    target: |_| Box::new(Wasm::default()),
    emit: |_, _| {
        Ok(Emitted {
            parts: vec![&PART],
            ..emitted("only")
        })
    },
    check: |_| Ok(()),
    texts: &[],
    files: &[],
    parts: &[&PART],
    scripts: &[],
    bench: Bench {
        peak: None,
        node_flags: &[],
        browsers: &[],
    },
};

static PART: Part = Part {
    mark: "right",
    modules: &[Script {
        name: "right.js",
        text: "export const right = 'of right';\n",
    }],
    scripts: &[Script {
        name: "helper.js",
        text: "helps();\n",
    }],
};

fn emitted(label: &'static str) -> Emitted {
    Emitted {
        files: vec![CodeFile {
            label,
            end: "bin",
            bytes: label.into(),
        }],
        code: Vec::new(),
        figures: Vec::new(),
        memory_bytes: 4096,
        thread_bytes: 0,
        whole_weights: false,
        section: Section::from_iter([("address".to_owned(), 64.into())]),
        parts: Vec::new(),
    }
}

const INPUTS: [ElementType; 2] = [ElementType::Float32, ElementType::Int32];

/// Writes a bundle of the plan, for the backends that are given.
fn write_for(plan: &Plan, target: &Target, backends: &[&'static Backend]) -> Result<Manifest> {
    let build = |backend: &&'static Backend| backend.build(plan.clone(), Options::default());
    let contents = Contents {
        model: "toy",
        package: &PackageName::of_model("Toy model"),
        inputs: &INPUTS,
        outputs: &INPUTS[..1],
        states: &[],
        strings: None,
        pictures: &[],
        labels: None,
        builds: &backends.iter().map(build).collect::<Result<Vec<_>>>()?,
        most_bytes: None,
    };
    write(&contents, target, &mut |_| {})
}

fn write_plan(plan: &Plan, target: &Target) -> Result<Manifest> {
    write_for(plan, target, &[&LEFT])
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
    let manifest = write_plan(&plan, &scratch.target()).unwrap();
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
fn encoded_weights_are_cut_with_their_files() {
    let scratch = Scratch::new("encoded");
    let encoded = |encoding, block, lanes, rows, head, count: usize| {
        let grouping = Grouping {
            block,
            lanes,
            rows,
            head,
        };
        let scales = match encoding {
            Encoding::F16 => 0,
            _ => grouping.scales(count),
        };
        let encoded = Encoded {
            multiplied: false,
            encoding,
            grouping,
            table: std::array::from_fn(|i| i as f32 - 8.0),
            scales: (0..scales).map(|i| 0.001 + (i % 1000) as f32 * 0.003).collect(),
        };
        let number = |i: usize| {
            let scale = grouping
                .group(i)
                .map(|group| encoded.scales.get(group).copied().unwrap_or(1.0));
            ((i * 7 % 16) as f32 - 8.0) * scale.unwrap_or(0.3)
        };
        let data: Vec<f32> = (0..count).map(number).collect();
        (data, encoded)
    };
    let mut plan = plan(vec![vec![0.1; 77]], "x");
    for (data, encoded) in [
        encoded(Encoding::Int8, 8 * 1001, 8, 1000, true, 8 * 1001 * 200),
        encoded(Encoding::Int4, 1 << 20, 16, 64, false, 1 << 20),
        encoded(Encoding::F16, 3000, 1, 3000, false, 900_000),
        // Of which each number takes as much as before.
        encoded(Encoding::Int8, 1, 1, 1, false, 100_000),
    ] {
        plan.weights.add_encoded(data, vec![encoded], "layer");
    }
    assert!(plan.weights.unencoded().is_empty());
    let manifest = write_plan(&plan, &scratch.target()).unwrap();
    let weights = &manifest.weights;
    assert_eq!(manifest.format, 3);
    assert_eq!(
        weights.shards.len(),
        plan.weights.bytes().div_ceil(SHARD_BYTES as usize)
    );
    let mut image: Vec<u8> = Vec::new();
    let mut cut = 0;
    for (name, parts) in weights.shards.iter().zip(weights.encoded.as_ref().unwrap()) {
        let file = scratch.read(name);
        assert!(image.len().is_multiple_of(SHARD_BYTES as usize));
        let mut from = 0;
        for part in parts {
            let (begin, end) = (part.from as usize, (part.from + part.bytes) as usize);
            image.extend(&file[from..begin]);
            assert_eq!(image.len() as u64, part.to);
            let grouping = Grouping {
                block: part.block,
                lanes: part.lanes,
                rows: part.rows,
                head: part.head,
            };
            let read = decode(
                part.encoding,
                &grouping,
                part.first,
                part.elements,
                &file[begin..end],
            );
            image.extend(read.unwrap().iter().flat_map(|number| number.to_le_bytes()));
            cut += usize::from(part.first > 0);
            from = end;
        }
        image.extend(&file[from..]);
    }
    assert_eq!(image.len(), plan.weights.bytes());
    assert!(cut > 0, "no part is cut inside of a block");
    for (offset, data) in plan.weights.parts() {
        let own = image[offset..offset + 4 * data.len()].as_chunks::<4>().0.iter();
        assert!(
            own.map(|bytes| f32::from_le_bytes(*bytes))
                .eq(data.iter().copied()),
            "{offset}"
        );
    }
    let sizes = manifest.weight_sizes();
    assert_eq!(
        sizes.keys().filter_map(|encoding| *encoding).collect::<Vec<_>>(),
        Encoding::ALL
    );
    let [files, floats] = [0, 1].map(|which| sizes.values().map(|both| both[which]).sum::<u64>());
    assert_eq!(floats, plan.weights.bytes() as u64);
    assert!(files < floats / 2);
}

#[test]
fn the_manifest_has_a_section_for_each_backend() {
    let scratch = Scratch::new("manifest");
    let plan = plan(vec![vec![1.0]], "x");
    let manifest = write_for(&plan, &scratch.target(), &[&LEFT, &RIGHT]).unwrap();
    let profiles = ["left", "right"].map(|name| manifest.backends[name].profile.clone());
    let text = String::from_utf8(scratch.read("manifest.json")).unwrap();
    let files = text.find(",\"files\"").unwrap();
    assert_eq!(
        text[..files]
            .replace(&profiles[0], "LEFT")
            .replace(&profiles[1], "RIGHT"),
        concat!(
            r#"{"format":2,"generator":"keras-compile "#,
            env!("CARGO_PKG_VERSION"),
            r#"","model":"toy","#,
            r#""inputs":[{"name":"x","shape":[1,3],"dtype":"float32"},"#,
            r#"{"name":"ids","shape":[1,3],"dtype":"int32"}],"#,
            r#""outputs":[{"name":"y","shape":[1,3],"dtype":"float32"}],"#,
            r#""backends":{"#,
            r#""left":{"code":{"quick":"model-quick.22c72aa8.bin"},"memory":4096,"steps":1,"profile":"LEFT","address":64},"#,
            r#""right":{"code":{"only":"model-only.f905b195.bin"},"memory":4096,"steps":1,"profile":"RIGHT","address":64}},"#,
            r#""weights":{"bytes":64,"shards":["weights-0.ae5140b4.bin"]}"#,
        )
    );
    for (profile, backend) in profiles.iter().zip([&LEFT, &RIGHT]) {
        let described: Vec<StepRow> = serde_json::from_slice(&scratch.read(profile)).unwrap();
        assert_eq!(described, steps(&plan, backend.variants));
    }
    let types = String::from_utf8(scratch.read("index.d.ts")).unwrap();
    assert!(types.contains("export type BackendName = 'left' | 'right';\n"));
    assert!(types.contains("export type ModuleName = 'only' | 'quick' | 'slow';\n"));
}

#[test]
fn scripts_hold_the_manifest_and_the_parts_of_their_backends() {
    let scratch = Scratch::new("scripts");
    let plan = plan(Vec::new(), "x");
    let manifest = write_for(&plan, &scratch.target(), &[&LEFT, &RIGHT]).unwrap();
    let index = String::from_utf8(scratch.read("index.js")).unwrap();
    let profile = &manifest.backends["left"].profile;
    assert!(index.contains(&format!("'{profile}': new URL('./{profile}', import.meta.url),")));
    // The script holds the manifest, without what that says of the script itself.
    assert!(index.contains("  model: \"toy\",\n"));
    for (name, FileEntry { bytes, sha256 }) in &manifest.files {
        let entry = format!("    '{name}': {{\"bytes\":{bytes},\"sha256\":\"{sha256}\"}},\n");
        assert_eq!(index.contains(&entry), name.contains(&sha256[..8]), "{name}");
    }
    assert!(!index.contains("// keras-compile: "));
    assert!(index.contains("='of right';\n"));
    assert!(
        String::from_utf8(scratch.read("helper.js"))
            .unwrap()
            .contains("\nhelps();\n")
    );
    let scratch = Scratch::new("no-parts");
    let manifest = write_plan(&plan, &scratch.target()).unwrap();
    let index = String::from_utf8(scratch.read("index.js")).unwrap();
    assert!(!index.contains("of right") && !manifest.files.contains_key("helper.js"));
}

/// What the backends of the table emit is what they accept, with code for threads and without.
#[test]
fn bundles_of_the_table_are_whole() {
    for one_thread in [false, true] {
        let scratch = Scratch::new("table");
        let build = |backend: &&'static Backend| {
            let plan = plan(vec![vec![1.0]], "x");
            backend
                .build(
                    plan,
                    Options {
                        one_thread,
                        ..Options::default()
                    },
                )
                .unwrap()
        };
        let builds: Vec<_> = BACKENDS.iter().map(build).collect();
        let contents = Contents {
            model: "toy",
            package: &PackageName::of_model("Toy model"),
            inputs: &INPUTS,
            outputs: &INPUTS[..1],
            states: &[],
            strings: None,
            pictures: &[],
            labels: None,
            builds: &builds,
            most_bytes: None,
        };
        let manifest = write(&contents, &scratch.target(), &mut |_| {}).unwrap();
        assert_eq!(inspect(&scratch.0.join("dist")).unwrap().problems, []);
        let index = String::from_utf8(scratch.read("index.js")).unwrap();
        let url = |name: &str| {
            let spaced = format!("new URL('./{name}', import.meta.url)");
            index.contains(&spaced) || index.contains(&spaced.replace(", ", ","))
        };
        assert!(!index.contains("// keras-compile: "), "{index}");
        assert!(
            manifest
                .backends
                .values()
                .all(|section| section.code.values().all(|name| url(name)))
        );
        let workers = [
            manifest.files.contains_key("worker.js"),
            index.contains("SharedArrayBuffer"),
            url("worker.js"),
        ];
        assert_eq!(workers, [!one_thread; 3]);
    }
}

#[test]
fn sections_are_checked() {
    let scratch = Scratch::new("sections");
    write_for(&plan(Vec::new(), "x"), &scratch.target(), &[&LEFT]).unwrap();
    let problems = || {
        let problems = inspect(&scratch.0.join("dist")).unwrap().problems;
        problems.iter().map(ToString::to_string).collect::<String>()
    };
    let found = problems();
    assert!(
        found.contains("names a backend \"left\", which does not exist"),
        "{found}"
    );
    // The names of the table, around what is not theirs.
    let name = BACKENDS[0].name;
    let text = String::from_utf8(scratch.read("manifest.json")).unwrap();
    let text = text.replace("\"left\"", &format!("\"{name}\""));
    fs::write(scratch.0.join("dist/manifest.json"), text).unwrap();
    let found = problems();
    assert!(
        found.contains(&format!("is damaged (backends.{name}: missing field")),
        "{found}"
    );
}

#[test]
fn npm_knows_the_bundle_by_a_name() {
    let scratch = Scratch::new("package");
    write_plan(&plan(Vec::new(), "x"), &scratch.target()).unwrap();
    let package: serde_json::Value = serde_json::from_slice(&scratch.read("package.json")).unwrap();
    assert_eq!(package["name"], "toy-model");
    assert_eq!(package["version"], "1.0.0");
}

#[test]
fn names_are_quoted_in_types() {
    let scratch = Scratch::new("types");
    let name = "a\"b\\c\n*/ ${d}`é\u{2028}";
    write_plan(&plan(Vec::new(), name), &scratch.target()).unwrap();
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
    let build = |weight| {
        let plan = plan(vec![vec![weight; 1000]], "x");
        LEFT.build(plan, Options::default()).unwrap()
    };
    let fails = |builds: &[Build], outputs: &[ElementType], what: &str| {
        let contents = Contents {
            model: "toy",
            package: &PackageName::of_model("Toy model"),
            inputs: &INPUTS,
            outputs,
            states: &[],
            strings: None,
            pictures: &[],
            labels: None,
            builds,
            most_bytes: None,
        };
        let error = write(&contents, &scratch.target(), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(scratch.names(), Vec::<String>::new());
    };
    fails(&[], &INPUTS[..1], "for no backend");
    fails(&[build(1.0), build(2.0)], &INPUTS[..1], "want different weights");
    // It fails after the weights are written.
    fails(
        &[build(f32::NAN), build(f32::NAN)],
        &INPUTS,
        "2 element types for 1",
    );
}

#[test]
fn what_appears_meanwhile_is_not_overwritten() {
    let scratch = Scratch::new("meanwhile");
    let target = scratch.target();
    fs::create_dir(scratch.0.join("dist")).unwrap();
    fs::write(scratch.0.join("dist/mine"), "").unwrap();
    assert!(write_plan(&plan(Vec::new(), "x"), &target).is_err());
    assert_eq!(scratch.names(), ["dist"]);
    assert_eq!(scratch.read("mine"), b"");
}

#[test]
fn what_is_cancelled_vanishes() {
    let scratch = Scratch::new("cancelled");
    let build = LEFT.build(
        plan(vec![vec![1.0; 1000], vec![2.0; 1000]], "x"),
        Options::default(),
    );
    let builds = [build.unwrap()];
    let write_with = |cancel: &CancelToken, progress: &mut dyn FnMut(u64)| {
        let contents = Contents {
            model: "toy",
            package: &PackageName::new("toy").unwrap(),
            inputs: &INPUTS,
            outputs: &INPUTS[..1],
            states: &[],
            strings: None,
            pictures: &[],
            labels: None,
            builds: &builds,
            most_bytes: None,
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

/// A run with so many arguments as there are places, of which each is a memory and a byte of it.
fn run(arguments: &[(Space, usize)]) -> Run {
    let argument = |&(space, offset): &(Space, usize)| Argument {
        space,
        offset,
        advance: 0,
    };
    Run {
        kernel: KernelId(0),
        arguments: arguments.iter().map(argument).collect(),
        name: String::new(),
        flops: 0,
    }
}

#[test]
fn files_come_in_the_order_in_which_steps_need_them() {
    // Two originals first, as memory has them: in the files 0 and 1, and 1. The constants of steps lie in 1, 2 and 3, and 4.
    let shard = SHARD_BYTES as usize / 4;
    let sizes = [shard + 64, shard - 128, 64, 2 * shard, 64];
    let parts = sizes
        .iter()
        .zip(1u16..)
        .map(|(&size, value)| vec![f32::from(value); size]);
    let mut plan = plan(parts.collect(), "x");
    let starts: Vec<usize> = plan.weights.parts().map(|(start, _)| start).collect();
    let weights = |part: usize| (Space::Weights, starts[part]);
    let prepared = |offset: usize| (Space::Prepared, offset);
    let value = (Space::Arena(ArenaId(0)), 0);
    plan.prepare = vec![
        run(&[weights(0), prepared(0)]),
        run(&[weights(1), prepared(4096)]),
    ];
    let steps = [
        run(&[value]),
        run(&[weights(2), value]),
        run(&[prepared(64), value]),
        run(&[weights(3), value]),
        run(&[prepared(4096), value]),
        run(&[weights(4), value]),
    ];
    let arrival = |plan: &Plan| {
        let order = arrival::order(std::iter::once(plan));
        let ready = arrival::ready(plan, &order);
        (order, ready)
    };
    plan.steps = steps.clone().map(Step::Run).into();
    let (order, ready) = arrival(&plan);
    assert_eq!(order, [1, 0, 2, 3, 4]);
    assert_eq!(ready, [[0, 2], [2, 3], [2, 3], [2, 5], [2, 6]]);
    // Another order of steps, of which one is a loop that reads two constants.
    plan.steps = vec![
        Step::Run(steps[0].clone()),
        Step::Run(steps[3].clone()),
        Step::Loop {
            count: 2,
            body: vec![steps[2].clone(), steps[1].clone()],
        },
        Step::Run(steps[5].clone()),
    ];
    let (order, ready) = arrival(&plan);
    assert_eq!(order, [2, 3, 0, 1, 4]);
    assert_eq!(ready, [[0, 1], [0, 2], [0, 2], [2, 3], [2, 4]]);
    // What another plan needs besides comes behind, and what nobody needs is last.
    let mut other = plan.clone();
    plan.prepare.clear();
    plan.steps = vec![Step::Run(steps[5].clone())];
    other.prepare.clear();
    other.steps = vec![Step::Run(steps[3].clone()), Step::Run(steps[5].clone())];
    let order = arrival::order([&plan, &other].into_iter());
    assert_eq!(order, [4, 2, 3, 0, 1]);
    assert_eq!(
        arrival::ready(&other, &order),
        [[0, 0], [0, 0], [0, 2], [0, 2], [0, 2]]
    );
}
