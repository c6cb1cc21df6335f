//! Convolution with a test of bounds.

use super::contract::{Columns, in_units, is_quad, unit};
use super::pool::{first, tap};
use super::{Lanes, Pixel, Shader};
use crate::error::{Error, Result};
use crate::kernel::Convolve;

/// How the four channels of a quad read the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of them the channels of one group.
    Together,
    /// Each its own channel, which lie together.
    Own,
    /// Each those of its group.
    Apart,
}

/// The raw results of a [`Convolve`] with packed weights for some pixels and `quads` times four channels from the one numbered
/// `n` on, a multiple of that many: for each pixel, for each quad. Several quads must be of one group.
///
/// Operand 0 is the image, 1 the weights. Channels behind the last read what is there.
///
/// # Errors
/// When weights are not packed: no target that makes shaders asks for that.
pub fn convolve(
    s: &mut Shader,
    kernel: &Convolve,
    pixels: &[Pixel],
    n: &str,
    quads: usize,
) -> Result<Vec<Vec<String>>> {
    let width = kernel
        .panels
        .ok_or_else(|| Error::internal("a convolution whose weights are not packed"))?;
    let of_group = kernel.dims[3] / kernel.groups;
    let reading = if kernel.groups == 1 || of_group.is_multiple_of(4) {
        Reading::Together
    } else if of_group == 1
        && kernel.channels == 1
        && is_quad(s, &kernel.x)
        && kernel.dims[3].is_multiple_of(4)
    {
        Reading::Own
    } else {
        Reading::Apart
    };
    let unit = match reading {
        Reading::Own => Lanes::Four,
        Reading::Together => unit(kernel.channels.is_multiple_of(4) && is_quad(s, &kernel.x)),
        Reading::Apart => Lanes::One,
    };
    let [wy, wx] = kernel.window;
    let first_channels = channels(s, kernel, reading, n, of_group);
    let of_all = match reading {
        Reading::Together | Reading::Own => first_channels.first(),
        Reading::Apart => None,
    };
    let Starts {
        strides,
        padded,
        pixels: starts,
    } = Starts::new(s, kernel, pixels, (unit, of_all));
    let mut right = Columns::of_panels(s, width, kernel.k(), n);
    let sums = right.sums(s, pixels.len(), quads);
    let over_rows = format!("{}u", wy.size);
    let over_pixels = format!("{}u", wx.size);
    let over_channels = match reading {
        // A channel reads itself only.
        Reading::Own => None,
        _ => Some(s.number(kernel.channels / unit.count())),
    };
    s.count(&over_rows, 1, |s, ky| {
        // The positions of the tap, before the first of which numbers wrap around and are beyond the last.
        let starts: Vec<_> = starts
            .iter()
            .map(|start| {
                let row = s.bind("y", tap(&start.row, ky, wy));
                let at = s.bind("l", format!("{} + {row} * {}", start.base, strides[1]));
                let inside = padded[0].then(|| s.bind("o", format!("{row} < {}", start.rows)));
                (start, at, inside)
            })
            .collect();
        s.count(&over_pixels, 1, |s, kx| {
            let places: Vec<_> = starts
                .iter()
                .map(|(start, at, inside)| {
                    let pixel = s.bind("x", tap(&start.pixel, kx, wx));
                    let at = format!("{at} + {pixel} * {}", strides[2]);
                    let of_row = padded[1].then(|| format!("{pixel} < {}", start.columns));
                    let conditions: Vec<_> = inside.iter().chain(&of_row).map(String::as_str).collect();
                    if conditions.is_empty() {
                        return (s.bind("l", at), None);
                    }
                    let inside = s.bind("o", conditions.join(" && "));
                    (
                        s.bind("l", format!("select({}, {at}, {inside})", start.base)),
                        Some(inside),
                    )
                })
                .collect();
            let guarded = |value: String, inside: &Option<String>, zero: &str| match inside {
                None => value,
                Some(inside) => format!("select({zero}, {value}, {inside})"),
            };
            let mut multiply = |s: &mut Shader, channel: Option<&str>| {
                let mut left = Vec::with_capacity(places.len());
                let channel = channel.map_or_else(String::new, |c| format!(" + {c}"));
                for (at, inside) in &places {
                    let (value, zero) = match (reading, unit) {
                        (Reading::Apart, _) => {
                            let each: Vec<_> = first_channels
                                .iter()
                                .map(|first| s.float(0, &format!("{at} + {first}{channel}")))
                                .collect();
                            (format!("vec4<f32>({})", each.join(", ")), "vec4<f32>(0.0f)")
                        }
                        (_, Lanes::Four) => {
                            let at = format!("{at}{channel}");
                            (s.quad_numbered(0, &at), "vec4<f32>(0.0f)")
                        }
                        (_, Lanes::One) => (s.float(0, &format!("{at}{channel}")), "0.0f"),
                    };
                    left.push(s.bind("a", guarded(value, inside, zero)));
                }
                match reading {
                    Reading::Together => right.multiply_all(s, &left, unit, &sums),
                    Reading::Own | Reading::Apart => right.multiply(s, &left, &sums),
                }
            };
            match &over_channels {
                None => multiply(s, None),
                Some(count) => s.count(count, 1, |s, c| multiply(s, Some(c))),
            }
        });
    });
    Ok(sums)
}

