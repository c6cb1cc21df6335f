//! Arguments of operations with windows: formats, paddings, extents of windows, strides.

use super::arguments::Arguments;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Stop};
use crate::keras::layers::spatial::{Format, Padding, channels_last};
use crate::ops::WindowAxis;

type Args<'a, 'b> = &'b Arguments<'a>;

/// Longest window, stride or dilation.
const MAX_EXTENT: i64 = 1 << 16;

/// Where channels stand, as Keras or TensorFlow say it.
pub fn format(cx: &mut Cx<'_>, a: Args<'_, '_>, index: usize) -> Result<Format, Stop> {
    match a.text(cx, index, &["data_format"])?.as_deref() {
        None | Some("channels_last" | "nhwc" | "nwc" | "ndhwc" | "n...c") => Ok(Format::Last),
        Some("channels_first" | "nchw" | "ncw" | "ncdhw" | "nc...") => Ok(Format::First),
        Some(other) => Err(a.unsupported(cx, &["data_format"], &other.into())),
    }
}

/// What is around the input of a window.
pub fn padding(cx: &mut Cx<'_>, a: Args<'_, '_>, index: usize) -> Result<Padding, Stop> {
    match a.text(cx, index, &["padding"])?.as_deref() {
        None | Some("valid") => Ok(Padding::Valid),
        Some("same") => Ok(Padding::Same),
        Some(other) => Err(a.unsupported(cx, &["padding"], &other.into())),
    }
}

/// One number for each of `axes`: from one for all, one for each, or with those of batch and channels, which are 1.
pub fn extents(
    cx: &mut Cx<'_>,
    a: Args<'_, '_>,
    index: usize,
    names: &[&str],
    axes: usize,
) -> Result<Option<Vec<usize>>, Stop> {
    let Some(numbers) = a.integers(cx, index, names)? else {
        return Ok(None);
    };
    let spatial = match &numbers[..] {
        [one] => vec![*one; axes],
        all if all.len() == axes => all.to_vec(),
        [1, all @ .., 1] if all.len() == axes => all.to_vec(),
        [1, 1, all @ ..] if all.len() == axes => all.to_vec(),
        _ => return Err(a.unsupported(cx, names, &numbers.into())),
    };
    let extent = |&n: &i64| usize::try_from(n).ok().filter(|_| (1..=MAX_EXTENT).contains(&n));
    let found: Option<Vec<usize>> = spatial.iter().map(extent).collect();
    match found {
        Some(found) => Ok(Some(found)),
        None => Err(a.unsupported(cx, names, &spatial.into())),
    }
}

/// A batch of volumes `[batch, depth, height, width, channels]`: lines and images have a depth, lines a height, of 1.
pub struct Volumes {
    /// The tensor.
    pub node: NodeId,
    /// Its extents.
    pub dims: [usize; 5],
    /// How many axes there really are.
    pub axes: usize,
    format: Format,
}

impl Volumes {
    /// Brings a tensor of rank 3 to 5 into this form.
    pub fn of(cx: &mut Cx<'_>, x: NodeId, format: Format) -> Result<Self, Stop> {
        let x = channels_last(cx, x, format)?;
        let dims = match cx.dims(x)[..] {
            [n, w, c] => [n, 1, 1, w, c],
            [n, h, w, c] => [n, 1, h, w, c],
            [n, d, h, w, c] => [n, d, h, w, c],
            ref other => {
                return Err(cx.inconsistent(format!(
                    "it takes a tensor of rank 3, 4 or 5, not {}",
                    other.len()
                )));
            }
        };
        Ok(Self {
            axes: cx.dims(x).len() - 2,
            node: cx.b().reshape(x, dims)?,
            dims,
            format,
        })
    }
    /// Numbers for each axis, with what an axis that is not there has.
    pub fn lifted(&self, numbers: &[usize]) -> [usize; 3] {
        let mut all = [1; 3];
        all[3 - self.axes..].copy_from_slice(numbers);
        all
    }
    /// The windows of a padding along the three axes.
    pub fn windows(
        &self,
        padding: Padding,
        size: [usize; 3],
        strides: [usize; 3],
        dilation: [usize; 3],
    ) -> [WindowAxis; 3] {
        [0, 1, 2].map(|i| padding.window(size[i], strides[i], dilation[i], self.dims[i + 1]))
    }
    /// Gives a result of this form the form of the tensor.
    pub fn restore(&self, cx: &mut Cx<'_>, node: NodeId) -> Result<NodeId, Stop> {
        let dims = cx.dims(node);
        let shape = [&dims[..1], &dims[4 - self.axes..]].concat();
        let node = cx.b().reshape(node, shape)?;
        Ok(crate::keras::layers::spatial::channels_first(
            cx,
            node,
            self.format,
        )?)
    }
}
