//! `build`: recipes, budgets, what `--check` finds, and the templates for CI that use it.

use crate::support::{Run, Scratch, command, models, root, run, snapshot};
use std::fs;
use std::path::Path;
use std::process::Command;

const RECIPE: &str = r#"
[[model]]
model = "models/first.h5"
out = "public/first"
backends = "wasm"
budget = { bytes = "200 KB" }

[[model]]
model = "models/second.keras"
out = "public/second"
backends = "wasm,webgl"
exact = true
threads = "off"
"#;

/// A project with two models.
fn project(recipe: &str) -> Scratch {
    let project = Scratch::new();
    fs::create_dir(project.join("models")).unwrap();
    fs::copy(models().join("k3-cnn.h5"), project.join("models/first.h5")).unwrap();
    fs::copy(models().join("k3-cnn.keras"), project.join("models/second.keras")).unwrap();
    fs::write(project.join("keras-compile.toml"), recipe).unwrap();
    project
}

fn expect(run: &Run, code: i32, words: &[&str]) {
    assert_eq!(run.code, Some(code), "{run:#?}");
    let said = format!("{}{}", run.stdout, run.stderr);
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {run:#?}");
    }
}

#[test]
fn a_recipe_is_its_commands() {
    let project = project(RECIPE);
    // From elsewhere: paths begin at the recipe.
    let recipe = project.join("keras-compile.toml");
    let built = run(&root(), &["build", recipe.to_str().unwrap()]);
    expect(
        &built,
        0,
        &["first.h5 gives", "public/second", "of 200.0 KB allowed"],
    );
    let alone = project.join("alone");
    let arguments = [
        "--exact",
        "--threads",
        "off",
        "--backends",
        "wasm,webgl",
        "--quiet",
    ];
    let compiled = command(project.path())
        .args(["models/second.keras", "--out", "alone"])
        .args(arguments)
        .status()
        .unwrap();
    assert!(compiled.success());
    for entry in fs::read_dir(&alone).unwrap().map(Result::unwrap) {
        let other = project.join("public/second").join(entry.file_name());
        assert_eq!(
            fs::read(entry.path()).unwrap(),
            fs::read(&other).unwrap(),
            "{}",
            other.display()
        );
    }
    expect(&run(project.path(), &["build"]), 0, &[]);
    expect(
        &run(project.path(), &["build", "--check"]),
        0,
        &["gives what is in public/first"],
    );
}

#[test]
fn all_paths_begin_at_the_recipe() {
    let project = Scratch::new();
    let digits = root().join("examples/digits");
    for file in ["digits.h5", "labels.txt", "samples.npz"] {
        fs::copy(digits.join(file), project.join(file)).unwrap();
    }
    for labels in ["labels.txt", "digit=labels.txt"] {
        let recipe = format!(
            "[[model]]\nmodel = \"digits.h5\"\nout = \"dist\"\nbackends = \"wasm\"\nlabels = {labels:?}\nquantize = \"int8\"\nsamples = \"samples.npz\"\n\
             image = [\"gray,scale=1/255\"]\nbudget = {{ error = 0.5 }}\n"
        );
        fs::write(project.join("keras-compile.toml"), recipe).unwrap();
        let recipe = project.join("keras-compile.toml");
        expect(
            &run(&root(), &["build", recipe.to_str().unwrap()]),
            0,
            &["digits.h5 gives"],
        );
    }
    let recipe = fs::read_to_string(project.join("keras-compile.toml")).unwrap();
    let strict = recipe.replace("error = 0.5", "error = 1e-6");
    fs::write(project.join("keras-compile.toml"), strict).unwrap();
    expect(
        &run(project.path(), &["build", "--check"]),
        1,
        &[
            "is off by up to",
            "of its largest magnitude, more than the limit of 1e-6",
        ],
    );
    // A thousand names are too many for ten classes, but that is known only when the word is not taken for a file.
    let many = recipe.replace("digit=labels.txt", "imagenet");
    fs::write(project.join("keras-compile.toml"), many).unwrap();
    expect(&run(project.path(), &["build"]), 2, &["1000"]);
}

#[test]
fn a_check_tells_what_changed_and_writes_nothing() {
    let project = project(RECIPE);
    let missing = run(project.path(), &["build", "--check"]);
    expect(&missing, 1, &["public/first", "public/second", "2 problems"]);
    assert!(
        !project.contents().iter().any(|name| name.contains("public")),
        "{:?}",
        project.contents()
    );

    expect(&run(project.path(), &["build"]), 0, &[]);
    let before = project.contents();
    // Other weights, and another option.
    fs::copy(models().join("k3-trained.h5"), project.join("models/first.h5")).unwrap();
    let recipe = RECIPE.replace("wasm,webgl", "wasm");
    fs::write(project.join("keras-compile.toml"), recipe).unwrap();
    let changed = run(project.path(), &["build", "--check"]);
    expect(
        &changed,
        1,
        &[
            "public/first: is not what models/first.h5 gives",
            "public/second: is not what models/second.keras gives",
            "backends are wasm, webgl there, and wasm now",
            "run keras-compile build and commit what it writes",
        ],
    );
    assert_eq!(project.contents(), before);

    // What was changed by hand.
    fs::write(project.join("public/second/notes.txt"), "mine").unwrap();
    fs::write(project.join("public/second/index.js"), "mine").unwrap();
    let damaged = run(project.path(), &["build", "--check"]);
    expect(
        &damaged,
        1,
        &["index.js", "\"notes.txt\" is not a file of the bundle"],
    );
}

