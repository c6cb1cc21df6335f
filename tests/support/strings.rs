//! What a bundle's script does to strings, written a second time: what goldens with strings give to a graph, and what they
//! make of its integers.

use crate::goldens::Case;
use crate::hashes::{crossed, fingerprint, sip};
use keras_compile::keras::{KerasDType, Prepared};
use keras_compile::preparation::{Preparation, Step, Words};
use keras_compile::tensor::{DType, Tensor, TensorType};
use std::collections::HashMap;

/// An element of a value.
#[derive(Debug, Clone, PartialEq)]
enum Element {
    Text(String),
    Number(f64),
    Row(Vec<Element>),
}

use Element::{Number, Row, Text};

/// The inputs of a prediction in the order of `wanted`, which are those of a graph: what a page passes, and what is made of it.
///
/// # Panics
/// When the case has no input of a name, or a step is called with what it is not for.
pub fn inputs(
    case: &Case,
    prediction: usize,
    wanted: &[(String, TensorType)],
    prepared: Option<&Prepared>,
) -> Vec<Tensor> {
    let Some(Prepared { passed, preparation }) = prepared else {
        return case.inputs(prediction, wanted);
    };
    let mut values: Vec<Vec<Element>> = Vec::new();
    for port in passed {
        values.push(match port.dtype {
            KerasDType::Text => case.texts(&port.name).into_iter().map(Text).collect(),
            _ => {
                let ty = TensorType::f32(port.shape.clone());
                let found = case.inputs(prediction, &[(port.name.clone(), ty)]);
                found[0]
                    .to_f32()
                    .iter()
                    .map(|value| Number(f64::from(*value)))
                    .collect()
            }
        });
    }
    for step in &preparation.steps {
        values.push(made(step, &values, preparation));
    }
    let given = wanted.iter().zip(&preparation.given);
    given
        .map(|((_, ty), value)| tensor(ty, &values[*value]))
        .collect()
}

fn tensor(ty: &TensorType, value: &[Element]) -> Tensor {
    let numbers = value.iter().map(|element| match element {
        Number(number) => *number,
        other => panic!("{other:?} is no number"),
    });
    let made = match ty.dtype {
        DType::F32 => Tensor::f32(ty.shape.clone(), numbers.map(|n| n as f32).collect::<Vec<_>>()),
        DType::I32 => Tensor::i32(ty.shape.clone(), numbers.map(|n| n as i32).collect::<Vec<_>>()),
    };
    made.expect("as many as the shape says")
}

/// The strings that integers of an output become.
pub fn said(preparation: &Preparation, words: &Words, places: &Tensor) -> Vec<String> {
    let tokens = &preparation.vocabularies[words.vocabulary];
    let say = |place: &f32| {
        let place = *place as i64;
        match &words.mask {
            Some((token, at)) if i64::from(*at) == place => token.clone(),
            _ => usize::try_from(place - words.first as i64)
                .ok()
                .and_then(|place| tokens.get(place).cloned())
                .or(words.other.clone())
                .unwrap_or_default(),
        }
    };
    places.to_f32().iter().map(say).collect()
}

