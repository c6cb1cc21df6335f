//! Some of the backends.

use super::{BACKENDS, Backend};
use crate::error::{Error, ErrorKind, Result};
use std::str::FromStr;

/// Backends of the table, in its order. All of them, if nobody chose.
#[derive(Debug, Clone)]
pub struct Selection(Vec<&'static Backend>);

impl Selection {
    /// The backends; there is at least one.
    pub fn iter(&self) -> impl Iterator<Item = &'static Backend> {
        self.0.iter().copied()
    }

    /// Their names without one of them, with commas between; nothing if it is the only one.
    pub fn without(&self, backend: &Backend) -> Option<String> {
        let others = self.iter().filter(|other| other.name != backend.name);
        let names: Vec<_> = others.map(|other| other.name).collect();
        (!names.is_empty()).then(|| names.join(","))
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self(BACKENDS.to_vec())
    }
}

impl FromStr for Selection {
    type Err = Error;

    /// Reads names with commas between them. One that comes twice counts once.
    fn from_str(list: &str) -> Result<Self> {
        let names: Vec<_> = list.split(',').map(str::trim).collect();
        let known: Vec<_> = BACKENDS.iter().map(|backend| backend.name).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            let usage = ErrorKind::Usage(format!("there is no backend {name:?}"));
            return Err(Error::new(usage).help(format!("the backends are {}", known.join(", "))));
        }
        let chosen = BACKENDS.iter().copied();
        Ok(Self(
            chosen.filter(|backend| names.contains(&backend.name)).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Result<Vec<&'static str>> {
        let selection: Selection = list.parse()?;
        Ok(selection.iter().map(|backend| backend.name).collect())
    }

    #[test]
    fn lists_are_read() {
        let all: Vec<_> = Selection::default().iter().map(|backend| backend.name).collect();
        let text = all.join(",");
        assert_eq!(names(&text).unwrap(), all);
        assert_eq!(names(&format!("{text}, {text}")).unwrap(), all);
        for (list, wrong) in [("", ""), ("webnn", "webnn"), (&format!("{text},"), "")] {
            let error = names(list).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "there is no backend {wrong:?}; the backends are {}",
                    all.join(", ")
                )
            );
        }
    }

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = BACKENDS.iter().map(|backend| backend.name).collect();
        names.dedup();
        assert_eq!(names.len(), BACKENDS.len());
    }
}
