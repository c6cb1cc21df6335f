//! From numbers of invocations to indices, and from indices to addresses.

use super::{Lanes, Shader};
use crate::tensor::DType;

/// A walk over indices: extents, outermost first.
#[derive(Debug, Clone)]
pub struct Axes {
    /// The extents.
    pub extents: Vec<usize>,
}

impl Axes {
    /// How many indices there are, if `lanes` of the innermost axis count as one.
    pub fn count(&self, lanes: Lanes) -> usize {
        self.extents.iter().product::<usize>().div_ceil(lanes.count())
    }

    /// Writes the decomposition of a number into an index; that of the innermost axis is a multiple of the lanes.
    ///
    /// With four lanes the innermost extent must be a multiple of four.
    pub fn index(&self, s: &mut Shader, number: &str, lanes: Lanes) -> Vec<String> {
        let rank = self.extents.len();
        let mut rest = number.to_owned();
        let mut index = vec![String::new(); rank];
        for axis in (0..rank).rev() {
            let scale = if axis + 1 == rank { lanes.count() } else { 1 };
            let own = if axis == 0 {
                rest.clone()
            } else {
                let extent = s.number(self.extents[axis] / scale);
                let own = s.bind("n", format!("{rest} % {extent}"));
                rest = s.bind("n", format!("{rest} / {extent}"));
                own
            };
            index[axis] = match scale {
                1 => own,
                _ => s.bind("n", format!("{own} * {scale}u")),
            };
        }
        index
    }
}

/// How an operand is walked along the axes of an index.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    /// Which operand.
    pub operand: usize,
    /// Distance between elements along every axis.
    pub strides: &'a [usize],
}

impl Walk<'_> {
    /// Whether four neighbours along the innermost axis lie together, at a multiple of four.
    pub fn is_quad(&self, s: &Shader) -> bool {
        match self.strides.split_last() {
            Some((1, outer)) => s.is_aligned(self.operand) && outer.iter().all(|stride| stride % 4 == 0),
            _ => false,
        }
    }

    /// Whether all results of an innermost axis read the same element.
    fn repeats(&self) -> bool {
        self.strides.last().is_none_or(|&stride| stride == 0)
    }

    /// The address at an index.
    pub fn address(&self, s: &mut Shader, index: &[String]) -> String {
        let start = s.start(self.operand);
        let strides: Vec<isize> = self.strides.iter().map(|&stride| stride as isize).collect();
        s.address(&start, index, &strides)
    }

    /// The floats at an index, of as many lanes.
    pub fn load(&self, s: &mut Shader, index: &[String], lanes: Lanes) -> String {
        let address = self.address(s, index);
        match lanes {
            Lanes::One => s.float(self.operand, &address),
            Lanes::Four if self.repeats() => {
                let one = s.float(self.operand, &address);
                format!("vec4<f32>({one})")
            }
            Lanes::Four if self.is_quad(s) => s.quad(self.operand, &address),
            Lanes::Four => s.four(self.operand, &address, self.strides.last().copied().unwrap_or(0)),
        }
    }

    /// The numbers at an index, where elements have this type.
    pub fn number(&self, s: &mut Shader, index: &[String], dtype: DType, lanes: Lanes) -> String {
        if dtype == DType::F32 {
            return self.load(s, index, lanes);
        }
        let address = self.address(s, index);
        let address = s.bind("e", address);
        let step = usize::from(!self.repeats());
        let each: Vec<_> = (0..lanes.count())
            .map(|lane| s.int(self.operand, &format!("{address} + {}u", lane * step)))
            .collect();
        format!(
            "{}({})",
            lanes.float(),
            each.iter()
                .map(|int| format!("f32({int})"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    }
}

/// The index along an axis of one element.
pub(super) const ORIGIN: &str = "0u";

/// The index `[batch, row, pixel]` of results that differ in their channel only.
pub type Pixel = [String; 3];

/// The index of a pixel by its number, where results have these extents `[batches, rows, pixels, channels]`.
pub fn pixel(s: &mut Shader, dims: [usize; 4], number: &str) -> Pixel {
    let [batches, rows, pixels, _] = dims;
    let zero = || ORIGIN.to_owned();
    let mut rest = number.to_owned();
    let mut index = [zero(), zero(), zero()];
    let outer = [1, batches, batches * rows];
    for (axis, extent) in [(2, pixels), (1, rows), (0, batches)] {
        if extent == 1 {
            continue;
        }
        if outer[axis] == 1 {
            index[axis] = rest;
            break;
        }
        let extent = s.number(extent);
        let around = s.bind("n", format!("{rest} / {extent}"));
        index[axis] = s.bind("n", format!("{rest} - {around} * {extent}"));
        rest = around;
    }
    index
}

impl Shader {
    /// An address: a start, and an index under strides.
    pub fn address(&mut self, start: &str, index: &[String], strides: &[isize]) -> String {
        let mut sum = start.to_owned();
        for (index, &stride) in index.iter().zip(strides) {
            match stride {
                0 => {}
                _ if index == ORIGIN => {}
                1 => sum += &format!(" + {index}"),
                _ => {
                    let stride = self.signed(stride);
                    sum += &format!(" + {index} * {stride}");
                }
            }
        }
        sum
    }
}
