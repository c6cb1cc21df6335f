//! `keras-compile.toml`: the models of a project, the options of each and what its bundle must keep to.
//!
//! Options are called as on the command line and are given to its parser, so that each is known in one place.

use crate::{CompileArgs, OptionOf, ValueOf};
use keras_compile::error::{Collector, Error, ErrorKind, Errors, Result};
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Options that say how the command runs, not what it makes.
const NO_OPTIONS: [&str; 8] = [
    "emit",
    "stop-after",
    "force",
    "quiet",
    "verbose",
    "json",
    "help",
    "version",
];

/// Most bytes of a recipe.
const LONGEST: u64 = 1 << 20;

/// A model of a recipe.
pub struct Entry {
    /// What to compile, as the command line has it.
    pub args: CompileArgs,
    /// What the bundle must keep to.
    pub budget: Budget,
}

/// What a bundle must keep to.
#[derive(Clone, Copy, Default)]
pub struct Budget {
    /// The most bytes of all its files.
    pub bytes: Option<u64>,
    /// How far results may be off with small weights, as a share of the largest magnitude of their output.
    pub error: Option<f64>,
}

/// A text and where it is from.
struct File<'a> {
    shown: String,
    folder: &'a Path,
    text: &'a str,
}

/// Reads a recipe. Paths in it begin at its folder.
///
/// # Errors
/// All that is wrong with it, by line and key.
pub fn read(path: &Path) -> std::result::Result<Vec<Entry>, Errors> {
    let shown = path.display().to_string();
    let text = load(path).map_err(|error| error.in_file(&shown))?;
    let file = File {
        shown,
        folder: path.parent().unwrap_or(Path::new("")),
        text: &text,
    };
    let root = DeTable::parse(&text).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        file.wrong(
            &at,
            error.message().to_owned(),
            "see https://toml.io for how it is written",
        )
    })?;
    let mut problems = Collector::default();
    let mut entries = Vec::new();
    for (key, value) in root.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("model", DeValue::Array(models)) => {
                for model in models.iter() {
                    entries.extend(problems.keep_all(file.entry(model)));
                }
            }
            (name, _) => problems.push(file.wrong(
                &key.span(),
                format!("{name:?} has no meaning here"),
                "each model begins with a line [[model]]",
            )),
        }
    }
    if problems.is_empty() && entries.is_empty() {
        problems.push(file.wrong(
            &(0..0),
            "names no model".to_owned(),
            "each begins with a line [[model]]",
        ));
    }
    problems.finish(entries)
}

