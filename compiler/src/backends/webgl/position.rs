//! From the texel that is drawn back to the results that it holds.

use crate::error::{Error, Result};
use crate::shader::{Lanes, Shader, Walk};

/// Results as they lie in a value.
#[derive(Debug, Clone)]
pub(super) struct Results<'a> {
    /// Extents, outermost first.
    pub extents: &'a [usize],
    /// How they are written.
    pub walk: Walk<'a>,
    /// Elements before the first.
    pub offset: usize,
}

impl Results<'_> {
    /// How many of them a texel holds at once: four where these are neighbours along the innermost axis.
    pub fn lanes(&self, s: &Shader) -> Lanes {
        let whole = self.extents.last().is_some_and(|extent| extent.is_multiple_of(4));
        if whole && self.walk.is_quad(s) {
            Lanes::Four
        } else {
            Lanes::One
        }
    }

    /// Whether they are all that a value of so many texels holds, without gaps.
    pub fn fill(&self, texels: usize) -> bool {
        let all: usize = self.extents.iter().product();
        self.offset == 0 && all.div_ceil(4) >= texels && self.is_dense()
    }

    fn is_dense(&self) -> bool {
        let mut expected = 1;
        self.extents
            .iter()
            .zip(self.walk.strides)
            .rev()
            .all(|(&extent, &stride)| {
                let fits = extent == 1 || stride == expected;
                expected *= extent;
                fits
            })
    }

    /// Writes the index of the result that lies at an element, and whether one does.
    ///
    /// # Errors
    /// When results lie over each other.
    pub fn index(&self, s: &mut Shader, element: &str) -> Result<(Vec<String>, String)> {
        let start = s.start(self.walk.operand);
        let relative = s.bind("e", format!("{element} - {start}"));
        let mut axes: Vec<usize> = (0..self.extents.len())
            .filter(|&axis| self.extents[axis] != 1)
            .collect();
        axes.sort_by_key(|&axis| std::cmp::Reverse(self.walk.strides[axis]));
        for pair in axes.windows(2) {
            let inner = self.walk.strides[pair[1]] * self.extents[pair[1]];
            if self.walk.strides[pair[0]] < inner {
                return Err(Error::internal("results lie over each other"));
            }
        }
        let mut index = vec!["0u".to_owned(); self.extents.len()];
        // Elements before the first wrap around and are beyond the last.
        let mut rest = relative;
        let mut conditions = Vec::new();
        for (number, &axis) in axes.iter().enumerate() {
            let stride = self.walk.strides[axis];
            if stride == 1 {
                index[axis].clone_from(&rest);
                rest = "0u".to_owned();
            } else {
                let stride = s.number(stride);
                index[axis] = s.bind("n", format!("{rest} / {stride}"));
                rest = s.bind("n", format!("{rest} % {stride}"));
            }
            // An axis that fills the distance of the one around it has no end of its own.
            let around = number
                .checked_sub(1)
                .map(|before| self.walk.strides[axes[before]]);
            if around != Some(stride * self.extents[axis]) {
                let extent = s.number(self.extents[axis]);
                conditions.push(format!("{} < {extent}", index[axis]));
            }
        }
        if rest != "0u" {
            conditions.push(format!("{rest} == 0u"));
        }
        if conditions.is_empty() {
            conditions.push("true".to_owned());
        }
        Ok((index, conditions.join(" && ")))
    }
}
