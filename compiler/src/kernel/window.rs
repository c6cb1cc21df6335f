//! Sliding windows along one axis.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A window that slides along one spatial axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WindowAxis {
    /// Taps of the window.
    pub size: usize,
    /// Distance between two positions of the window.
    pub stride: usize,
    /// Distance between two taps.
    pub dilation: usize,
    /// Padding before the first element.
    pub before: usize,
    /// Padding after the last element.
    pub after: usize,
}

impl WindowAxis {
    /// A window of `size` taps without stride, dilation or padding.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            stride: 1,
            dilation: 1,
            before: 0,
            after: 0,
        }
    }

    /// Elements from the first tap to the last, both counted.
    pub fn extent(&self) -> usize {
        (self.size - 1) * self.dilation + 1
    }

    /// Positions of the window over `input` elements.
    ///
    /// # Errors
    /// When an attribute is zero, or the window is wider than the padded input.
    pub fn output(&self, input: usize) -> Result<usize> {
        if self.size == 0 || self.stride == 0 || self.dilation == 0 {
            return Err(Error::inconsistent(format!(
                "window {self} has a zero size, stride or dilation"
            )));
        }
        (input + self.before + self.after)
            .checked_sub(self.extent())
            .map(|rest| rest / self.stride + 1)
            .ok_or_else(|| Error::inconsistent(format!("window {self} is wider than its {input} inputs")))
    }

    /// The input position of `tap` at output position `at`, or `None` in the padding.
    pub fn position(&self, at: usize, tap: usize, input: usize) -> Option<usize> {
        (at * self.stride + tap * self.dilation)
            .checked_sub(self.before)
            .filter(|&p| p < input)
    }

    /// Whether this is a 1-tap window that visits every element once.
    pub fn is_pointwise(&self) -> bool {
        *self == Self::new(1)
    }
}

impl fmt::Display for WindowAxis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.size)?;
        if self.stride != 1 {
            write!(f, "/{}", self.stride)?;
        }
        if self.dilation != 1 {
            write!(f, "*{}", self.dilation)?;
        }
        if (self.before, self.after) != (0, 0) {
            write!(f, "+{}+{}", self.before, self.after)?;
        }
        Ok(())
    }
}

/// What [`WindowAxis`] prints as.
impl FromStr for WindowAxis {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let number = |digits: &str| {
            let wrong = |_| Error::malformed(format!("{text:?} is no window"));
            digits.parse::<usize>().map_err(wrong)
        };
        let (taps, pads) = text.split_once('+').unwrap_or((text, "0+0"));
        let (before, after) = pads.split_once('+').unwrap_or((pads, ""));
        let (taps, dilation) = taps.split_once('*').unwrap_or((taps, "1"));
        let (size, stride) = taps.split_once('/').unwrap_or((taps, "1"));
        Ok(Self {
            size: number(size)?,
            stride: number(stride)?,
            dilation: number(dilation)?,
            before: number(before)?,
            after: number(after)?,
        })
    }
}
