//! One script of several ES modules, so that a browser asks once for all of them.
//!
//! The modules keep to a form that makes this simple. Each import stands on a line of its own, `import { a, b } from
//! './file.js';`, and so does each import of types, `/** @import { A } from './file.js' */`. Exports stand before
//! declarations. No two modules declare one name at their top. Then joined they mean the same without their imports.
//!
//! Visitors download the script, so that comments stay behind: those that fill lines, and JSDoc wherever it stands. What begins with
//! `/* ` stays, since tools read it, and so do marks. Then [`compact()`] shortens names.

use super::compact::compact;
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What stands first. Projects that check JavaScript have other options than the ones this was checked with.
const BANNER: &str = "\
// Written by keras-compile.
// @ts-nocheck
/* eslint-disable */
";

/// Joins modules, each given with its name and after those that it imports. The last one's exports stay.
pub(super) fn join(modules: &[(&str, &str)]) -> Result<String> {
    let mut joined = Joined::default();
    for (i, &(name, text)) in modules.iter().enumerate() {
        joined.add(name, text, i + 1 == modules.len())?;
    }
    let last = modules.last().map(|(name, _)| *name);
    let inner = joined
        .declared
        .iter()
        .filter(|(_, (exported, file))| !(*exported && Some(*file) == last));
    let script = format!("{BANNER}\n{}", joined.text);
    compact(&script, inner.map(|(name, _)| name.as_str()))
        .ok_or_else(|| Error::internal("a script of the runtime has no end".to_owned()))
}

#[derive(Default)]
struct Joined<'a> {
    text: String,
    /// Every name at the top, with whether it is exported and the file that declares it.
    declared: BTreeMap<String, (bool, &'a str)>,
}

impl<'a> Joined<'a> {
    fn add(&mut self, file: &'a str, text: &'a str, last: bool) -> Result<()> {
        let mut blank = true;
        let mut inside = false;
        for line in text.lines() {
            let wrong = |what: &str| Error::internal(format!("{file}: `{line}` {what}"));
            if let Some(import) = line.strip_prefix("/** @import ") {
                names(import, " */").ok_or_else(|| wrong("is no import of types"))?;
                continue;
            }
            if let Some(import) = line.strip_prefix("import ") {
                let (names, from) = names(import, ";").ok_or_else(|| wrong("is no import of names"))?;
                let from = from.strip_prefix("./").unwrap_or(from);
                let known = |name: &&str| self.declared.get(*name) == Some(&(true, from));
                if !names.iter().all(known) {
                    return Err(wrong("imports what no module before it exports"));
                }
                continue;
            }
            let Some(line) = code(line, &mut inside) else {
                continue;
            };
            let exported = line.strip_prefix("export ");
            let inner = exported.unwrap_or(&line);
            let declared = declaration(inner);
            if declared.is_none() && exported.is_some() && !last {
                return Err(wrong("exports no declaration"));
            }
            let mine = (exported.is_some(), file);
            if declared.is_some_and(|name| self.declared.insert(name.to_owned(), mine).is_some()) {
                return Err(wrong("declares a name that another module declares, too"));
            }
            // Imports and comments that are gone leave no gaps.
            if !(blank && line.is_empty()) {
                self.text += if last { &line } else { inner };
                self.text += "\n";
            }
            blank = line.is_empty();
        }
        Ok(())
    }
}

/// What of a line is no comment, if it is more than one. `inside` tells whether a comment goes on from line to line.
fn code<'a>(line: &'a str, inside: &mut bool) -> Option<Cow<'a, str>> {
    let trimmed = line.trim_start();
    if *inside {
        *inside = !line.contains("*/");
        return None;
    }
    if trimmed.starts_with("//") && !trimmed.starts_with("// keras-compile: ") {
        return None;
    }
    if trimmed.starts_with("/**") && !trimmed.contains("*/") {
        *inside = true;
        return None;
    }
    let mut code = Cow::Borrowed(line);
    while let Some(begin) = code.find("/** ") {
        let Some(length) = code[begin..].find("*/") else {
            break;
        };
        let after = code[begin + length + 2..].trim_start();
        code = Cow::Owned(format!("{}{after}", &code[..begin]));
    }
    let gone = code.trim().is_empty() && !line.trim().is_empty();
    (!gone).then_some(code)
}

/// The names and the file of `{ a, b } from 'file'` with its `end`.
fn names<'a>(import: &'a str, end: &str) -> Option<(Vec<&'a str>, &'a str)> {
    let (names, from) = import.strip_prefix("{ ")?.split_once(" } from '")?;
    let from = from.strip_suffix(end)?.strip_suffix('\'')?;
    Some((names.split(", ").collect(), from))
}

/// The name that a line declares at the top.
fn declaration(line: &str) -> Option<&str> {
    const WORDS: [&str; 7] = [
        "const ",
        "let ",
        "class ",
        "function ",
        "function* ",
        "async function ",
        "async function* ",
    ];
    let rest = WORDS.iter().find_map(|word| line.strip_prefix(word))?;
    let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let end = rest.find(|c| !name(c)).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "// First.\n\n/** @import { T, S } from './t.js' */\n\n/** One. @type {T} */\nexport const one = 1;\n\nconst inner = 1;\n";

    #[test]
    fn imports_go_and_the_last_exports_stay() {
        let b = "// Second.\n\nimport { one } from './a.js';\n\n/** @import { R, T } from './t.js' */\n\nexport function two() {\n  return one;\n}\n\nexport { one };\n";
        assert_eq!(
            join(&[("a.js", A), ("b.js", b)]).unwrap(),
            format!(
                "{BANNER}const one=1;\nconst a=1;\nexport function two(){{\nreturn one;\n}}\nexport{{one}};\n"
            )
        );
    }

    #[test]
    fn comments_stay_behind() {
        let text = "/**\n * Two\n * lines.\n */\nconst a = /** @type {any} */ (b);\n  // Why.\n  f(/** @type {A} */ x, /** @type {B} */ y); // here\n\
            // keras-compile: files\nimport(/* @vite-ignore */ c);\n";
        let code = "const d=b;\nf(x,y);// here\n// keras-compile: files\nimport(/* @vite-ignore */ c);\n";
        assert_eq!(join(&[("a.js", text)]).unwrap(), format!("{BANNER}{code}"));
    }

    #[test]
    fn other_forms_are_refused() {
        let cases = [
            (
                "import { two } from './a.js';",
                "imports what no module before it exports",
            ),
            (
                "import { inner } from './a.js';",
                "imports what no module before it exports",
            ),
            (
                "import { one } from './c.js';",
                "imports what no module before it exports",
            ),
            ("import './a.js';", "is no import of names"),
            ("import * as a from './a.js';", "is no import of names"),
            ("/** @import * as t from './t.js' */", "is no import of types"),
            (
                "const inner = 2;",
                "declares a name that another module declares, too",
            ),
            (
                "async function* one() {}",
                "declares a name that another module declares, too",
            ),
            ("export { one };", "exports no declaration"),
            ("export default 1;", "exports no declaration"),
        ];
        for (line, what) in cases {
            let error = join(&[("a.js", A), ("b.js", line), ("c.js", "")]).unwrap_err();
            assert!(
                error.to_string().contains(&format!("b.js: `{line}` {what}")),
                "{error}"
            );
        }
    }
}
