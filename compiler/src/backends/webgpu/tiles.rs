//! The results of a product: how invocations are laid out over them, and how they are finished and written.

use super::module::{Made, Stores, finish, invocation};
use super::operands::Operands;
use crate::error::Result;
use crate::kernel::{Epilogue, Image};
use crate::shader::{self, Lanes, Pixel, Shader, Walk};

/// Results that are computed together: so many pixels, and for each so many times four channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// Pixels.
    pub pixels: usize,
    /// Quads of channels.
    pub quads: usize,
}

/// What neighbouring invocations differ in, so that they read the same or what lies together.
#[derive(Debug, Clone, Copy)]
pub(super) enum Neighbours {
    /// Pixels: they share the weights, of which a contraction has many.
    Pixels,
    /// Channels: they share the taps of an image, which windows read several times.
    Channels,
}

/// The results of a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Results<'a> {
    pub neighbours: Neighbours,
    /// Extents: batches, rows, pixels, channels.
    pub dims: [usize; 4],
    /// Batches and rows that have a matrix of their own; 1 where all share one.
    pub images: usize,
    pub out: &'a Image,
    pub epilogue: &'a Epilogue,
    pub tile: Tile,
}

/// A pixel of an invocation.
#[derive(Debug)]
pub(super) struct Place {
    /// Its number in its image, which is beyond the last where there is no such pixel.
    pub number: String,
    /// Its number in all images.
    pub inside: String,
    /// Its index, or that of the last where there are no more.
    pub index: Pixel,
}

impl Results<'_> {
    /// Pixels of an image.
    pub fn pixels(&self) -> usize {
        self.dims[..3].iter().product::<usize>() / self.images
    }

    /// A module in which every invocation computes a tile: `sums` gives the raw results for some pixels and channels.
    ///
    /// # Errors
    /// What `sums` says, or when the operands lie in more buffers than can be bound.
    pub fn module(
        &self,
        run: &Operands,
        sums: impl FnOnce(&mut Shader, &[Place], &str) -> Result<Vec<Vec<String>>>,
    ) -> Result<Made> {
        let Tile { pixels, quads } = self.tile;
        let all = self.pixels();
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
        let place = |s: &mut Shader, pixel: &str| self.place(s, (&first, pixel), (&before, &last));
        let places = s.for_all(0..pixels, |s, pixel| place(s, &format!("{pixel}u")));
        let sums = sums(&mut s, &places, &n)?;
        let stores = if run.machine().loops() && pixels > 1 {
            self.store_in_turn(&mut s, place, (&n, &last), &sums)
        } else {
            let (first, rest) = places.split_at(1);
            self.store(&mut s, (first, rest), (&n, &last), &sums)
        };
        finish(run.memories(), s, (2, stores), "", count)
    }

    /// A pixel at a distance from another.
    pub fn place(&self, s: &mut Shader, (first, pixel): (&str, &str), (before, last): (&str, &str)) -> Place {
        let number = s.bind("m", format!("{first} + {pixel}"));
        // What lies behind the last pixel repeats it and is not written.
        let inside = s.bind("m", format!("{before}min({number}, {last})"));
        let index = shader::pixel(s, self.dims, &inside);
        Place {
            number,
            inside,
            index,
        }
    }

    /// How many pixels lie before the image of a group, as the beginning of a sum, and which group of it it is.
    pub fn image(&self, s: &mut Shader, group: String, groups: usize, pixels: usize) -> (String, String) {
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

    /// Applies the epilogue and writes the results of pixels that are there, and of others that may be.
    pub fn store(
        &self,
        s: &mut Shader,
        (there, others): (&[Place], &[Place]),
        (n, last): (&str, &str),
        sums: &[Vec<String>],
    ) -> Stores {
        let channels = s.number(self.dims[3]);
        let results = there.iter().chain(others).zip(sums).enumerate();
        s.for_all(results, |s, (i, (place, sums))| {
            let write = |s: &mut Shader| self.pixel(s, &place.index, (n, &channels), sums);
            if i < there.len() {
                write(s);
            } else {
                s.block(format!("if ({} <= {last})", place.number), write);
            }
        });
        self.stores(s)
    }

    /// The same in a loop over the pixels, each of which is found by its number.
    fn store_in_turn(
        &self,
        s: &mut Shader,
        place: impl Fn(&mut Shader, &str) -> Place,
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
            let place = place(s, i);
            s.block(format!("if ({} <= {last})", place.number), |s| {
                self.pixel(s, &place.index, (n, &channels), &own)
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
