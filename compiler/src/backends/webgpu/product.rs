//! Matrix products and convolutions: an invocation for each tile of results, which stay in registers.

use super::machine::Machine;
use super::module::{Made, Stores, finish, invocation};
use super::operands::Operands;
use crate::error::Result;
use crate::kernel::{Contract, Convolve, Epilogue, Image, Right};
use crate::shader::{self, Lanes, Shader, Walk};

/// Results that are computed together: so many pixels, and for each so many times four channels.
#[derive(Debug, Clone, Copy)]
struct Tile {
    /// Pixels.
    pixels: usize,
    /// Quads of channels.
    quads: usize,
}

/// Elements of a contraction from which on a single row is computed in parts.
const LONG: usize = 512;

/// Invocations that a single row is divided between, about.
const SPREAD: usize = 4096;

pub(super) fn contract(k: &Contract, run: &Operands) -> Result<Vec<Made>> {
    if let (Right::Panels { width }, [1, 1, 1, channels], []) = (k.right, k.dims, k.taps.as_slice())
        && k.run >= LONG
    {
        let columns = channels.div_ceil(4);
        let parts = (SPREAD / columns).min(k.run / (LONG / 4));
        if parts > 1 {
            return Ok(vec![partial(k, run, (width, parts))?, total(k, run, parts)?]);
        }
    }
    Ok(vec![whole(k, run)?])
}

/// The first half of a long product with a single row: every invocation adds up a part of the contraction of four results.
fn partial(k: &Contract, run: &Operands, (width, parts): (usize, usize)) -> Result<Made> {
    let columns = k.dims[3].div_ceil(4);
    let scratch = run.scratch();
    let mut s = run.shader();
    let number = invocation(&mut s, columns * parts);
    let across = s.number(columns);
    let n = s.bind("n", format!("{number} % {across} * 4u"));
    let part = s.bind("n", format!("{number} / {across}"));
    let all = s.number(k.run);
    let length = s.number(k.run.div_ceil(4 * parts) * 4);
    let first = s.bind("k", format!("{part} * {length}"));
    let end = s.bind("k", format!("min({first} + {length}, {all})"));
    let sum = shader::contract_part(&mut s, k, width, &n, (&first, &end));
    s.line(format!("store({number} * 4u, bitcast<vec4<u32>>({sum}));"));
    let made = finish(run.memories(), s, (scratch, Stores::Quads), "", columns * parts)?;
    Ok(Made {
        scratch: 4 * columns * parts,
        ..made
    })
}

/// The second half: an invocation for four results adds up their parts.
fn total(k: &Contract, run: &Operands, parts: usize) -> Result<Made> {
    let columns = k.dims[3].div_ceil(4);
    let scratch = run.scratch();
    let tile = Tile { pixels: 1, quads: 1 };
    let results = Results {
        neighbours: Neighbours::Pixels,
        dims: k.dims,
        images: 1,
        out: &k.out,
        epilogue: &k.epilogue,
        tile,
    };
    results.module(run, |s, _, n| {
        let sum = s.variable("m", "vec4<f32>(0.0f)");
        let count = s.number(parts);
        let across = s.number(4 * columns);
        s.count(&count, 1, |s, part| {
            let value = s.quad(scratch, &format!("{n} + {part} * {across}"));
            s.line(format!("{sum} += {value};"));
        });
        Ok(vec![vec![sum]])
    })
}

fn whole(k: &Contract, run: &Operands) -> Result<Made> {
    let width = match k.right {
        Right::Panels { width } => width,
        Right::Rows { .. } => 8,
    };
    let images = if k.right.is_shared() {
        1
    } else {
        k.dims[0] * k.dims[1]
    };
    let tile = tile(k.dims, images, (width.min(8) / 4, k.k()), run.machine());
    let result = Results {
        neighbours: Neighbours::Pixels,
        dims: k.dims,
        images,
        out: &k.out,
        epilogue: &k.epilogue,
        tile,
    };
    result.module(run, |s, pixels, n| {
        Ok(shader::contract(s, k, pixels, n, tile.quads))
    })
}

