//! Products in blocks: the invocations of a workgroup read parts of both sides once for all of them.
//!
//! A workgroup of 8x8 invocations computes 32x32 results, each of its invocations four pixels of four channels, and goes along the
//! contraction 32 elements at a time: the workgroup loads as many of each side into memory that it shares, waits, and multiplies from
//! there. This is the design of TensorFlow.js (`matmul_packed_webgpu.ts`) and ONNX Runtime (`webgpu/math/matmul.cc`). A convolution is
//! the same product, whose left side is found by its address in the image, tap by tap, and made nowhere.

use super::contract::{Columns, bases, in_units, is_quad, unit};
use super::convolve::{Reading, Start, Starts, channels};
use super::pool::tap;
use super::{Lanes, Pixel, Shader};
use crate::error::{Error, Result};
use crate::kernel::{Contract, Convolve};

/// Pixels and channels of a block, and elements of the contraction that are loaded at a time.
pub const BLOCK: usize = 32;

/// Pixels of an invocation, which are so far apart that neighbours read neighbouring rows, and its channels.
pub const EACH: usize = 4;

/// Invocations along each side.
pub const SIDE: usize = BLOCK / EACH;

/// Quads from one row of the left side in shared memory to the next: one more than are used, so that rows that are read together
/// lie in different banks.
pub(super) const STEP: usize = SIDE + 1;

