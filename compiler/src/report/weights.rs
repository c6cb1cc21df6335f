//! What became of weights in fewer bits.

use super::table::{Align, Table, bytes, grouped};
use crate::quantize::{Difference, Floats, Integers, LayerError, Reason, Report, Searched};
use crate::tensor::Encoding;
use std::collections::BTreeMap;

/// So many of the layers with the most noise are shown.
const WORST: usize = 5;

/// Bytes of weights in files by encoding, none being that of those which stay as they are, and of the floats that they stand for.
pub type WeightSizes = BTreeMap<Option<Encoding>, [u64; 2]>;

/// So many layers are named in any case.
const FEW: usize = 12;

/// What weights take, in a line.
pub fn weight_sizes(sizes: &WeightSizes) -> String {
    let total = |which: usize| bytes(sizes.values().map(|both| both[which]).sum::<u64>());
    let each = sizes.iter().rev().filter(|(_, both)| both[0] > 0);
    let each = each.map(|(encoding, both)| match encoding {
        Some(encoding) => format!("{encoding} {} for {}", bytes(both[0]), bytes(both[1])),
        None => format!("f32 {}", bytes(both[0])),
    });
    let each: Vec<_> = each.collect();
    format!("{} in files for {}: {}", total(0), total(1), each.join(", "))
}

/// The lines of a report: sizes, what stays as it is and why, with `verbose` each layer, and how far results are off.
pub fn weights(sizes: &WeightSizes, report: &Report, verbose: bool) -> String {
    let mut sizes = sizes.clone();
    if let Some(codes) = report
        .integers
        .as_ref()
        .map(|found| found.bytes)
        .filter(|&bytes| bytes > 0)
    {
        // Files hold them as words, of which a manifest does not say that they are codes.
        if let Some(words) = sizes.get_mut(&None) {
            *words = words.map(|bytes| bytes.saturating_sub(codes));
        }
        let own = sizes.entry(Some(Encoding::Int8)).or_default();
        *own = [own[0] + codes, own[1] + 4 * codes];
    }
    let mut text = format!("weights  {}\n", weight_sizes(&sizes));
    let mut reasons: Vec<(Reason, Vec<String>, usize)> = Vec::new();
    for kept in &report.kept {
        let known = reasons.iter().position(|(why, ..)| *why == kept.why);
        let at = known.unwrap_or_else(|| {
            reasons.push((kept.why, Vec::new(), 0));
            reasons.len() - 1
        });
        let (_, layers, elements) = &mut reasons[at];
        layers.push(kept.layer.clone());
        *elements += kept.elements;
    }
    for (why, layers, elements) in &reasons {
        let named = verbose || !matches!(why, Reason::Small(_));
        let which = match named {
            true => layers.join(", "),
            false => format!("{} of them", layers.len()),
        };
        text += &format!(
            "         f32, {} numbers, {why}: {which}\n",
            grouped(*elements as u64)
        );
    }
    if !report.unencoded.is_empty() {
        let layers: Vec<_> = report.unencoded.iter().map(String::as_str).collect();
        text += &format!(
            "         f32, since kernels read them in another order: {}\n",
            layers.join(", ")
        );
    }
    if let Some(searched) = &report.searched {
        text += &chosen(searched, verbose);
    }
    if let Some(found) = &report.integers {
        text += &integers(found, verbose);
    }
    text += &noise(&report.compared.layers, verbose);
    match &report.from {
        None => {
            text += "         errors are not computed for a network of this size; --samples FILE.npz does\n"
        }
        Some(from) => {
            let outputs = report.compared.outputs.iter();
            outputs.for_each(|difference| text += &error(difference));
            text += &format!("         of {from}\n");
        }
    }
    text
}

/// Which encodings were found: how many constants have each, with `verbose` each layer.
fn chosen(searched: &Searched, verbose: bool) -> String {
    let mut groups: BTreeMap<Option<Encoding>, (usize, Vec<&str>)> = BTreeMap::new();
    for (layer, elements, encoding) in &searched.chosen {
        let (numbers, layers) = groups.entry(*encoding).or_default();
        *numbers += elements;
        layers.push(layer);
    }
    let mut text = format!("auto     found with {} predictions\n", searched.evaluated);
    for (encoding, (numbers, layers)) in groups {
        let name = encoding.map_or("f32".to_owned(), |encoding| encoding.to_string());
        let which = match verbose {
            true => layers.join(", "),
            false => format!("{} of them", layers.len()),
        };
        text += &format!("         {name}, {} numbers: {which}\n", grouped(numbers as u64));
    }
    text
}

/// Which layers compute with integers, and which do not and why.
fn integers(found: &Integers, verbose: bool) -> String {
    let named = |layers: &[&str]| match verbose || layers.len() <= FEW {
        true => layers.join(", "),
        false => format!("{} layers", layers.len()),
    };
    let own: Vec<_> = found.layers.iter().map(String::as_str).collect();
    let mut text = match own.is_empty() {
        true => "int8     no layer computes with integers\n".to_owned(),
        false => format!(
            "int8     computed with integers by backends that can, by others with f32: {}\n",
            named(&own)
        ),
    };
    let mut reasons: Vec<(Floats, Vec<&str>)> = Vec::new();
    for (layer, why) in &found.floats {
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, layers)) => layers.push(layer),
            None => reasons.push((*why, vec![layer])),
        }
    }
    for (why, layers) in &reasons {
        text += &format!("         computed with f32, {why}: {}\n", named(layers));
    }
    text
}

/// The layers with the most noise, with `verbose` all.
fn noise(layers: &[LayerError], verbose: bool) -> String {
    let mut order: Vec<&LayerError> = layers.iter().collect();
    let worst = |layer: &LayerError| {
        layer
            .results
            .filter(|results| !results.is_nan())
            .unwrap_or(layer.weights)
    };
    order.sort_by(|a, b| worst(a).total_cmp(&worst(b)));
    let shown = if verbose { order.len() } else { WORST };
    let mut table = Table::new(&[
        ("most noise in", Align::Left),
        ("encoding", Align::Left),
        ("numbers", Align::Right),
        ("weights, dB", Align::Right),
        ("results, dB", Align::Right),
    ]);
    for layer in order.iter().take(shown) {
        table.row(vec![
            layer.layer.clone(),
            layer.encoding.to_string(),
            grouped(layer.elements as u64),
            format!("{:.1}", layer.weights),
            layer
                .results
                .map_or("-".to_owned(), |results| format!("{results:.1}")),
        ]);
    }
    if order.is_empty() {
        String::new()
    } else {
        table.to_string()
    }
}

fn error(difference: &Difference) -> String {
    let (name, largest, mean) = (&difference.name, difference.largest, difference.mean());
    let top = difference.agreement.map(|agreement| {
        let five = agreement
            .five
            .map(|five| format!(" and among the first five in {five}"));
        let (first, rows, five) = (agreement.first, agreement.rows, five.unwrap_or_default());
        format!(", the largest is the same in {first}{five} of {rows}")
    });
    format!(
        "error    {name:?}: {largest:.2e} at most ({:.1e} of its magnitude), {mean:.2e} in the mean, cosine {:.6}{}\n",
        difference.relative(),
        difference.cosine(),
        top.unwrap_or_default()
    )
}
