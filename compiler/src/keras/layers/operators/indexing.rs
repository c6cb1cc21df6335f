//! `x[…]`: slices, single elements, new axes and the ellipsis, with Python's rules.

use super::arguments::{Arguments, X};
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::ops::Slice;
use serde_json::Value as Json;

/// One entry of an index.
#[derive(Clone, Copy)]
pub enum Entry {
    /// `start:stop:step`.
    Slice([Option<i64>; 3]),
    /// One element, whose axis goes.
    Element(i64),
    /// An axis of extent 1.
    NewAxis,
    /// All axes that no other entry takes.
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
    let plan = Plan::of(&cx.dims(x), &entries).ok_or_else(refuse)?;
    one(plan.apply(cx, x)?)
}

/// The entries that TensorFlow writes as bounds and masks: bit i of a mask is about entry i.
pub fn masked_entries(
    starts: &[i64],
    ends: &[i64],
    steps: Option<&[i64]>,
    [start_mask, end_mask, ellipsis_mask, new_mask, element_mask]: [i64; 5],
) -> Option<Vec<Entry>> {
    if starts.len() != ends.len()
        || steps.is_some_and(|steps| steps.len() != starts.len())
        || starts.len() > 62
    {
        return None;
    }
    let entry = |i: usize| {
        let has = |mask: i64| mask >> i & 1 == 1;
        if has(ellipsis_mask) {
            Entry::Ellipsis
        } else if has(new_mask) {
            Entry::NewAxis
        } else if has(element_mask) {
            Entry::Element(starts[i])
        } else {
            let bound = |mask: i64, bounds: &[i64]| (!has(mask)).then(|| bounds[i]);
            let step = steps.map(|steps| steps[i]);
            Entry::Slice([bound(start_mask, starts), bound(end_mask, ends), step])
        }
    };
    Some((0..starts.len()).map(entry).collect())
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
    /// What an index takes of a tensor; `None` where it is none of it.
    pub fn of(dims: &[usize], entries: &[Entry]) -> Option<Self> {
        let count = |counts: fn(&Entry) -> bool| entries.iter().filter(|entry| counts(entry)).count();
        let taken = count(|entry| matches!(entry, Entry::Slice(_) | Entry::Element(_)));
        let open = dims.len().checked_sub(taken)?;
        if count(|entry| matches!(entry, Entry::Ellipsis)) > 1 {
            return None;
        }
        let mut plan = Self::default();
        let mut axes = dims.iter().copied();
        for entry in entries {
            match *entry {
                Entry::NewAxis => plan.shape.push(1),
                Entry::Ellipsis => axes.by_ref().take(open).for_each(|extent| plan.whole(extent)),
                Entry::Slice(parts) => plan.slice(axes.next()?, parts)?,
                Entry::Element(index) => plan.element(axes.next()?, index)?,
            }
        }
        axes.for_each(|extent| plan.whole(extent));
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