/// What an invocation computes of a block, in expressions.
#[derive(Debug)]
pub struct Block<'a> {
    /// The invocation's row in the workgroup, and its column.
    pub at: [&'a str; 2],
    /// Its pixels, all of which are there.
    pub pixels: &'a [Pixel],
    /// Its first channel, a multiple of four, which is there.
    pub n: &'a str,
    /// The elements of the contraction that are summed up, the same for the whole workgroup: the first, a multiple of [`BLOCK`],
    /// and the one behind the last, another one or the length.
    pub range: [&'a str; 2],
}

/// The memory that a workgroup shares.
pub fn shared() -> String {
    format!(
        "var<workgroup> left: array<vec4<f32>, {}>;\nvar<workgroup> right: array<vec4<f32>, {}>;\n",
        BLOCK * STEP,
        BLOCK * SIDE
    )
}

/// Whether a [`Contract`] can be computed in blocks.
pub fn contracts_in_blocks(kernel: &Contract) -> bool {
    kernel.taps.is_empty()
}

/// Whether a [`Convolve`] can be: a block is of one group.
pub fn convolves_in_blocks(kernel: &Convolve) -> bool {
    let of_group = kernel.dims[3] / kernel.groups;
    kernel.panels.is_some() && (kernel.groups == 1 || of_group.is_multiple_of(BLOCK))
}

/// The raw results of a [`Contract`] without taps, four channels for each of an invocation's pixels. The part that begins with the
/// first element has the bias.
pub fn contract_block(s: &mut Shader, kernel: &Contract, block: &Block<'_>) -> Vec<String> {
    let left = contract_left(s, kernel, block);
    let right = Columns::new(s, kernel, block.n, &block.pixels[0]);
    multiply(s, block, right, left)
}

/// What reads four elements of the left side behind a number for each pixel.
pub(super) fn contract_left<'b, 'a>(
    s: &mut Shader,
    kernel: &Contract,
    block: &'b Block<'a>,
) -> impl Fn(&mut Shader, &str) -> Vec<String> + use<'a, 'b> {
    let unit = unit(kernel.run.is_multiple_of(4) && is_quad(s, &kernel.a));
    let mut starts = bases(s, &kernel.a, block.pixels);
    if unit == Lanes::Four {
        let quads = starts.into_iter().map(|at| s.bind("l", in_units(unit, at)));
        starts = quads.collect();
    }
    move |s, k| {
        let elements = block.elements(s, k, unit);
        let pixel = |s: &mut Shader, start: &String| {
            let place = |e: &Element| (format!("{start} + {}", e.number), e.is_there.clone());
            let places: Vec<_> = elements.iter().map(place).collect();
            read(s, unit, &places)
        };
        starts.iter().map(|start| pixel(s, start)).collect()
    }
}

/// The same of a [`Convolve`] that [can be](convolves_in_blocks).
///
/// # Errors
/// When weights are not packed: no target that makes shaders asks for that.
pub fn convolve_block(s: &mut Shader, kernel: &Convolve, block: &Block<'_>) -> Result<Vec<String>> {
    let width = kernel
        .panels
        .ok_or_else(|| Error::internal("a convolution whose weights are not packed"))?;
    let unit = unit(kernel.channels.is_multiple_of(4) && is_quad(s, &kernel.x));
    let of_group = kernel.dims[3] / kernel.groups;
    let first = channels(s, kernel, Reading::Together, block.n, of_group);
    let starts = Starts::new(s, kernel, block.pixels, (unit, first.first()));
    let channels = s.number(kernel.channels / unit.count());
    let right = Columns::of_panels(s, width, kernel.k(), block.n);
    Ok(multiply(s, block, right, |s, k| {
        let elements = block.elements(s, k, unit);
        let taps: Vec<_> = elements
            .iter()
            .map(|element| Tap::new(s, element, &channels, kernel.window[1].size))
            .collect();
        let pixel = |s: &mut Shader, start: &Start| {
            let tapped = elements.iter().zip(&taps);
            let places: Vec<_> = tapped
                .map(|(element, tap)| tap.place(s, element, (start, &starts), kernel))
                .collect();
            read(s, unit, &places)
        };
        starts.pixels.iter().map(|start| pixel(s, start)).collect()
    }))
}

/// An element of the contraction, or four that lie together.
struct Element {
    /// Its number, or that of the last where there are no more.
    number: String,
    /// Whether there are more.
    is_there: String,
}

impl Block<'_> {
    /// The four elements of the contraction that this invocation loads behind the one numbered `k`.
    fn elements(&self, s: &mut Shader, k: &str, unit: Lanes) -> Vec<Element> {
        let [_, column] = self.at;
        let [_, end] = self.range;
        let mut element = |number: String, end: String| {
            let number = s.bind("k", number);
            let is_there = s.bind("o", format!("{number} < {end}"));
            let number = s.bind("k", format!("min({number}, {end} - 1u)"));
            Element { number, is_there }
        };
        match unit {
            Lanes::Four => vec![element(
                format!("({k} >> 2u) + {column}"),
                format!("({end} >> 2u)"),
            )],
            Lanes::One => (0..4)
                .map(|lane| element(format!("{k} + {column} * 4u + {lane}u"), end.to_owned()))
                .collect(),
        }
    }
}

/// Where an element of a contraction lies in the window of every pixel.
struct Tap {
    row: String,
    column: String,
    channel: String,
}

impl Tap {
    /// Of so many channels, in a window that is so wide.
    fn new(s: &mut Shader, element: &Element, channels: &str, width: usize) -> Self {
        let number = &element.number;
        let tap = s.bind("t", format!("{number} / {channels}"));
        Self {
            row: s.bind("t", format!("{tap} / {width}u")),
            column: s.bind("t", format!("{tap} % {width}u")),
            channel: s.bind("c", format!("{number} - {tap} * {channels}")),
        }
    }

    /// The address for a pixel, and whether something is there.
    fn place(
        &self,
        s: &mut Shader,
        element: &Element,
        (start, starts): (&Start, &Starts),
        kernel: &Convolve,
    ) -> (String, String) {
        let [wy, wx] = kernel.window;
        let row = s.bind("y", tap(&start.row, &self.row, wy));
        let pixel = s.bind("x", tap(&start.pixel, &self.column, wx));
        let [_, of_row, of_pixel] = &starts.strides;
        let at = format!(
            "{} + {row} * {of_row} + {pixel} * {of_pixel} + {}",
            start.base, self.channel
        );
        let rows = starts.padded[0].then(|| format!("{row} < {}", start.rows));
        let pixels = starts.padded[1].then(|| format!("{pixel} < {}", start.columns));
        let conditions: Vec<String> = rows.into_iter().chain(pixels).collect();
        if conditions.is_empty() {
            return (at, element.is_there.clone());
        }
        let inside = s.bind("o", conditions.join(" && "));
        (
            format!("select({}, {at}, {inside})", start.base),
            format!("{inside} && {}", element.is_there),
        )
    }
}