/// Where the windows of some pixels begin.
pub(super) struct Starts {
    /// Distance between batches, rows and pixels of the image.
    pub strides: [String; 3],
    /// Whether windows reach beyond the image, along each axis.
    pub padded: [bool; 2],
    /// For each pixel.
    pub pixels: Vec<Start>,
}

/// Where the window of a pixel begins.
pub(super) struct Start {
    /// The beginning of its image.
    pub base: String,
    /// The row of the first tap, which wraps around where it lies in the padding before.
    pub row: String,
    /// Rows of the image.
    pub rows: String,
    /// The same of pixels.
    pub pixel: String,
    /// Pixels of a row of the image.
    pub columns: String,
}

impl Starts {
    /// In units of one element or four, from a channel on.
    pub(super) fn new(
        s: &mut Shader,
        kernel: &Convolve,
        pixels: &[Pixel],
        (unit, channel): (Lanes, Option<&String>),
    ) -> Self {
        let [wy, wx] = kernel.window;
        let mut start = s.start(0);
        if let Some(first) = channel {
            start += &format!(" + {first}");
        }
        let start = s.bind("l", in_units(unit, start));
        let strides = kernel.x.map(|stride| s.number(stride / unit.count()));
        let padded = [wy, wx].map(|axis| axis.before + axis.after > 0);
        let pixels = s.for_all(pixels, |s, [batch, row, pixel]| {
            let base = s.bind("l", format!("{start} + {batch} * {}", strides[0]));
            let (row, rows) = first(s, wy, row, kernel.input[0]);
            let (pixel, columns) = first(s, wx, pixel, kernel.input[1]);
            Start {
                base,
                row,
                rows,
                pixel,
                columns,
            }
        });
        Self {
            strides,
            padded,
            pixels,
        }
    }
}

/// The first channel of the image that each channel of a result reads; one for all if they read the same or lie together, and
/// none if that is the first of all.
pub(super) fn channels(
    s: &mut Shader,
    kernel: &Convolve,
    reading: Reading,
    n: &str,
    of_group: usize,
) -> Vec<String> {
    if reading == Reading::Own {
        return vec![n.to_owned()];
    }
    if kernel.groups == 1 {
        return Vec::new();
    }
    let size = s.number(of_group);
    let channels = s.number(kernel.channels);
    let last = s.number(kernel.dims[3] - 1);
    let mut first = |n: String| s.bind("g", format!("{n} / {size} * {channels}"));
    match reading {
        Reading::Apart => {
            let inside = |lane| format!("min({n} + {lane}u, {last})");
            (0..4).map(|lane| first(inside(lane))).collect()
        }
        _ => vec![first(n.to_owned())],
    }
}
