//! `rearrange`: axes by name, as einops writes it.

use super::arguments::Arguments;
use crate::keras::layers::context::{Cx, Outcome, one};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Groups of names of one side: a name alone is a group of one.
fn groups(text: &str) -> Option<Vec<Vec<String>>> {
    let mut all = Vec::new();
    let mut open: Option<Vec<String>> = None;
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    for word in spaced.split_whitespace() {
        match (word, open.as_mut()) {
            ("(", None) => open = Some(Vec::new()),
            (")", Some(_)) => all.push(open.take()?),
            ("(" | ")", _) => return None,
            (name, inside) => {
                if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                    return None;
                }
                match inside {
                    Some(inside) => inside.push(name.to_owned()),
                    None => all.push(vec![name.to_owned()]),
                }
            }
        }
    }
    open.is_none().then_some(all)
}

/// Splits axes into named ones, orders those, and joins them.
pub fn rearrange(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, &["tensor"])?;
    let pattern = a.literal(cx, 1, &["pattern"])?;
    let pattern = a.required(cx, pattern, "pattern")?;
    let sides = pattern
        .as_str()
        .and_then(|text| text.split_once("->"))
        .and_then(|(from, to)| Some((groups(from)?, groups(to)?)));
    let Some((from, to)) = sides else {
        return Err(a.unsupported(cx, &["pattern"], &pattern));
    };
    let dims = cx.dims(x);
    let mut names: Vec<&String> = Vec::new();
    let mut extents: Vec<usize> = Vec::new();
    if from.len() != dims.len() {
        return Err(cx.inconsistent(format!("{pattern} does not fit a tensor of rank {}", dims.len())));
    }
    for (group, &extent) in from.iter().zip(&dims) {
        let mut sizes = Vec::new();
        for name in group {
            let given = if group.len() > 1 {
                a.integer(cx, 99, &[name])?
            } else {
                None
            };
            sizes.push(given.map(|n| usize::try_from(n).unwrap_or(0)));
        }
        let known = sizes
            .iter()
            .flatten()
            .fold(1usize, |all, &n| all.saturating_mul(n));
        let open = sizes.iter().filter(|size| size.is_none()).count();
        if known == 0 || open > 1 || !extent.is_multiple_of(known) || (open == 0 && known != extent) {
            return Err(cx.inconsistent(format!("{group:?} do not make an axis of {extent}")));
        }
        names.extend(group);
        extents.extend(sizes.into_iter().map(|size| size.unwrap_or(extent / known)));
    }
    let mut perm = Vec::new();
    let mut joined = Vec::new();
    for group in &to {
        let mut extent = 1;
        for name in group {
            let place = names.iter().position(|other| *other == name);
            let place = place.filter(|place| !perm.contains(place));
            let place =
                place.ok_or_else(|| cx.inconsistent(format!("{pattern} has no axis {name:?} to place")))?;
            extent *= extents[place];
            perm.push(place);
        }
        joined.push(extent);
    }
    if perm.len() != names.len() {
        return Err(cx.inconsistent(format!("{pattern} leaves axes out")));
    }
    let x = cx.b().reshape(x, extents)?;
    let x = cx.b().transpose(x, perm)?;
    one(cx.b().reshape(x, joined)?)
}
