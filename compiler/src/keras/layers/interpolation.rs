//! Methods of resizing: of which elements a result along an axis is made, with which weights. Positions are computed in f32
//! with half-pixel centres, as TensorFlow's kernels do.

use std::f64::consts::PI;

/// How results between elements are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest element.
    Nearest,
    /// Linear between two.
    Bilinear,
    /// Keys' cubic with a = -½.
    Bicubic,
    /// The mean of the elements that a result covers, each by how much of it.
    Area,
    /// A function of the distance.
    Kernel {
        /// Which.
        kernel: Kernel,
        /// Whether it is widened where there are fewer results than elements.
        antialias: bool,
    },
}

/// A function of the distance from the place of a result, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// 1 - x.
    Triangle,
    /// Keys' cubic with a = -½.
    Keys,
    /// Mitchell's and Netravali's cubic with B = C = ⅓.
    Mitchell,
    /// A bell curve with a deviation of ½, cut off at 1½.
    Gaussian,
    /// Lanczos' windowed sinc of that radius.
    Lanczos(u8),
}

const fn sharp(kernel: Kernel) -> Interpolation {
    Interpolation::Kernel {
        kernel,
        antialias: false,
    }
}

/// Their names.
pub const INTERPOLATIONS: &[(&str, Interpolation)] = &[
    ("nearest", Interpolation::Nearest),
    ("bilinear", Interpolation::Bilinear),
    ("bicubic", Interpolation::Bicubic),
    ("area", Interpolation::Area),
    ("lanczos3", sharp(Kernel::Lanczos(3))),
    ("lanczos5", sharp(Kernel::Lanczos(5))),
    ("gaussian", sharp(Kernel::Gaussian)),
    ("mitchellcubic", sharp(Kernel::Mitchell)),
];

impl Interpolation {
    /// The method of that name.
    pub fn named(name: &str) -> Option<Self> {
        let found = INTERPOLATIONS.iter().find(|(of, _)| *of == name);
        found.map(|(_, interpolation)| *interpolation)
    }
    /// The same without aliasing, which the mean of an area has none of and the nearest element knows no remedy for.
    pub fn smoothed(self) -> Self {
        let kernel = match self {
            Self::Nearest | Self::Area => return self,
            Self::Bilinear => Kernel::Triangle,
            Self::Bicubic => Kernel::Keys,
            Self::Kernel { kernel, .. } => kernel,
        };
        Self::Kernel {
            kernel,
            antialias: true,
        }
    }
    /// Whether as many results as elements are the elements.
    pub fn keeps_elements(self) -> bool {
        match self {
            Self::Nearest | Self::Bilinear | Self::Bicubic | Self::Area => true,
            Self::Kernel { kernel, .. } => !matches!(kernel, Kernel::Gaussian | Kernel::Mitchell),
        }
    }
    /// Of how many elements a result is made at most.
    pub fn count(self, input: usize, output: usize) -> usize {
        match self {
            Self::Nearest => 1,
            Self::Bilinear => 2,
            Self::Bicubic => 4,
            Self::Area => (input as f32 / output as f32).ceil() as usize + 1,
            Self::Kernel { kernel, antialias } => {
                2 * (kernel.radius() * stretch(input, output, antialias)).ceil() as usize + 1
            }
        }
    }
    /// For every result, the elements that it is made of and their weights, [`Self::count`] of them, one result after the
    /// other.
    pub fn taps(self, input: usize, output: usize) -> Vec<(usize, f32)> {
        let scale = input as f32 / output as f32;
        let count = self.count(input, output);
        (0..output)
            .flat_map(|i| {
                let at = (i as f32 + 0.5) * scale - 0.5;
                match self {
                    Self::Nearest => vec![(at.round().max(0.0) as usize, 1.0)],
                    Self::Bilinear => linear(at, input),
                    Self::Bicubic => cubic(at, input),
                    Self::Area => area(i, scale, input, count),
                    Self::Kernel { kernel, antialias } => {
                        let stretch = stretch(input, output, antialias);
                        kernel.taps(at + 0.5, input, stretch, count)
                    }
                }
            })
            .collect()
    }
}

