//! What the command tells of itself to shells and to `man`.

use crate::support::{Scratch, run};

#[test]
fn every_shell_gets_a_script() {
    let scratch = Scratch::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = run(scratch.path(), &["completions", shell]);
        assert_eq!(said.code, Some(0), "{said:#?}");
        for word in ["inspect", "build", "quantize", "gpu-precision"] {
            assert!(
                said.stdout.contains(word),
                "{shell}: no {word:?} in {}",
                said.stdout
            );
        }
    }
    let unknown = run(scratch.path(), &["completions", "tcsh"]);
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
    assert!(unknown.stderr.contains("bash, elvish, fish"), "{unknown:#?}");
}

#[cfg(unix)]
#[test]
fn bash_completes_a_subcommand() {
    let script = run(Scratch::new().path(), &["completions", "bash"]).stdout;
    let ask = "
        COMP_WORDS=(keras-compile insp) COMP_CWORD=1
        completer=$(complete -p keras-compile | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        $completer keras-compile insp keras-compile
        echo \"${COMPREPLY[@]}\"";
    let output = std::process::Command::new("bash")
        .args(["-c", &format!("{script}\n{ask}")])
        .output()
        .expect("bash starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "inspect\n", "{output:?}");
}

#[test]
fn the_manual_has_all_commands() {
    let said = run(Scratch::new().path(), &["man"]);
    assert_eq!(said.code, Some(0), "{said:#?}");
    for word in [
        ".TH keras-compile 1",
        ".TH keras-compile-bench 1",
        "\\-\\-quantize",
        "Exit codes",
    ] {
        assert!(said.stdout.contains(word), "no {word:?} in {}", said.stdout);
    }
}
