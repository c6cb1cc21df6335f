//! Which layer gets which encoding.

use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Encoding;
use std::collections::BTreeSet;
use std::str::FromStr;

/// Constants of fewer numbers stay as they are, if nothing else is said: what they take hardly counts.
const LEAST: usize = 1024;

/// What a layer's weights are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// In an encoding, or, with none, as they are.
    Fixed(Option<Encoding>),
    /// In one that is looked for.
    Auto,
}

/// A choice for each layer, by its name: of the first pattern that it matches, or else that for the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Patterns in order.
    patterns: Vec<(String, Choice)>,
    /// For layers that no pattern matches.
    rest: Choice,
    /// Constants of fewer numbers stay as they are.
    least: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            rest: Choice::Fixed(None),
            least: LEAST,
        }
    }
}

impl Rules {
    /// The same for all layers, and for constants of so many numbers or more.
    pub fn of_all(encoding: Encoding, least: usize) -> Self {
        Self {
            rest: Choice::Fixed(Some(encoding)),
            least,
            ..Self::default()
        }
    }

    /// Constants of fewer numbers stay as they are.
    pub fn least(&self) -> usize {
        self.least
    }

    /// What a layer's weights are to be.
    pub fn of(&self, layer: &str) -> Choice {
        let first = self.patterns.iter().find(|(pattern, _)| matches(pattern, layer));
        first.map_or(self.rest, |(_, choice)| *choice)
    }

    /// Whether encodings are looked for.
    pub fn has_auto(&self) -> bool {
        let all = self.patterns.iter().map(|(_, choice)| choice).chain([&self.rest]);
        all.into_iter().any(|choice| *choice == Choice::Auto)
    }

    /// Whether no layer can get an encoding.
    pub fn is_empty(&self) -> bool {
        self.rest == Choice::Fixed(None) && self.patterns.is_empty()
    }

    /// Patterns that none of these layers match.
    pub(super) fn idle<'a>(&'a self, layers: &'a BTreeSet<&str>) -> impl Iterator<Item = &'a str> {
        let patterns = self.patterns.iter().map(|(pattern, _)| pattern.as_str());
        patterns.filter(|pattern| !layers.iter().any(|layer| matches(pattern, layer)))
    }
}

/// What is wrong with the choice.
fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Usage(what))
        .help("write f16, int8, int4 or auto, or such as 'conv*=int8,head=f32,f16'")
}

/// A choice by its name.
fn choice(name: &str) -> Result<Choice> {
    match name {
        "f32" => return Ok(Choice::Fixed(None)),
        "auto" => return Ok(Choice::Auto),
        _ => {}
    }
    let found = Encoding::ALL
        .into_iter()
        .find(|encoding| encoding.to_string() == name);
    found.map(|found| Choice::Fixed(Some(found))).ok_or_else(|| {
        wrong(format!(
            "there is no encoding {name:?}; there are f32, f16, int8, int4 and auto"
        ))
    })
}

impl FromStr for Rules {
    type Err = Error;

    /// Reads `PATTERN=ENCODING` and `ENCODING` for the rest, with commas between.
    fn from_str(text: &str) -> Result<Self> {
        let mut patterns: Vec<(String, Choice)> = Vec::new();
        let mut rest = None;
        for part in text.split(',') {
            match part.rsplit_once('=') {
                Some(("", _)) => return Err(wrong(format!("{part:?} has no pattern before its \"=\""))),
                Some((pattern, _)) if patterns.iter().any(|(known, _)| known == pattern) => {
                    return Err(wrong(format!("the pattern {pattern:?} stands there twice")));
                }
                Some((pattern, name)) => patterns.push((pattern.to_owned(), choice(name)?)),
                None if rest.is_some() => {
                    return Err(wrong(format!(
                        "{part:?} is a second encoding for all other layers"
                    )));
                }
                None => rest = Some(choice(part)?),
            }
        }
        Ok(Self {
            patterns,
            rest: rest.unwrap_or(Choice::Fixed(None)),
            ..Self::default()
        })
    }
}

/// Whether a name is what a pattern says, in which `*` is any characters and `?` is one.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Behind the last `*`, and how far what it stands for reaches.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                star = Some((p, n));
            }
            Some(&c) if c == '?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((after, reach)) => {
                    (p, n) = (after, reach + 1);
                    star = Some((after, reach + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_counts() {
        let rules: Rules = "conv*=int8,head=f32,c?nv1=int4,f16".parse().unwrap();
        for (layer, encoding) in [
            ("conv1", Some(Encoding::Int8)),
            ("conv", Some(Encoding::Int8)),
            ("head", None),
            ("head2", Some(Encoding::F16)),
            ("cnv1", Some(Encoding::F16)),
            ("cxnv1", Some(Encoding::Int4)),
        ] {
            assert_eq!(rules.of(layer), Choice::Fixed(encoding), "{layer}");
        }
        let only: Rules = "a=b=int4".parse().unwrap();
        assert_eq!(
            [only.of("a=b"), only.of("a")],
            [Some(Encoding::Int4), None].map(Choice::Fixed)
        );
        assert!(!rules.has_auto());
        let rest: Rules = "head=f32,auto".parse().unwrap();
        assert_eq!(
            [rest.of("head"), rest.of("x")],
            [Choice::Fixed(None), Choice::Auto]
        );
        assert!(rest.has_auto() && "a=auto".parse::<Rules>().unwrap().has_auto());
        let layers = BTreeSet::from(["conv9", "body"]);
        assert_eq!(rules.idle(&layers).collect::<Vec<_>>(), ["head", "c?nv1"]);
    }

    #[test]
    fn patterns() {
        for (pattern, name, found) in [
            ("*", "", true),
            ("*", "anything", true),
            ("?", "", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*a", "banana", true),
            ("b?nana", "bänana", true),
            ("banana", "bananas", false),
            ("model/*", "model/conv/x", true),
        ] {
            assert_eq!(matches(pattern, name), found, "{pattern} {name}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, why) in [
            (
                "",
                "there is no encoding \"\"; there are f32, f16, int8, int4 and auto",
            ),
            (
                "int9",
                "there is no encoding \"int9\"; there are f32, f16, int8, int4 and auto",
            ),
            (
                "conv=INT8",
                "there is no encoding \"INT8\"; there are f32, f16, int8, int4 and auto",
            ),
            ("=int8", "\"=int8\" has no pattern before its \"=\""),
            ("int8,f16", "\"f16\" is a second encoding for all other layers"),
            ("a=int8,a=f16", "the pattern \"a\" stands there twice"),
        ] {
            let error = text.parse::<Rules>().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Usage(why.to_owned()), "{text}");
        }
    }
}
