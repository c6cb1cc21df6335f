//! Padding.

use super::arguments::{Arguments, X};
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Outcome, Stop, one};
use crate::keras::layers::shape::gather;
use crate::ops::Pad;

type Args<'a, 'b> = &'b Arguments<'a>;

/// Pads with a constant, or with what stands at the border.
pub fn pad(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    let x = a.tensor(cx, 0, X)?;
    let rank = cx.dims(x).len();
    let widths = a.integers(cx, 1, &["pad_width", "paddings"])?;
    let widths = a.required(cx, widths, "paddings")?;
    let border = match a.text(cx, 2, &["mode"])?.as_deref() {
        None | Some("constant") => None,
        Some("reflect") => Some(Border::Reflect),
        Some("symmetric") => Some(Border::Symmetric),
        Some("edge") => Some(Border::Edge),
        Some("wrap") => Some(Border::Wrap),
        Some(other) => return Err(a.unsupported(cx, &["mode"], &other.into())),
    };
    let value = a.number(cx, 3, &["constant_values"])?.unwrap_or(0.0);
    let numbers: Option<Vec<usize>> = widths
        .iter()
        .map(|&n| usize::try_from(n).ok().filter(|&n| n <= 1 << 16))
        .collect();
    let pads: Vec<(usize, usize)> = match numbers.as_deref() {
        Some(&[both]) => vec![(both, both); rank],
        Some(&[before, after]) => vec![(before, after); rank],
        Some(pairs) if pairs.len() == 2 * rank => pairs.chunks(2).map(|pair| (pair[0], pair[1])).collect(),
        _ => return Err(cx.inconsistent(format!("pads {widths:?} do not fit a tensor of rank {rank}"))),
    };
    let value = value as f32;
    match border {
        _ if pads.iter().all(|&pad| pad == (0, 0)) => one(x),
        None => one(cx.b().add(Pad { pads, value }, &[x])?),
        Some(border) => one(border.pad(cx, x, &pads)?),
    }
}

/// What a tensor is continued with beyond its borders.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Border {
    /// Its mirror image, without the element at the border.
    Reflect,
    /// Its mirror image.
    Symmetric,
    /// The element at the border.
    Edge,
    /// Its other end.
    Wrap,
}

impl Border {
    fn pad(self, cx: &mut Cx<'_>, mut x: NodeId, pads: &[(usize, usize)]) -> Result<NodeId, Stop> {
        for (axis, &(before, after)) in pads.iter().enumerate() {
            let extent = cx.dims(x)[axis];
            let most = match self {
                Self::Reflect => extent - 1,
                Self::Symmetric | Self::Wrap => extent,
                Self::Edge => usize::MAX,
            };
            if before.max(after) > most {
                let message = format!(
                    "axis {axis} of {extent} cannot be padded by {}: {self:?}",
                    before.max(after)
                );
                return Err(cx.inconsistent(message));
            }
            let role = format!("{self:?} {axis}, {before} before {extent}");
            x = gather(cx, x, axis, &role, before + extent + after, |i| {
                self.source(i, before, extent)
            })?;
        }
        Ok(x)
    }
    /// Which of the `extent` elements stands at place `i` when there are `before` more before them.
    fn source(self, i: usize, before: usize, extent: usize) -> usize {
        let last = extent - 1;
        match (i.checked_sub(before), self) {
            (Some(inside), _) if inside <= last => inside,
            (Some(beyond), Self::Reflect) => 2 * last - beyond,
            (Some(beyond), Self::Symmetric) => 2 * last + 1 - beyond,
            (Some(_), Self::Edge) => last,
            (Some(beyond), Self::Wrap) => beyond - extent,
            (None, Self::Reflect) => before - i,
            (None, Self::Symmetric) => before - i - 1,
            (None, Self::Edge) => 0,
            (None, Self::Wrap) => extent + i - before,
        }
    }
}