#[test]
fn a_budget_that_is_broken_writes_nothing() {
    let project = project(&RECIPE.replace("200 KB", "10 KB"));
    let broken = run(project.path(), &["build"]);
    expect(
        &broken,
        1,
        &[
            "public/first: the size of all files of the bundle in bytes is",
            "more than the limit of 10000",
        ],
    );
    assert!(!project.join("public/first").exists());
    assert!(project.join("public/second/index.js").exists());
}

#[test]
fn what_is_wrong_with_a_recipe() {
    let folder = Scratch::new();
    let mut text = String::new();
    for recipe in [
        "",
        "model = 3\n",
        "[[model]]\n",
        "[[model]\n",
        "[[model]]\nmodel = \"a.h5\"\nout = \"b\"\nquantise = \"int8\"\n",
        "[[model]]\nmodel = \"a.h5\"\nout = \"b\"\nexact = \"yes\"\nforce = true\n[settings]\nfast = true\n",
        "[[model]]\nmodel = \"a.h5\"\nout = \"b\"\nbudget = { bytes = \"many\", ms = 3 }\n",
        "[[model]]\nmodel = \"a.h5\"\nout = [\"b\", \"c\"]\ninput-shape = { a = 3 }\n",
        "[[model]]\nmodel = \"a.h5\"\nout = \"b\"\nthreads = \"many\"\n",
        "[[model]]\nmodel = [\"a.h5\", \"b.h5\"]\nout = \"b\"\n",
        "[[model]]\nmodel = \"--help\"\nout = \"b\"\n",
    ] {
        fs::write(folder.join("keras-compile.toml"), recipe).unwrap();
        text += &format!(
            "{recipe}{}\n",
            run(folder.path(), &["build"]).transcript(&["build"])
        );
    }
    let missing = run(folder.path(), &["build", "other.toml"]);
    text += &missing.transcript(&["build", "other.toml"]);
    snapshot("recipes", &text);
    assert_eq!(folder.contents(), ["keras-compile.toml"]);
}

/// The scripts of a composite action, in their order.
fn scripts(action: &str) -> Vec<String> {
    let mut scripts = Vec::new();
    let mut lines = action.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(indent) = line.find("run: |") else {
            continue;
        };
        let mut script = String::new();
        while let Some(line) =
            lines.next_if(|line| line.trim().is_empty() || line.find(|c| c != ' ') > Some(indent))
        {
            script += line.trim_start();
            script.push('\n');
        }
        scripts.push(script);
    }
    scripts
}

/// Runs the steps of the action as GitHub does, each in a shell that stops at the first failure.
fn act(project: &Path, check: &str) -> (bool, String) {
    let action = fs::read_to_string(root().join("templates/ci/action.yml")).unwrap();
    let scripts = scripts(&action);
    assert_eq!(scripts.len(), 2, "{scripts:?}");
    let compiler = Path::new(env!("CARGO_BIN_EXE_keras-compile"));
    let path = format!("{}:/usr/bin:/bin", compiler.parent().unwrap().display());
    let mut said = String::new();
    for script in scripts {
        let output = Command::new("sh")
            .args(["-e", "-c", &script])
            .current_dir(project)
            .env("PATH", &path)
            .env("GITHUB_ACTIONS", "true")
            .envs([
                ("RECIPE", "keras-compile.toml"),
                ("CHECK", check),
                ("VERSION", ""),
            ])
            .output()
            .expect("a shell");
        said += &String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return (false, said);
        }
    }
    (true, said)
}

#[cfg(unix)]
#[test]
fn the_action_fails_on_a_changed_model_and_on_a_broken_budget() {
    let project = project(RECIPE);
    let (done, said) = act(project.path(), "false");
    assert!(done, "{said}");
    let (same, said) = act(project.path(), "true");
    assert!(same, "{said}");
    assert!(!said.contains("::error"), "{said}");

    fs::copy(models().join("k3-trained.h5"), project.join("models/first.h5")).unwrap();
    let (same, said) = act(project.path(), "true");
    assert!(!same, "{said}");
    assert!(
        said.contains("::error file=public/first,title=keras-compile::"),
        "{said}"
    );

    fs::write(
        project.join("keras-compile.toml"),
        RECIPE.replace("200 KB", "10 KB"),
    )
    .unwrap();
    let (kept, said) = act(project.path(), "false");
    assert!(!kept && said.contains("more than the limit of 10000"), "{said}");
    fs::write(project.join("keras-compile.toml"), format!("{RECIPE}fast = 1\n")).unwrap();
    let (read, said) = act(project.path(), "false");
    assert!(
        !read && said.contains("::error file=keras-compile.toml,line=14,"),
        "{said}"
    );
    assert!(!act(project.path(), "yes").0);
    let workflow = fs::read_to_string(root().join("templates/ci/workflow.yml")).unwrap();
    assert!(workflow.contains("uses: ./.github/actions/keras-compile\n"));
}
