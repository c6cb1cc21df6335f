//! Matrix products and convolutions, and how each of them is divided: into tiles, which one invocation computes in registers, into
//! [blocks](super::blocks), whose invocations share what they read, or into [parts] of the contraction.

use super::blocks::Division;
use super::machine::Machine;
use super::module::Made;
use super::operands::Operands;
use super::parts;
use super::tiles::{Neighbours, Place, Results, Tile};
use crate::error::Result;
use crate::kernel::{Contract, Convolve, Right};
use crate::shader::{self, Pixel};

pub(super) fn contract(k: &Contract, run: &Operands) -> Result<Vec<Made>> {
    let width = match k.right {
        Right::Panels { width } => width,
        Right::Rows { .. } | Right::Codes { .. } => 8,
    };
    let images = if k.right.is_shared() {
        1
    } else {
        k.dims[0] * k.dims[1]
    };
    let results = Results {
        neighbours: Neighbours::Pixels,
        dims: k.dims,
        images,
        out: &k.out,
        epilogue: &k.epilogue,
        tile: tile(k.dims, images, (width.min(8) / 4, k.k()), run.machine()),
    };
    if let Some(few) = parts::few(k, run.machine()) {
        return few.modules(k, &results, run);
    }
    if shader::contracts_in_blocks(k)
        && let Some(division) = Division::of(&results, k.k(), run.machine())
    {
        return division.modules(run, |s, block| Ok(shader::contract_block(s, k, block)));
    }
    let quads = results.tile.quads;
    let made = results.module(run, |s, places, n| {
        Ok(shader::contract(s, k, &pixels(places), n, quads))
    })?;
    Ok(vec![made])
}

pub(super) fn convolve(k: &Convolve, run: &Operands) -> Result<Vec<Made>> {
    let of_group = k.dims[3] / k.groups;
    let quads = if k.groups == 1 || of_group.is_multiple_of(8) {
        2
    } else {
        1
    };
    let quads = quads.min(k.panels.unwrap_or(8) / 4);
    let results = Results {
        neighbours: Neighbours::Channels,
        dims: k.dims,
        images: 1,
        out: &k.out,
        epilogue: &k.epilogue,
        tile: tile(k.dims, 1, (quads, k.k()), run.machine()),
    };
    if shader::convolves_in_blocks(k)
        && let Some(division) = Division::of(&results, k.k(), run.machine())
    {
        return division.modules(run, |s, block| shader::convolve_block(s, k, block));
    }
    let quads = results.tile.quads;
    let made = results.module(run, |s, places, n| {
        shader::convolve(s, k, &pixels(places), n, quads)
    })?;
    Ok(vec![made])
}

fn pixels(places: &[Place]) -> Vec<Pixel> {
    places.iter().map(|place| place.index.clone()).collect()
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
