//! Frames of zeros around images, and how windows go over them.

use super::methods::Chosen;
use super::target::Target;
use crate::kernel::{Fill, FillOperands, Image, Move, MoveOperands};
use crate::ops::lowering::{Jobs, Method, Pointer, View, Windows};
use crate::tensor::DType;

/// Extents of an image with a frame around it, and where the image begins in it.
pub(super) fn framed([n, h, w, c]: [usize; 4], frame: [[usize; 2]; 2]) -> ([usize; 4], [usize; 4]) {
    let [[top, bottom], [left, right]] = frame;
    ([n, h + top + bottom, w + left + right, c], [0, top, left, 0])
}

/// How the windows of a product go over its input 0, which lies in memory as `view` says. What is missing of the frame, or
/// lies apart where that is slow, is copied first. `None` where the kernels need no frame.
pub(super) fn windows<'a>(
    target: &dyn Target,
    chosen: &Chosen,
    view: &View,
    jobs: &mut Jobs<'a>,
) -> Option<Windows<'a>> {
    let window = chosen.product.window?;
    if matches!(chosen.method, Method::Plain | Method::Bounded { .. }) {
        return None;
    }
    let (strides, start) = with_frame(view, chosen.frame(), jobs);
    let [wy, wx] = window;
    let windows = Windows {
        start,
        a: [strides[0], strides[1] * wy.stride, strides[2] * wx.stride],
        taps: [
            (wy.size, strides[1] * wy.dilation),
            (wx.size, strides[2] * wx.dilation),
        ],
    };
    let one_tap = window.iter().all(|axis| axis.size == 1);
    if one_tap && target.compacts(&chosen.product, &windows.a) {
        return Some(compacted(chosen, windows, jobs));
    }
    Some(windows)
}

/// The strides of input 0 with at least `frame` zeros around it, and the first padded element: of a copy, if the value
/// has fewer.
fn with_frame<'a>(view: &View, frame: [[usize; 2]; 2], jobs: &mut Jobs<'a>) -> (Image, Pointer<'a>) {
    let strides = view.image();
    let enough = (0..2).all(|a| (0..2).all(|side| view.frame[a][side] >= frame[a][side]));
    if enough {
        let back = frame[0][0] * strides[1] + frame[1][0] * strides[2];
        return (strides, Pointer::Input(0, -(back as isize)));
    }
    let dims = view.image_dims();
    let (outer, first) = framed(dims, frame);
    let copy = View::dense(&outer, view.dtype);
    let scratch = jobs.scratch(outer.iter().product());
    let inside = first.iter().zip(&copy.strides).map(|(a, b)| a * b).sum();
    let out = scratch.clone();
    jobs.push(Fill::border(&outer, &first, &dims, 0.0), FillOperands { out });
    let kernel = Move {
        dims: dims.to_vec(),
        x: view.strides.iter().map(|&s| s as isize).collect(),
        out: copy.strides.clone(),
    };
    let operands = MoveOperands {
        x: Pointer::Input(0, 0),
        out: scratch.clone().advanced(inside),
    };
    jobs.push(kernel.simplified(), operands);
    (copy.image(), scratch)
}

/// Copies the pixels that windows of one tap read, so that they follow each other without gaps.
fn compacted<'a>(chosen: &Chosen, windows: Windows<'a>, jobs: &mut Jobs<'a>) -> Windows<'a> {
    let [n, h, w, _] = chosen.product.dims;
    let dims = [n, h, w, chosen.product.channels];
    let compact = View::dense(&dims, DType::F32);
    let scratch = jobs.scratch(dims.iter().product());
    let kernel = Move {
        dims: dims.to_vec(),
        x: windows.a.iter().chain(&[1]).map(|&s| s as isize).collect(),
        out: compact.strides.clone(),
    };
    let operands = MoveOperands {
        x: windows.start,
        out: scratch.clone(),
    };
    jobs.push(kernel.simplified(), operands);
    Windows {
        start: scratch,
        a: compact.image(),
        taps: windows.taps,
    }
}