/// Four elements of operand 0 at places with whether they are there; 0 where they are not.
fn read(s: &mut Shader, unit: Lanes, places: &[(String, String)]) -> String {
    let mut each = Vec::with_capacity(places.len());
    for (at, is_there) in places {
        each.push(match unit {
            Lanes::Four => format!("select(vec4<f32>(0.0f), {}, {is_there})", s.quad_numbered(0, at)),
            Lanes::One => format!("select(0.0f, {}, {is_there})", s.float(0, at)),
        });
    }
    match unit {
        Lanes::Four => each.concat(),
        Lanes::One => format!("vec4<f32>({})", each.join(", ")),
    }
}

/// Sums up the products of both sides; `left` gives four elements behind a number for each pixel of the invocation.
pub(super) fn multiply(
    s: &mut Shader,
    block: &Block<'_>,
    mut columns: Columns,
    left: impl Fn(&mut Shader, &str) -> Vec<String>,
) -> Vec<String> {
    let [row, column] = block.at;
    let [first, end] = block.range;
    let sums = columns.sums(s, EACH, 1).concat();
    if first != "0u" {
        s.block(format!("if ({first} > 0u)"), |s| {
            for sum in &sums {
                s.line(format!("{sum} = vec4<f32>(0.0f);"));
            }
        });
    }
    let k = s.variable("k", first);
    s.block("loop", |s| {
        s.line(format!("if ({k} >= {end}) {{ break; }}"));
        for (i, value) in left(s, &k).iter().enumerate() {
            let to = format!("({row} + {}u) * {STEP}u + {column}", SIDE * i);
            s.line(format!("left[{to}] = {value};"));
        }
        load_right(s, block.at, &columns, (&k, end));
        s.line("workgroupBarrier();");
        accumulate(s, block.at, &sums);
        // Nobody loads what comes next while others still read.
        s.line("workgroupBarrier();");
        s.line(format!("{k} += {BLOCK}u;"));
    });
    sums
}

/// Loads a block of the right side: some rows from the one numbered `k` on, 0 behind the last.
pub(super) fn load_right(
    s: &mut Shader,
    [row, column]: [&str; 2],
    columns: &Columns,
    (k, end): (&str, &str),
) {
    for i in 0..EACH {
        let number = s.bind("k", format!("{k} + {row} + {}u", SIDE * i));
        let inside = s.bind("k", format!("min({number}, {end} - 1u)"));
        let value = columns.row(s, &inside);
        let to = format!("({row} + {}u) * {SIDE}u + {column}", SIDE * i);
        s.line(format!(
            "right[{to}] = select(vec4<f32>(0.0f), {value}, {number} < {end});"
        ));
    }
}

/// Adds the products of both blocks that were loaded.
pub(super) fn accumulate(s: &mut Shader, [row, column]: [&str; 2], sums: &[String]) {
    s.count(&format!("{SIDE}u"), 1, |s, q| {
        let rows: Vec<_> = (0..4)
            .map(|i| s.bind("b", format!("right[({q} * 4u + {i}u) * {SIDE}u + {column}]")))
            .collect();
        for (i, sum) in sums.iter().enumerate() {
            let a = s.bind("a", format!("left[({row} + {}u) * {STEP}u + {q}]", SIDE * i));
            for (part, b) in ["x", "y", "z", "w"].into_iter().zip(&rows) {
                s.line(format!("{sum} += {b} * {a}.{part};"));
            }
        }
    });
}
