//! Convolution with a test of bounds.

use super::Shader;
use super::contract::{Columns, is_quad};
use super::pool::{first, tap};
use crate::error::{Error, Result};
use crate::kernel::Convolve;

/// The index `[batch, row, pixel]` of a result.
pub type Pixel = [String; 3];

/// How the four channels of a quad read the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
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
    let [wy, wx] = kernel.window;
    let first_channels = channels(s, kernel, reading, n, of_group);
    let mut starts = Vec::with_capacity(pixels.len());
    let start = s.start(0);
    let strides = kernel.x.map(|stride| s.number(stride));
    let padded = [wy, wx].map(|axis| axis.before + axis.after > 0);
    for [batch, row, pixel] in pixels {
        let base = s.bind("l", format!("{start} + {batch} * {}", strides[0]));
        let (row, rows) = first(s, wy, row, kernel.input[0]);
        let (pixel, columns) = first(s, wx, pixel, kernel.input[1]);
        starts.push((base, row, rows, pixel, columns));
    }
    let mut right = Columns::of_panels(s, width, kernel.k(), n);
    let sums = right.sums(s, pixels.len(), quads);
    let together = reading == Reading::Together && kernel.channels.is_multiple_of(4) && is_quad(s, &kernel.x);
    let over_rows = format!("{}u", wy.size);
    let over_pixels = format!("{}u", wx.size);
    let over_channels = s.number(kernel.channels);
    s.count(&over_rows, 1, |s, ky| {
        s.count(&over_pixels, 1, |s, kx| {
            let places: Vec<_> = starts
                .iter()
                .map(|(base, row, rows, pixel, columns)| {
                    let row = s.bind("y", tap(row, ky, wy));
                    let pixel = s.bind("x", tap(pixel, kx, wx));
                    let inside = match padded {
                        [false, false] => None,
                        // Those before the first wrap around and are beyond the last.
                        _ => Some(s.bind("o", format!("{row} < {rows} && {pixel} < {columns}"))),
                    };
                    let at = format!("{base} + {row} * {} + {pixel} * {}", strides[1], strides[2]);
                    let at = match &inside {
                        None => at,
                        Some(inside) => format!("select({base}, {at}, {inside})"),
                    };
                    (s.bind("l", at), inside)
                })
                .collect();
            let guarded = |value: String, inside: &Option<String>, zero: &str| match inside {
                None => value,
                Some(inside) => format!("select({zero}, {value}, {inside})"),
            };
            if together {
                s.count(&over_channels, 4, |s, c| {
                    let mut left = Vec::with_capacity(places.len());
                    for (at, inside) in &places {
                        let value = s.quad(0, &format!("{at} + {}{c}", first_channels[0]));
                        left.push(s.bind("a", guarded(value, inside, "vec4<f32>(0.0f)")));
                    }
                    for part in ["x", "y", "z", "w"] {
                        let left: Vec<_> = left.iter().map(|a| format!("{a}.{part}")).collect();
                        right.multiply(s, &left, &sums);
                    }
                });
                return;
            }
            s.count(&over_channels, 1, |s, c| {
                let mut left = Vec::with_capacity(places.len());
                for (at, inside) in &places {
                    let (value, zero) = match reading {
                        Reading::Together => {
                            (s.float(0, &format!("{at} + {}{c}", first_channels[0])), "0.0f")
                        }
                        Reading::Own => (s.quad(0, &format!("{at} + {n}")), "vec4<f32>(0.0f)"),
                        Reading::Apart => {
                            let each: Vec<_> = first_channels
                                .iter()
                                .map(|first| s.float(0, &format!("{at} + {first}{c}")))
                                .collect();
                            (format!("vec4<f32>({})", each.join(", ")), "vec4<f32>(0.0f)")
                        }
                    };
                    left.push(s.bind("a", guarded(value, inside, zero)));
                }
                right.multiply(s, &left, &sums);
            });
        });
    });
    Ok(sums)
}

/// The first channel of the image that each channel of a result reads, with a plus sign behind it; one for all if they are of
/// one group.
fn channels(s: &mut Shader, kernel: &Convolve, reading: Reading, n: &str, of_group: usize) -> Vec<String> {
    if reading == Reading::Own || kernel.groups == 1 {
        return vec![String::new()];
    }
    let size = s.number(of_group);
    let channels = s.number(kernel.channels);
    let last = s.number(kernel.dims[3] - 1);
    let mut first = |n: String| {
        let first = s.bind("g", format!("{n} / {size} * {channels}"));
        format!("{first} + ")
    };
    match reading {
        Reading::Apart => {
            let inside = |lane| format!("min({n} + {lane}u, {last})");
            (0..4).map(|lane| first(inside(lane))).collect()
        }
        _ => vec![first(n.to_owned())],
    }
}