pub(super) fn convolve(k: &Convolve, run: &Operands) -> Result<Made> {
    let of_group = k.dims[3] / k.groups;
    let quads = if k.groups == 1 || of_group.is_multiple_of(8) {
        2
    } else {
        1
    };
    let quads = quads.min(k.panels.unwrap_or(8) / 4);
    let tile = tile(k.dims, 1, (quads, k.k()), run.machine());
    let result = Results {
        neighbours: Neighbours::Channels,
        dims: k.dims,
        images: 1,
        out: &k.out,
        epilogue: &k.epilogue,
        tile,
    };
    result.module(run, |s, pixels, n| shader::convolve(s, k, pixels, n, tile.quads))
}

/// The largest tile that suits a machine: some pixels of an image and up to `quads` times four channels.
fn tile(dims: [usize; 4], images: usize, (quads, depth): (usize, usize), machine: Machine) -> Tile {
    let pixels = dims[..3].iter().product::<usize>() / images;
    let quads = if dims[3] <= 4 { 1 } else { quads.max(1) };
    let suits = |tile: &Tile| {
        let invocations = images * pixels.div_ceil(tile.pixels) * dims[3].div_ceil(4 * tile.quads);
        machine.takes(tile.pixels, invocations, depth)
    };
    let sizes = [(8, quads), (4, quads), (2, quads), (1, quads), (1, 1)];
    let tiles = sizes.map(|(pixels, quads)| Tile { pixels, quads });
    let fits = |tile: &Tile| tile.pixels <= pixels;
    let [.., smallest] = tiles;
    tiles.into_iter().filter(fits).find(suits).unwrap_or(smallest)
}

/// What neighbouring invocations differ in, so that they read the same or what lies together.
enum Neighbours {
    /// Pixels: they share the weights, of which a contraction has many.
    Pixels,
    /// Channels: they share the taps of an image, which windows read several times.
    Channels,
}

/// The results of a product.
struct Results<'a> {
    neighbours: Neighbours,
    dims: [usize; 4],
    /// Batches and rows that have a matrix of their own; 1 where all share one.
    images: usize,
    out: &'a Image,
    epilogue: &'a Epilogue,
    tile: Tile,
}

