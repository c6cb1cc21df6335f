//! Shaders of all goldens: those of WebGPU and WebGL2 are written and valid, and an independent compiler takes the GLSL.

use keras_compile::backends::{Precision, webgl, webgpu};
use keras_compile::graph::Graph;
use keras_compile::plan::plan;
use keras_compile::{keras, passes};
use keras_compile_tests::goldens::{Case, cases, files};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files of one call of the validator.
const AT_ONCE: usize = 200;

/// The optimised graph of a case that is not refused.
fn graph(case: &Case) -> Option<Graph> {
    let model = case.model().ok()?;
    let mut graph = keras::lower(&model, &case.shapes()).ok()?.graph;
    passes::run(&mut graph, passes::Options::default()).expect("passes succeed");
    Some(graph)
}

/// An empty directory that vanishes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("keras-compile-shaders-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a temporary directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What glslangValidator has against the shaders, by the name of what each comes from.
fn refused(shaders: &BTreeMap<String, String>) -> Vec<String> {
    let scratch = Scratch::new();
    let mut wrong = Vec::new();
    let all: Vec<_> = shaders.iter().enumerate().collect();
    for some in all.chunks(AT_ONCE) {
        let mut command = Command::new("glslangValidator");
        for (number, (text, _)) in some {
            let name = format!("{number}.frag");
            fs::write(scratch.0.join(&name), text).expect("it is writable");
            command.arg(name);
        }
        let output = command
            .current_dir(&scratch.0)
            .output()
            .expect("glslangValidator starts; install it: apt-get install glslang-tools");
        if output.status.success() {
            continue;
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let from = some
            .iter()
            .map(|(number, (_, from))| format!("{number}.frag is of {from}"));
        wrong.push(format!("{said}\n{}", from.collect::<Vec<_>>().join("\n")));
    }
    wrong
}

#[test]
fn shaders_of_all_goldens_are_valid() {
    let mut glsl = BTreeMap::new();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for case in ["layers", "networks"]
        .iter()
        .flat_map(|folder| files(folder))
        .flat_map(|file| cases(&file))
    {
        let Some(graph) = graph(&case) else { continue };
        count += 1;
        // Every module is checked where it is made.
        let on_webgpu = plan(&graph, &webgpu::WebGpu)
            .and_then(|plan| webgpu::Program::new(&plan, Precision::F32, webgpu::Machine::default()));
        match on_webgpu {
            Ok(program) => assert_eq!(
                program.modules.is_empty(),
                program.dispatches() == 0,
                "{}",
                case.id
            ),
            Err(error) => wrong.push(format!("{} on WebGPU: {error}", case.id)),
        }
        match plan(&graph, &webgl::WebGl).and_then(|plan| webgl::Program::new(&plan)) {
            Ok(program) => {
                assert_eq!(program.texts.is_empty(), program.draws() == 0, "{}", case.id);
                for text in program.texts {
                    glsl.entry(text).or_insert_with(|| case.id.clone());
                }
            }
            Err(error) => wrong.push(format!("{} on WebGL2: {error}", case.id)),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        count > 250 && glsl.len() > 250,
        "only {} of {count} goldens",
        glsl.len()
    );
    let wrong = refused(&glsl);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The validator does say no.
#[test]
fn what_is_no_shader_is_refused() {
    let text =
        "#version 300 es\nprecision highp float;\nout vec4 color;\nvoid main() { color = vec3(0.0); }\n";
    let wrong = refused(&BTreeMap::from([(text.to_owned(), "nothing".to_owned())]));
    assert!(
        wrong.len() == 1 && wrong[0].contains("0.frag is of nothing"),
        "{wrong:?}"
    );
}