/// How much wider than it is a kernel is made.
fn stretch(input: usize, output: usize, antialias: bool) -> f32 {
    if antialias {
        (1.0 / (output as f32 / input as f32)).max(1.0)
    } else {
        1.0
    }
}

fn linear(at: f32, input: usize) -> Vec<(usize, f32)> {
    let floor = at.floor();
    let fraction = at - floor;
    let low = floor.max(0.0) as usize;
    let high = ((floor + 1.0).max(0.0) as usize).min(input - 1);
    vec![(low, 1.0 - fraction), (high, fraction)]
}

/// TensorFlow takes the weights from a table with 1024 steps, drops elements outside and lets the rest sum to 1.
fn cubic(at: f32, input: usize) -> Vec<(usize, f32)> {
    const A: f64 = -0.5;
    let floor = at.floor();
    let fraction = f64::from(((at - floor) * 1024.0).round_ties_even()) / 1024.0;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let weights = [
        far(fraction + 1.0),
        near(fraction),
        near(1.0 - fraction),
        far(2.0 - fraction),
    ];
    let first = floor as i64 - 1;
    normalised((first..).zip(weights), input)
}

/// `ResizeArea`: a result covers the elements from `i·scale` to `(i + 1)·scale`.
fn area(i: usize, scale: f32, input: usize, count: usize) -> Vec<(usize, f32)> {
    let (from, to) = (i as f32 * scale, (i + 1) as f32 * scale);
    let first = from.floor() as usize;
    (first..first + count)
        .map(|element| {
            let covered = ((element + 1) as f32).min(to) - (element as f32).max(from);
            (element.min(input - 1), covered.max(0.0) / scale)
        })
        .collect()
}

impl Kernel {
    /// Where it ends.
    fn radius(self) -> f32 {
        match self {
            Self::Triangle => 1.0,
            Self::Keys | Self::Mitchell => 2.0,
            Self::Gaussian => 1.5,
            Self::Lanczos(radius) => f32::from(radius),
        }
    }
    /// Its value at a distance, as TensorFlow's `sampling_kernels.h` has it.
    pub fn at(self, x: f64) -> f64 {
        let radius = f64::from(self.radius());
        match self {
            _ if x >= radius && !matches!(self, Self::Lanczos(_)) => 0.0,
            Self::Triangle => 1.0 - x,
            Self::Keys if x >= 1.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Keys => ((1.5 * x - 2.5) * x) * x + 1.0,
            Self::Mitchell if x >= 1.0 => ((-7.0 / 18.0 * x + 2.0) * x - 10.0 / 3.0) * x + 16.0 / 9.0,
            Self::Mitchell => ((7.0 / 6.0 * x - 2.0) * x) * x + 8.0 / 9.0,
            Self::Gaussian => (-x * x / (2.0 * (radius / 3.0) * (radius / 3.0))).exp(),
            Self::Lanczos(_) if x > radius => 0.0,
            Self::Lanczos(_) if x <= 1e-3 => 1.0,
            Self::Lanczos(_) => radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * PI * x * x),
        }
    }
    /// The weights of `ScaleAndTranslate`; `at` counts from the edge of the first element.
    fn taps(self, at: f32, input: usize, stretch: f32, count: usize) -> Vec<(usize, f32)> {
        let reach = self.radius() * stretch;
        let first = (at - reach - 0.5).ceil();
        let weights = (0..count).map(|i| {
            let position = first + i as f32;
            let distance = (position + 0.5 - at).abs() / stretch;
            (position as i64, self.at(f64::from(distance)))
        });
        normalised(weights, input)
    }
}

/// Gives elements outside no weight, and lets the others sum to 1.
fn normalised(weights: impl Iterator<Item = (i64, f64)>, input: usize) -> Vec<(usize, f32)> {
    let inside: Vec<(usize, f64)> = weights
        .map(|(position, weight)| match usize::try_from(position) {
            Ok(position) if position < input => (position, weight),
            Ok(_) => (input - 1, 0.0),
            Err(_) => (0, 0.0),
        })
        .collect();
    let sum: f64 = inside.iter().map(|(_, weight)| weight).sum();
    inside
        .into_iter()
        .map(|(position, weight)| (position, (weight / sum) as f32))
        .collect()
}