fn text(element: &Element) -> &str {
    match element {
        Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn row(element: &Element) -> &[Element] {
    match element {
        Row(row) => row,
        other => panic!("{other:?} is no row"),
    }
}

/// Does something to each element, be it in a row.
fn each(value: &[Element], f: &dyn Fn(&Element) -> Element) -> Vec<Element> {
    let one = |element: &Element| match element {
        Row(inner) => Row(inner.iter().map(f).collect()),
        element => f(element),
    };
    value.iter().map(one).collect()
}

fn texts<'a>(all: impl Iterator<Item = &'a str>) -> Element {
    Row(all.map(|text| Text(text.to_owned())).collect())
}

/// The hash of a string, by the fingerprint or a key.
fn hash(string: &str, key: Option<&[String; 2]>) -> u64 {
    let half = |half: &String| half.parse().expect("a number");
    match key {
        None => fingerprint(string.as_bytes()),
        Some([a, b]) => sip(string.as_bytes(), [half(a), half(b)]),
    }
}

/// The text of an integer.
fn written(element: &Element) -> String {
    match element {
        Number(number) => format!("{}", number.trunc() as i64),
        element => text(element).to_owned(),
    }
}

fn made(step: &Step, values: &[Vec<Element>], preparation: &Preparation) -> Vec<Element> {
    const PUNCTUATION: &str = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'";
    match step {
        Step::Lower { of } => each(&values[*of], &|e| Text(text(e).to_ascii_lowercase())),
        Step::Strip { of } => each(&values[*of], &|e| {
            Text(text(e).chars().filter(|c| !PUNCTUATION.contains(*c)).collect())
        }),
        Step::Words { of } => each(&values[*of], &|e| {
            let space = |c: char| matches!(c, ' ' | '\t'..='\r');
            texts(text(e).split(space).filter(|word| !word.is_empty()))
        }),
        Step::Characters { of } => each(&values[*of], &|e| {
            Row(text(e).chars().map(|c| Text(c.to_string())).collect())
        }),
        Step::Rows { of, length } => values[*of].chunks(*length).map(|row| Row(row.to_vec())).collect(),
        Step::Ngrams { of, widths } => {
            let all = |element: &Element| {
                let tokens: Vec<&str> = row(element).iter().map(text).collect();
                let of_width = |width: &usize| tokens.windows(*width).map(|some| Text(some.join(" ")));
                Row(widths.iter().flat_map(of_width).collect())
            };
            values[*of].iter().map(all).collect()
        }
        Step::Fit { of, length } => {
            let padded = |element: &Element| {
                let mut tokens = row(element).to_vec();
                tokens.resize(*length, Text(String::new()));
                tokens
            };
            values[*of].iter().flat_map(padded).collect()
        }
        Step::Lookup { .. } => looked_up(step, values, preparation),
        Step::Count { of, depth, hot } => {
            let counted = |element: &Element| {
                let mut counts = vec![0.0; *depth];
                for place in row(element) {
                    let Number(place) = place else {
                        panic!("{place:?} is no place")
                    };
                    if let Some(count) = counts.get_mut(*place as usize).filter(|_| *place >= 0.0) {
                        *count = if *hot { 1.0 } else { *count + 1.0 };
                    }
                }
                counts.into_iter().map(Number).collect::<Vec<_>>()
            };
            values[*of].iter().flat_map(counted).collect()
        }
        Step::Hash { of, bins, mask, key } => each(&values[*of], &|e| {
            let masked = mask.as_ref().is_some_and(|mask| match e {
                Number(number) => format!("{number}") == *mask,
                e => text(e) == mask,
            });
            let from = f64::from(u8::from(mask.is_some()));
            let hashed = (hash(&written(e), key.as_ref()) % bins) as f64;
            Number(if masked { 0.0 } else { from + hashed })
        }),
        Step::Cross { of, bins } => {
            let number = |e: &Element| match e {
                Number(number) => *number as i64 as u64,
                e => fingerprint(text(e).as_bytes()),
            };
            let all = |place: usize| crossed(of.iter().map(|column| number(&values[*column][place])));
            (0..values[of[0]].len())
                .map(|place| Number((all(place) % bins) as f64))
                .collect()
        }
    }
}

fn looked_up(step: &Step, values: &[Vec<Element>], preparation: &Preparation) -> Vec<Element> {
    let Step::Lookup {
        of,
        words,
        outside,
        place,
        key,
        ..
    } = step
    else {
        panic!("{step:?} looks nothing up")
    };
    let tokens = preparation.vocabularies[words.vocabulary].iter();
    let places: HashMap<&String, usize> = tokens.zip(words.first..).collect();
    each(&values[*of], &|e| {
        let string = text(e).to_owned();
        if let Some((token, at)) = &words.mask
            && *token == string
        {
            return Number(f64::from(*at));
        }
        let chosen = || (*place as u64 + hash(&string, key.as_ref()) % *outside as u64) as f64;
        Number(places.get(&string).map_or_else(chosen, |place| *place as f64))
    })
}
