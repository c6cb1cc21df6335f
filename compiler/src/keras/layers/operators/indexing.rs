//! `x[…]`: slices, single elements, new axes and the ellipsis, with Python's rules.

use super::arguments::{Arguments, X};
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::ops::Slice;
use serde_json::Value as Json;

/// One entry of an index.
#[derive(Clone, Copy)]
enum Entry {
    Slice([Option<i64>; 3]),
    Element(i64),
    NewAxis,
    Ellipsis,
}

/// `GetItem` of Keras 3 and `__operators__.getitem` of Keras 2.
pub fn get_item(cx: &mut Cx<'_>, arguments: &Arguments<'_>) -> Outcome {
    let x = arguments.tensor(cx, 0, X)?;
    // Python's None is a new axis here, so that it must not read as an absent argument.
    let spec = arguments
        .literal(cx, 1, &["slice_spec", "key"])?
        .unwrap_or(Json::Null);
    let refuse = || arguments.unsupported(cx, &["key"], &spec);
    let items = match &spec {
        Json::Array(items) => items.clone(),
        Json::Object(map) if map.get("class_name").and_then(Json::as_str) == Some("__tuple__") => {
            let items = map.get("items").and_then(Json::as_array);
            items.cloned().ok_or_else(refuse)?
        }
        other => vec![other.clone()],
    };
    let entries: Option<Vec<Entry>> = items.iter().map(entry).collect();
    let entries = entries.ok_or_else(refuse)?;
    let dims = cx.dims(x);
    let mut plan = Plan::default();
    let taken = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Slice(_) | Entry::Element(_)))
        .count();
    let open = dims.len().checked_sub(taken).ok_or_else(refuse)?;
    let ellipses = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Ellipsis))
        .count();
    if ellipses > 1 {
        return Err(refuse());
    }
    let mut axes = dims.iter().copied();
    for entry in &entries {
        match *entry {
            Entry::NewAxis => plan.shape.push(1),
            Entry::Ellipsis => axes.by_ref().take(open).for_each(|extent| plan.whole(extent)),
            Entry::Slice(parts) => plan.slice(axes.next().unwrap_or(1), parts).ok_or_else(refuse)?,
            Entry::Element(index) => plan.element(axes.next().unwrap_or(1), index).ok_or_else(refuse)?,
        }
    }
    axes.for_each(|extent| plan.whole(extent));
    one(plan.apply(cx, x)?)
}

fn entry(item: &Json) -> Option<Entry> {
    let bound = |map: &serde_json::Map<String, Json>, key: &str| match map.get(key) {
        None | Some(Json::Null) => Some(None),
        Some(value) => value.as_i64().map(Some),
    };
    Some(match item {
        Json::Null => Entry::NewAxis,
        Json::Number(number) => Entry::Element(number.as_i64()?),
        Json::Object(map) => match map.get("class_name").and_then(Json::as_str) {
            Some("__ellipsis__") => Entry::Ellipsis,
            Some("__slice__") => {
                let map = map.get("config")?.as_object()?;
                Entry::Slice([bound(map, "start")?, bound(map, "stop")?, bound(map, "step")?])
            }
            Some(_) => return None,
            None => Entry::Slice([bound(map, "start")?, bound(map, "stop")?, bound(map, "step")?]),
        },
        _ => return None,
    })
}

/// The part of every axis, and the shape of the result.
#[derive(Default)]
pub struct Plan {
    starts: Vec<usize>,
    sizes: Vec<usize>,
    steps: Vec<isize>,
    shape: Vec<usize>,
}

impl Plan {
    /// A `start:stop:step` for every axis.
    pub fn of_slices(
        dims: &[usize],
        slices: impl ExactSizeIterator<Item = [Option<i64>; 3]>,
    ) -> Option<Self> {
        let mut plan = Self::default();
        if slices.len() != dims.len() {
            return None;
        }
        for (&extent, slice) in dims.iter().zip(slices) {
            plan.slice(extent, slice)?;
        }
        Some(plan)
    }
    fn whole(&mut self, extent: usize) {
        self.push(0, extent, 1);
        self.shape.push(extent);
    }
    fn push(&mut self, start: usize, size: usize, step: isize) {
        self.starts.push(start);
        self.sizes.push(size);
        self.steps.push(step);
    }
    fn element(&mut self, extent: usize, index: i64) -> Option<()> {
        let extent = i64::try_from(extent).ok()?;
        let index = if index < 0 {
            index.checked_add(extent)?
        } else {
            index
        };
        if !(0..extent).contains(&index) {
            return None;
        }
        self.push(usize::try_from(index).ok()?, 1, 1);
        Some(())
    }
    /// `start:stop:step`, clipped as Python does.
    fn slice(&mut self, extent: usize, [start, stop, step]: [Option<i64>; 3]) -> Option<()> {
        let extent = i64::try_from(extent).ok()?;
        let step = step.unwrap_or(1);
        if step == 0 || step.unsigned_abs() > 1 << 32 {
            return None;
        }
        let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
        let clip = |bound: Option<i64>, open: i64| match bound {
            None => open,
            Some(bound) if bound < 0 => bound.saturating_add(extent).clamp(low, high),
            Some(bound) => bound.clamp(low, high),
        };
        let (first, end) = if step > 0 { (low, high) } else { (high, low) };
        let (start, stop) = (clip(start, first), clip(stop, end));
        let span = if step > 0 { stop - start } else { start - stop };
        let size = usize::try_from(span)
            .ok()?
            .div_ceil(usize::try_from(step.unsigned_abs()).ok()?);
        if size == 0 {
            return None;
        }
        self.push(usize::try_from(start).ok()?, size, isize::try_from(step).ok()?);
        self.shape.push(size);
        Some(())
    }
    /// Takes the part of a tensor.
    pub fn apply(self, cx: &mut Cx<'_>, x: crate::graph::NodeId) -> Result<crate::graph::NodeId, Stop> {
        let whole = cx.dims(x) == self.sizes && self.steps.iter().all(|&step| step == 1);
        let part = if whole {
            x
        } else {
            let slice = Slice {
                starts: self.starts,
                sizes: self.sizes,
                steps: self.steps,
            };
            cx.b().add(slice, &[x])?
        };
        Ok(cx.b().reshape(part, self.shape)?)
    }
}