fn load(path: &Path) -> Result<String> {
    let io = |error: std::io::Error| {
        let error = Error::new(ErrorKind::Io(format!("cannot be read ({error})")));
        error.help("name the recipe, as in keras-compile build path/keras-compile.toml")
    };
    let found = std::fs::metadata(path).map_err(io)?;
    if !found.is_file() || found.len() > LONGEST {
        let what = format!("is not a file of at most {LONGEST} bytes");
        return Err(Error::malformed(what));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    String::from_utf8(bytes).map_err(|_| Error::malformed("is not text in UTF-8"))
}

impl File<'_> {
    /// A problem of a line.
    fn wrong(&self, at: &Range<usize>, what: String, help: &str) -> Error {
        let before = self.text.get(..at.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let error = Error::new(ErrorKind::Usage(what)).help(help);
        error.in_file(&self.shown).in_field(format!("line {line}"))
    }

    /// A table `[[model]]`.
    fn entry(&self, model: &Spanned<DeValue<'_>>) -> std::result::Result<Entry, Errors> {
        let DeValue::Table(table) = model.get_ref() else {
            let what = "a model is a table".to_owned();
            return Err(self
                .wrong(&model.span(), what, "begin it with a line [[model]]")
                .into());
        };
        let mut options = CompileArgs::options_of();
        options.retain(|option| !NO_OPTIONS.contains(&option.name.as_str()));
        let mut line: Vec<OsString> = Vec::new();
        let mut file = OsString::new();
        let mut budget = Budget::default();
        let mut problems = Collector::default();
        for (key, value) in table {
            let given = match key.get_ref().as_ref() {
                "budget" => self.budget(value).map(|found| budget = found),
                "model" => self
                    .text("model", value)
                    .map(|text| file = self.path(&text).into()),
                name => self
                    .option(&options, name, key.span(), value)
                    .map(|args| line.extend(args)),
            };
            problems.keep(given);
        }
        for needed in ["model", "out"] {
            if !table.keys().any(|key| key.get_ref() == needed) {
                let what = format!("the model has no {needed:?}");
                problems.push(self.wrong(
                    &model.span(),
                    what,
                    "say which file becomes which directory: model and out",
                ));
            }
        }
        problems.finish(())?;
        // Whatever its name begins with.
        line.extend(["--".into(), file]);
        let args = CompileArgs::read(line).map_err(|what| {
            let help = "keras-compile --help tells what each option takes";
            self.wrong(&model.span(), what, help)
        })?;
        let args = CompileArgs {
            force: true,
            quiet: true,
            ..args
        };
        Ok(Entry { args, budget })
    }

    /// An option as the command line has it.
    fn option(
        &self,
        options: &[OptionOf],
        name: &str,
        at: Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<OsString>> {
        let Some(option) = options.iter().find(|option| option.name == name) else {
            let all: Vec<_> = options.iter().map(|option| option.name.as_str()).collect();
            let help = format!("there are model, budget, {}", all.join(", "));
            return Err(self.wrong(&at, format!("there is no option {name:?}"), &help));
        };
        let flag = format!("--{name}");
        if option.switch {
            return match value.get_ref() {
                DeValue::Boolean(true) => Ok(vec![flag.into()]),
                DeValue::Boolean(false) => Ok(Vec::new()),
                _ => {
                    let what = format!("{name} is true or false");
                    Err(self.wrong(&value.span(), what, "write it without quotes"))
                }
            };
        }
        let texts = match option.repeats {
            true => self.texts(name, value)?,
            false => vec![self.text(name, value)?],
        };
        let given = texts.iter().map(|text| {
            let mut all = OsString::from(format!("{flag}="));
            match (option.value, text.split_once('=')) {
                (ValueOf::Path, _) => all.push(self.path(text)),
                (ValueOf::NamedPath(word), Some((name, path))) if path != word => {
                    all.push(format!("{name}="));
                    all.push(self.path(path));
                }
                (ValueOf::NamedPath(word), None) if text != word => all.push(self.path(text)),
                (ValueOf::Text | ValueOf::NamedPath(_), _) => all.push(text),
            }
            all
        });
        Ok(given.collect())
    }

    fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// A text or a number, or a list of them.
    fn texts(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>> {
        match value.get_ref() {
            DeValue::String(text) => Ok(vec![text.to_string()]),
            DeValue::Integer(number) => Ok(vec![number.to_string()]),
            DeValue::Float(number) => Ok(vec![number.to_string()]),
            DeValue::Array(values) => {
                let all: Result<Vec<_>> = values.iter().map(|value| self.texts(name, value)).collect();
                Ok(all?.concat())
            }
            _ => Err(self.wrong(
                &value.span(),
                format!("{name} is a text, or a list of them"),
                "write it in quotes",
            )),
        }
    }

    /// One text or number.
    fn text(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Result<String> {
        match <[String; 1]>::try_from(self.texts(name, value)?) {
            Ok([text]) => Ok(text),
            Err(_) => Err(self.wrong(
                &value.span(),
                format!("{name} takes one value"),
                "write it without brackets",
            )),
        }
    }

    /// The table `budget` of a model.
    fn budget(&self, value: &Spanned<DeValue<'_>>) -> Result<Budget> {
        let help = "it has bytes, as in bytes = \"2 MB\", and error, as in error = 0.01";
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong(&value.span(), "budget is a table".to_owned(), help));
        };
        let mut budget = Budget::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "bytes" => budget.bytes = Some(self.number(value, "bytes", crate::sized)?),
                "error" => budget.error = Some(self.number(value, "error", crate::share)?),
                name => return Err(self.wrong(&key.span(), format!("there is no budget {name:?}"), help)),
            }
        }
        Ok(budget)
    }

    /// A number, as the command line reads it.
    fn number<T>(
        &self,
        value: &Spanned<DeValue<'_>>,
        name: &str,
        read: impl Fn(&str) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let text = self.text(name, value)?;
        read(&text).map_err(|help| {
            let what = format!("{name} is {text:?}, which is not what it takes");
            self.wrong(&value.span(), what, &help)
        })
    }
}