impl Results<'_> {
    /// A module in which every invocation computes a tile: `sums` gives the raw results for some pixels and channels.
    fn module(
        &self,
        run: &Operands,
        sums: impl FnOnce(&mut Shader, &[[String; 3]], &str) -> Result<Vec<Vec<String>>>,
    ) -> Result<Made> {
        let Tile { pixels, quads } = self.tile;
        let all = self.dims[..3].iter().product::<usize>() / self.images;
        let columns = self.dims[3].div_ceil(4 * quads);
        let groups = all.div_ceil(pixels);
        let count = self.images * groups * columns;
        let mut s = run.shader();
        let number = invocation(&mut s, count);
        let (column, group) = match self.neighbours {
            Neighbours::Channels => {
                let across = s.number(columns);
                (format!("{number} % {across}"), format!("{number} / {across}"))
            }
            Neighbours::Pixels => {
                let along = s.number(self.images * groups);
                (format!("{number} / {along}"), format!("{number} % {along}"))
            }
        };
        let n = s.bind("n", format!("{column} * {}u", 4 * quads));
        let (before, group) = self.image(&mut s, group, groups, all);
        let first = s.bind("m", format!("{group} * {pixels}u"));
        let last = s.number(all - 1);
        let place = |s: &mut Shader, pixel: &str| {
            let place = s.bind("m", format!("{first} + {pixel}"));
            // What lies behind the last pixel repeats it and is not written.
            let inside = s.bind("m", format!("{before}min({place}, {last})"));
            (place, shader::pixel(s, self.dims, &inside))
        };
        let places = s.for_all(0..pixels, |s, pixel| place(s, &format!("{pixel}u")));
        let indices: Vec<_> = places.iter().map(|(_, index)| index.clone()).collect();
        let sums = sums(&mut s, &indices, &n)?;
        let stores = if run.machine().loops() && pixels > 1 {
            self.store_in_turn(&mut s, place, (&n, &last), &sums)
        } else {
            self.store(&mut s, &places, (&n, &last), &sums)
        };
        finish(run.memories(), s, (2, stores), "", count)
    }

    /// How many pixels lie before the image of a group, as the beginning of a sum, and which group of it it is.
    fn image(&self, s: &mut Shader, group: String, groups: usize, pixels: usize) -> (String, String) {
        if self.images == 1 {
            return (String::new(), group);
        }
        let (groups, pixels) = (s.number(groups), s.number(pixels));
        let group = s.bind("m", group);
        (
            format!("{group} / {groups} * {pixels} + "),
            format!("{group} % {groups}"),
        )
    }

    /// Applies the epilogue and writes what is inside.
    fn store(
        &self,
        s: &mut Shader,
        places: &[(String, [String; 3])],
        (n, last): (&str, &str),
        sums: &[Vec<String>],
    ) -> Stores {
        let channels = s.number(self.dims[3]);
        let results = places.iter().zip(sums).enumerate();
        s.for_all(results, |s, (i, ((place, index), sums))| {
            if i > 0 {
                s.block(format!("if ({place} <= {last})"), |s| {
                    self.pixel(s, index, (n, &channels), sums)
                });
            } else {
                self.pixel(s, index, (n, &channels), sums);
            }
        });
        self.stores(s)
    }

    /// The same in a loop over the pixels, each of which is found by its number.
    fn store_in_turn(
        &self,
        s: &mut Shader,
        place: impl Fn(&mut Shader, &str) -> (String, [String; 3]),
        (n, last): (&str, &str),
        sums: &[Vec<String>],
    ) -> Stores {
        let channels = s.number(self.dims[3]);
        let [first, rest @ ..] = sums else {
            return self.stores(s);
        };
        s.count(&format!("{}u", sums.len()), 1, |s, i| {
            let own: Vec<_> = first.iter().map(|sum| s.variable("r", sum)).collect();
            s.block(format!("switch ({i})"), |s| {
                for (number, sums) in rest.iter().enumerate() {
                    let each = own.iter().zip(sums).map(|(own, sum)| format!("{own} = {sum};"));
                    let each: Vec<_> = each.collect();
                    s.line(format!("case {}u: {{ {} }}", number + 1, each.join(" ")));
                }
                s.line("default: { }");
            });
            let (place, index) = place(s, i);
            s.block(format!("if ({place} <= {last})"), |s| {
                self.pixel(s, &index, (n, &channels), &own)
            });
        });
        self.stores(s)
    }

    /// How results are written: together where all four of them are always there.
    fn stores(&self, s: &Shader) -> Stores {
        if self.dims[3].is_multiple_of(4) && self.out(&self.strides()).is_quad(s) {
            Stores::Quads
        } else {
            Stores::Elements
        }
    }

    fn strides(&self) -> [usize; 4] {
        [self.out[0], self.out[1], self.out[2], 1]
    }

    fn out<'s>(&self, strides: &'s [usize]) -> Walk<'s> {
        Walk { operand: 2, strides }
    }

    /// Applies the epilogue to the results of a pixel at `[batch, row, pixel]` and writes those that are not behind the last channel.
    fn pixel(&self, s: &mut Shader, index: &[String; 3], (n, channels): (&str, &str), sums: &[String]) {
        let exact = self.dims[3].is_multiple_of(4 * self.tile.quads);
        let [batch, row, pixel] = index;
        s.for_all(sums.iter().enumerate(), |s, (quad, sum)| {
            let channel = match quad {
                0 => n.to_owned(),
                _ => format!("({n} + {}u)", 4 * quad),
            };
            let index = [batch.clone(), row.clone(), pixel.clone(), channel.clone()];
            let write = |s: &mut Shader| self.write(s, &index, sum, (exact, channels));
            if quad > 0 && !exact {
                s.block(format!("if ({channel} < {channels})"), write);
            } else {
                write(s);
            }
        });
    }

    /// Applies the epilogue to four results and writes them together or one by one: those that are not behind the last channel.
    fn write(&self, s: &mut Shader, index: &[String; 4], sum: &str, (exact, channels): (bool, &str)) {
        let strides = self.strides();
        let out = self.out(&strides);
        let value = shader::epilogue(s, self.epilogue, out.operand + 1, index, sum, Lanes::Four);
        let address = out.address(s, index);
        if self.stores(s) == Stores::Quads {
            s.line(format!("store({address}, bitcast<vec4<u32>>({value}));"));
            return;
        }
        let address = s.bind("e", address);
        let bits = s.bind("r", format!("bitcast<vec4<u32>>({value})"));
        for (lane, part) in ["x", "y", "z", "w"].into_iter().enumerate() {
            let store = format!("store({address} + {lane}u, {bits}.{part});");
            s.line(match (lane, exact) {
                (0, _) | (_, true) => store,
                _ => format!("if ({} + {lane}u < {channels}) {{ {store} }}", index[3]),
            });
        }
    }
}
