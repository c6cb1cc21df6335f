//! Pooling.

use super::{Lanes, Shader, Walk};
use crate::kernel::{Pool, PoolKind, PoolPadding, WindowAxis};

/// Less than all that a window can hold, and finite: some machines know no infinities.
const LOWEST: &str = "-3.4028234e38f";

/// The raw results of a [`Pool`] at an index `[batch, row, pixel, channel]`; operand 0 is the image.
pub fn pool(s: &mut Shader, kernel: &Pool, index: &[String], lanes: Lanes) -> String {
    let float = lanes.float();
    let [wy, wx] = kernel.window;
    let start = match kernel.kind {
        PoolKind::Max => format!("{float}({LOWEST})"),
        PoolKind::Average => format!("{float}(0.0f)"),
    };
    let found = s.variable("m", start);
    let present = s.variable("c", "0.0f");
    let (first_row, rows) = first(s, wy, &index[1], kernel.input[0]);
    let (first_pixel, pixels) = first(s, wx, &index[2], kernel.input[1]);
    let over_rows = s.number(wy.size);
    let over_pixels = s.number(wx.size);
    s.count(&over_rows, 1, |s, ky| {
        let row = s.bind("y", tap(&first_row, ky, wy));
        s.count(&over_pixels, 1, |s, kx| {
            let pixel = s.bind("x", tap(&first_pixel, kx, wx));
            // Those before the first wrap around and are beyond the last.
            s.block(format!("if ({row} < {rows} && {pixel} < {pixels})"), |s| {
                let strides = [kernel.x[0], kernel.x[1], kernel.x[2], 1];
                let walk = Walk {
                    operand: 0,
                    strides: &strides,
                };
                let at = [index[0].clone(), row.clone(), pixel.clone(), index[3].clone()];
                let value = walk.load(s, &at, lanes);
                match kernel.kind {
                    PoolKind::Max => s.line(format!("{found} = max({found}, {value});")),
                    PoolKind::Average => s.line(format!("{found} += {value};")),
                }
                s.line(format!("{present} += 1.0f;"));
            });
        });
    });
    match (kernel.kind, kernel.padding) {
        (PoolKind::Max, PoolPadding::Exclude) => found,
        (PoolKind::Max, PoolPadding::Zero) => {
            let all = (wy.size * wx.size) as f32;
            let zero = format!("max({found}, {float}(0.0f))");
            format!("select({zero}, {found}, {present} == {all:?}f)")
        }
        (PoolKind::Average, PoolPadding::Exclude) => format!("{found} / {float}({present})"),
        (PoolKind::Average, PoolPadding::Zero) => {
            let all = (wy.size * wx.size) as f32;
            format!("{found} / {float}({all:?}f)")
        }
    }
}

/// The position of the first tap, which wraps around where it lies in the padding before, and the extent.
pub(super) fn first(s: &mut Shader, window: WindowAxis, at: &str, extent: usize) -> (String, String) {
    let before = s.number(window.before);
    let first = s.bind("w", format!("{at} * {}u - {before}", window.stride));
    let extent = s.number(extent);
    (first, extent)
}

/// The position of a tap.
pub(super) fn tap(first: &str, tap: &str, window: WindowAxis) -> String {
    match window.dilation {
        1 => format!("{first} + {tap}"),
        dilation => format!("{first} + {tap} * {dilation}u"),
    }
}
