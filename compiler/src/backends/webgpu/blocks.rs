//! Products in blocks of results, which the invocations of a workgroup compute from memory that they share.

use super::machine::Machine;
use super::module::{Made, Stores, WORKGROUP, finish};
use super::operands::Operands;
use super::parts::{scratch, total};
use super::tiles::{Place, Results, Tile};
use crate::error::Result;
use crate::shader::{self, BLOCK, Block, EACH, Pixel, SIDE, Shader};

/// A product in blocks.
#[derive(Debug)]
pub(super) struct Division<'a> {
    results: Results<'a>,
    /// Length of the contraction.
    depth: usize,
    /// Parts of the contraction, each of which has blocks of its own.
    parts: usize,
}

impl<'a> Division<'a> {
    /// Of a product that suits it and the machine.
    pub fn of(results: &Results<'a>, depth: usize, machine: Machine) -> Option<Self> {
        let all = results.dims.iter().product::<usize>();
        let blocks = blocks(results);
        let mut parts = machine.parts(blocks, depth);
        if results.images > 1 {
            parts = 1;
        }
        let results = Results {
            tile: Tile {
                pixels: EACH,
                quads: 1,
            },
            ..*results
        };
        machine
            .shares_blocks(blocks * parts, all.div_ceil(blocks.max(1)), depth)
            .then_some(Self {
                results,
                depth,
                parts,
            })
    }

    /// The dispatches: one, or another one that adds up the parts. `sums` gives the raw results of an invocation.
    ///
    /// # Errors
    /// What `sums` says, or when the operands lie in more buffers than can be bound.
    pub fn modules(
        &self,
        run: &Operands,
        sums: impl FnOnce(&mut Shader, &Block<'_>) -> Result<Vec<String>>,
    ) -> Result<Vec<Made>> {
        let results = &self.results;
        let mut s = run.shader();
        let mut number = s.bind("n", "group.y * groups.x + group.x");
        let mut part = String::new();
        let depth = s.number(self.depth);
        let mut range = ["0u".to_owned(), s.bind("k", depth)];
        if self.parts > 1 {
            let parts = s.number(self.parts);
            part = s.bind("n", format!("{number} % {parts}"));
            number = s.bind("n", format!("{number} / {parts}"));
            let length = s.number(self.depth.div_ceil(BLOCK).div_ceil(self.parts) * BLOCK);
            let first = s.bind("k", format!("{part} * {length}"));
            let end = s.bind("k", format!("min({first} + {length}, {})", range[1]));
            range = [first, end];
        }
        let along = s.number(results.images * results.pixels().div_ceil(BLOCK));
        let own = Own::new(&mut s, results, format!("{number} % {along}"));
        let [row, column] = &own.at;
        // Workgroups behind the last have channels behind the last, and write nothing.
        let n = format!("{number} / {along} * {BLOCK}u + {column} * {EACH}u");
        let n = s.bind("n", n);
        let last_quad = s.number((results.dims[3] - 1) / 4 * 4);
        let inside = s.bind("n", format!("min({n}, {last_quad})"));
        let block = Block {
            at: [row, column],
            pixels: &own.pixels(),
            n: &inside,
            range: [&range[0], &range[1]],
        };
        let sums = sums(&mut s, &block)?;
        let to = (n.as_str(), own.last.as_str());
        let channels = s.number(results.dims[3]);
        let count = blocks(results) * self.parts * WORKGROUP;
        let out = s.block(format!("if ({n} < {channels})"), |s| {
            if self.parts > 1 {
                self.store_part(s, &own.places, (&part, to), &sums);
                (run.scratch(), Stores::Quads)
            } else {
                let sums: Vec<_> = sums.into_iter().map(|sum| vec![sum]).collect();
                (2, results.store(s, (&[], &own.places), to, &sums))
            }
        });
        let made = finish(run.memories(), s, out, &shader::shared(), count)?;
        if self.parts == 1 {
            return Ok(vec![made]);
        }
        let scratch = scratch(results, self.parts);
        Ok(vec![Made { scratch, ..made }, total(results, run, self.parts)?])
    }

    /// Writes the sums of a part as they are.
    fn store_part(
        &self,
        s: &mut Shader,
        places: &[Place],
        (part, (n, last)): (&str, (&str, &str)),
        sums: &[String],
    ) {
        let row = s.number(self.results.dims[3].next_multiple_of(4));
        let of_part = s.number(self.results.pixels());
        for (Place { number, .. }, sum) in places.iter().zip(sums) {
            s.block(format!("if ({number} <= {last})"), |s| {
                let at = format!("({part} * {of_part} + {number}) * {row} + {n}");
                s.line(format!("store({at}, bitcast<vec4<u32>>({sum}));"));
            });
        }
    }
}

/// What an invocation computes.
pub(super) struct Own {
    /// Its row in the workgroup, and its column.
    pub at: [String; 2],
    /// Its pixels.
    pub places: Vec<Place>,
    /// The number of the last pixel of an image.
    pub last: String,
}

impl Own {
    /// In the block of pixels of this number, which is counted over all images.
    pub fn new(s: &mut Shader, results: &Results<'_>, number: String) -> Self {
        let all = results.pixels();
        let row = s.bind("r", format!("lane / {SIDE}u"));
        let column = s.bind("c", format!("lane % {SIDE}u"));
        let (before, group) = results.image(s, number, all.div_ceil(BLOCK), all);
        let first = s.bind("m", format!("{group} * {BLOCK}u + {row}"));
        let last = s.number(all - 1);
        let places = s.for_all(0..EACH, |s, i| {
            results.place(s, (&first, &format!("{}u", SIDE * i)), (&before, &last))
        });
        Self {
            at: [row, column],
            places,
            last,
        }
    }

    /// The indices of its pixels.
    pub fn pixels(&self) -> Vec<Pixel> {
        self.places.iter().map(|place| place.index.clone()).collect()
    }
}

/// How many there are.
fn blocks(results: &Results<'_>) -> usize {
    results.images * results.pixels().div_ceil(BLOCK) * results.dims[3].div_ceil(BLOCK)
}
