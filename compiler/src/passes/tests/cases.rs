//! The graphs of the snapshots.

use super::layers::{Net, same, valid};
use super::snapshots::{Case, What};
use super::tapes;
use crate::error::Result;
use crate::ops::{Conv, Pad, PoolKind, Reduce, ReduceKind, Scan, Slice, WindowAxis};
use crate::pointwise::{Binary, Tape, Unary};
use crate::tensor::{Tensor, TensorType};
use std::sync::Arc;

/// Lists the cases: file, pass, what to see.
macro_rules! cases {
    ($($name:ident, $what:expr, $about:literal;)+) => {
        /// All of them.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            about: $about,
            what: $what,
            build: $name,
        }),+];
    };
}

cases! {
    dead_code, What::Pass("dead_code"), "What no output needs goes, graph inputs stay.";
    fold_constants, What::Pass("fold_constants"), "Functions of constants are computed, unless that enlarges the model.";
    identities, What::Pass("identities"), "No-ops vanish; reshapes, transposes and slices that follow each other merge.";
    common, What::Pass("common"), "Equal operations on equal inputs are one.";
    sink_channels_first, What::Pass("sink_moves"), "Transposes sink below normalisation, activation, gate and sum.";
    sink_reshape, What::Pass("sink_moves"), "Reshapes sink below maps, and operands get the other shape.";
    sink_flatten, What::Pass("sink_moves"), "A transpose before a flattened product goes into the rows of its weights.";
    sink_concat, What::Pass("sink_moves"), "Each part of a concatenation takes its piece of the function.";
    sink_pad, What::Pass("sink_moves"), "The function of the padding's value becomes the padding's value.";
    sink_pad_moves, What::Pass("sink_moves"), "Padding sinks below slices and reshapes.";
    merge_pads, What::Pass("merge_pads"), "Zeros go into windows, but not where a pool tells its own padding apart.";
    merge_strides, What::Pass("merge_strides"), "A convolution of one tap skips what the pool before it skipped.";
    scale_before, What::Pass("fold_scale"), "A normalisation goes into the weights and bias of the convolution before it.";
    scale_before_concat, What::Pass("fold_scale"), "A normalisation of a concatenation is split between its parts.";
    scale_before_reshape, What::Pass("fold_scale"), "Channels repeat along the units of the product before a reshape.";
    scale_after, What::Pass("fold_scale"), "A normalisation goes into the convolutions after it if they do not pad.";
    scale_after_flatten, What::Pass("fold_scale"), "A normalisation goes through pooling and flattening into a product.";
    scale_after_mean, What::Pass("fold_scale"), "A normalisation goes through the mean of an image into a product.";
    scale_shared_weights, What::Pass("fold_scale"), "Weights that two layers share are scaled once for both.";
    scale_padded, What::Pass("fold_scale"), "A shift cannot pass padding: the normalisation stays, in its simplest form.";
    scale_shared, What::Pass("fold_scale"), "A producer that others use, or an activation in between, keeps a normalisation from it.";
    fuse_maps, What::Pass("fuse_maps"), "Chains of maps become one, numbers stand in the tape.";
    fuse_maps_cheap, What::Pass("fuse_maps"), "A difference is computed twice rather than written and read, as in a layer normalisation.";
    fuse_maps_missed, What::Pass("fuse_maps"), "Maps that are broadcast, or used twice, stay.";
    epilogue_residual, What::Pass("fuse_epilogues"), "A sum of two convolutions goes into the later one.";
    epilogue_missed, What::Pass("fuse_epilogues"), "What others use, or is broadcast, has no epilogue.";
    residual_network, What::Pipeline, "Convolution, normalisation, activation, pool, residual block, head.";
    preactivation_network, What::Pipeline, "Normalisation and activation before the convolution, its shortcut from in between.";
    mobile_network, What::Pipeline, "Expansion, depthwise convolution, squeeze and excitation, projection.";
    channels_first_network, What::Pipeline, "Every layer transposes and transposes back; one transpose is left.";
    transposed_network, What::Pipeline, "A transposed convolution is a convolution and a rearrangement; what follows goes into the former.";
    line_network, What::Pipeline, "One-dimensional layers, by reshapes to images.";
    recurrent_network, What::Pipeline, "The body of a scan is optimised too.";
}

fn dead_code(net: &mut Net) -> Result<()> {
    let x = net.input([1, 2])?;
    net.name("unused").b.input("unused", TensorType::f32([3]))?;
    let y = net.name("used").relu(x)?;
    let silu = net.name("dead").silu(y)?;
    net.norm(silu)?;
    net.output(y);
    Ok(())
}

fn fold_constants(net: &mut Net) -> Result<()> {
    let x = net.input([1, 3])?;
    let c = net.name("folded").numbers([3], &[1.0, 4.0, 9.0])?;
    let root = net.b.map(Tape::unary(Unary::Sqrt), &[c])?;
    let y = net.binary(Binary::Mul, x, root)?;
    let row = net.name("table").weights([1, 1024])?;
    let column = net.weights([1024, 1])?;
    let table = net.binary(Binary::Add, row, column)?;
    net.output(y);
    net.output(table);
    Ok(())
}

fn identities(net: &mut Net) -> Result<()> {
    let x = net.input([1, 2, 3, 4])?;
    let x = net.name("dropout").b.map(Tape::identity(), &[x])?;
    let x = net.name("permute").b.transpose(x, [0, 3, 1, 2])?;
    let x = net.b.transpose(x, [0, 3, 2, 1])?;
    let x = net.name("crop").b.slice(x, 1, 1, 2)?;
    let reversed = Slice {
        starts: vec![0, 1, 0, 0],
        sizes: vec![1, 2, 2, 4],
        steps: vec![1, -1, 1, 1],
    };
    let x = net.b.add(reversed, &[x])?;
    let y = net.name("part").relu(x)?;
    let parts = net.b.concat(3, &[x, y])?;
    let y = net.b.slice(parts, 3, 4, 2)?;
    let y = net.name("flat").b.reshape(y, [8])?;
    let y = net.b.reshape(y, [2, 4])?;
    let z = net.name("unit").b.transpose(y, [1, 0])?;
    let z = net.b.reshape(z, [1, 4, 2])?;
    let z = net.b.transpose(z, [1, 0, 2])?;
    net.output(y);
    net.output(z);
    Ok(())
}

fn common(net: &mut Net) -> Result<()> {
    let x = net.input([1, 2])?;
    let mut sum = x;
    for name in ["left", "right"] {
        let c = net.name(name).numbers([2], &[1.0, 2.0])?;
        let y = net.binary(Binary::Mul, x, c)?;
        let y = net.relu(y)?;
        sum = net.name("sum").binary(Binary::Add, sum, y)?;
    }
    net.output(sum);
    Ok(())
}

fn sink_channels_first(net: &mut Net) -> Result<()> {
    let x = net.input([1, 2, 4, 4])?;
    let last = net.name("conv").b.transpose(x, [0, 2, 3, 1])?;
    let y = net.conv(last, 2, same(3))?;
    let y = net.b.transpose(y, [0, 3, 1, 2])?;
    let y = net.name("norm").norm_of(y, 2, 2)?;
    let y = net.name("relu").relu(y)?;
    let gate = net.name("gate").mean(y, &[2, 3])?;
    let y = net.binary(Binary::Mul, y, gate)?;
    let last = net.name("conv2").b.transpose(y, [0, 2, 3, 1])?;
    let z = net.conv(last, 2, same(3))?;
    let z = net.b.transpose(z, [0, 3, 1, 2])?;
    let sum = net.name("sum").binary(Binary::Add, y, z)?;
    net.output(sum);
    Ok(())
}

fn sink_reshape(net: &mut Net) -> Result<()> {
    let x = net.input([1, 1, 4, 2])?;
    let y = net.name("line").b.reshape(x, [1, 4, 2])?;
    let channels = net.numbers([2], &[1.0, 2.0])?;
    let y = net.binary(Binary::Add, y, channels)?;
    let positions = net.name("positions").numbers([4, 1], &[1.0, 2.0, 3.0, 4.0])?;
    let y = net.binary(Binary::Mul, y, positions)?;
    let y = net.name("image").b.reshape(y, [1, 2, 2, 2])?;
    net.output(y);
    Ok(())
}

fn sink_flatten(net: &mut Net) -> Result<()> {
    let x = net.input([1, 2, 3, 2])?;
    let x = net.name("conv").b.transpose(x, [0, 3, 1, 2])?;
    let flat = net.name("flatten").b.reshape(x, [1, 12])?;
    let y = net.name("dense").dense(flat, 2)?;
    net.output(y);
    Ok(())
}

fn sink_concat(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 2])?;
    let a = net.name("a").conv(x, 1, same(1))?;
    let b = net.name("b").conv(x, 2, same(3))?;
    let y = net.name("concat").b.concat(3, &[a, b])?;
    let scale = net.name("scale").numbers([3], &[1.0, 2.0, 3.0])?;
    let y = net.binary(Binary::Mul, y, scale)?;
    net.output(y);
    Ok(())
}

fn sink_pad(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 2])?;
    let y = net.name("pad").pad(x, 1, 0.0)?;
    let y = net.name("exp").b.map(Tape::unary(Unary::Exp), &[y])?;
    net.output(y);
    Ok(())
}

fn sink_pad_moves(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 2])?;
    let pads = vec![(0, 0), (2, 1), (0, 0)];
    let y = net.name("pad").b.add(Pad { pads, value: 0.0 }, &[x])?;
    let y = net.name("crop").b.slice(y, 1, 1, 4)?;
    let y = net.name("image").b.reshape(y, [1, 1, 4, 2])?;
    net.output(y);
    Ok(())
}

fn merge_pads(net: &mut Net) -> Result<()> {
    let x = net.input([1, 6, 6, 2])?;
    let x = net.name("pad").pad(x, 1, 0.0)?;
    let a = net.name("conv").conv(x, 2, same(3))?;
    let b = net.name("depthwise").depthwise(x, valid(3))?;
    let c = net.name("max").pool(x, PoolKind::Max, valid(2))?;
    let d = net.name("average").pool(x, PoolKind::Average, same(3))?;
    let infinite = net.name("infinite").pad(x, 1, f32::NEG_INFINITY)?;
    let e = net.name("max2").pool(infinite, PoolKind::Max, valid(3))?;
    for y in [a, b, c, d, e] {
        net.output(y);
    }
    Ok(())
}

fn merge_strides(net: &mut Net) -> Result<()> {
    let x = net.input([1, 5, 5, 2])?;
    let every_second = WindowAxis {
        stride: 2,
        ..WindowAxis::new(1)
    };
    let y = net.name("pool").pool(x, PoolKind::Average, [every_second; 2])?;
    let a = net.name("conv").conv(y, 2, valid(1))?;
    net.output(a);
    let y = net.name("other").pool(x, PoolKind::Max, [every_second; 2])?;
    let a = net.name("wide").conv(y, 2, valid(2))?;
    net.output(a);
    Ok(())
}

fn scale_before(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 1])?;
    let y = net.name("conv").conv(x, 2, same(1))?;
    let y = net.name("norm").norm(y)?;
    let y = net.name("depthwise").depthwise(y, same(1))?;
    let y = net
        .name("half")
        .b
        .map(Tape::binary_const(Binary::Mul, 0.5), &[y])?;
    net.output(y);
    Ok(())
}

fn scale_before_concat(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 1])?;
    let a = net.name("a").conv(x, 1, same(1))?;
    let b = net.name("b").conv(x, 1, same(1))?;
    let y = net.name("concat").b.concat(3, &[a, b])?;
    let y = net.name("norm").norm(y)?;
    net.output(y);
    Ok(())
}

fn scale_before_reshape(net: &mut Net) -> Result<()> {
    let x = net.input([1, 1])?;
    let y = net.name("dense").dense(x, 4)?;
    let y = net.name("reshape").b.reshape(y, [1, 2, 1, 2])?;
    let y = net.name("norm").norm(y)?;
    net.output(y);
    Ok(())
}

fn scale_after(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 2])?;
    let x = net.name("norm").norm(x)?;
    let a = net.name("a").conv(x, 1, valid(1))?;
    let b = net.name("b").depthwise(x, valid(1))?;
    net.output(a);
    net.output(b);
    Ok(())
}

fn scale_after_flatten(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 2, 2])?;
    let x = net.name("relu").relu(x)?;
    let x = net.name("norm").norm(x)?;
    let x = net.name("pool").pool(x, PoolKind::Average, valid(2))?;
    let x = net.name("flatten").b.reshape(x, [1, 6])?;
    let x = net.name("dense").dense(x, 1)?;
    net.output(x);
    Ok(())
}

fn scale_after_mean(net: &mut Net) -> Result<()> {
    let x = net.input([1, 2, 2, 2])?;
    let x = net.name("relu").relu(x)?;
    let x = net.name("norm").norm(x)?;
    let op = Reduce {
        kind: ReduceKind::Sum,
        axes: vec![1, 2],
        epilogue: Tape::binary_const(Binary::Mul, 0.25),
    };
    let x = net.name("mean").b.add(op, &[x])?;
    let x = net.b.reshape(x, [1, 2])?;
    let x = net.name("dense").dense(x, 2)?;
    net.output(x);
    Ok(())
}

fn scale_shared_weights(net: &mut Net) -> Result<()> {
    let weights = net.name("conv").weights([1, 1, 64, 65])?;
    for _ in 0..2 {
        let x = net.input([1, 2, 2, 64])?;
        let op = Conv {
            window: valid(1),
            groups: 1,
            bias: false,
            epilogue: Tape::identity(),
        };
        let y = net.name("conv").b.add(op, &[x, weights])?;
        let scale = net
            .name("scale")
            .b
            .constant(Tensor::f32([65], (0..65).map(|c| c as f32).collect::<Vec<_>>())?)?;
        let y = net.binary(Binary::Mul, y, scale)?;
        let shift = net.name("shift").weights([65])?;
        let y = net.binary(Binary::Add, y, shift)?;
        net.output(y);
    }
    Ok(())
}

fn scale_padded(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 2])?;
    let x = net.name("norm").norm(x)?;
    let y = net.name("conv").conv(x, 2, same(3))?;
    net.output(y);
    Ok(())
}

fn scale_shared(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 1])?;
    let x = net.name("conv").conv(x, 2, same(1))?;
    let y = net.name("norm").norm(x)?;
    let y = net.name("relu").relu(y)?;
    let y = net.name("norm2").norm(y)?;
    net.output(y);
    net.output(x);
    Ok(())
}

fn fuse_maps(net: &mut Net) -> Result<()> {
    let x = net.input([1, 2, 2, 2])?;
    let half = net.name("scale").b.constant(Tensor::scalar(0.5))?;
    let y = net.binary(Binary::Mul, x, half)?;
    let uniform = net.name("shift").numbers([2], &[3.0, 3.0])?;
    let y = net.binary(Binary::Add, y, uniform)?;
    let y = net.name("silu").silu(y)?;
    let y = net.name("residual").binary(Binary::Sub, y, x)?;
    let twice = net.name("max").binary(Binary::Max, y, y)?;
    net.output(twice);
    Ok(())
}

fn fuse_maps_cheap(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4])?;
    let mean = net.name("mean").mean(x, &[2])?;
    let centred = net.name("centred").binary(Binary::Sub, x, mean)?;
    let square = net.name("square").binary(Binary::Mul, centred, centred)?;
    let variance = net.name("variance").mean(square, &[2])?;
    let deviation = net
        .name("deviation")
        .b
        .map(Tape::unary(Unary::Sqrt), &[variance])?;
    let y = net.name("norm").binary(Binary::Div, centred, deviation)?;
    let gamma = net.name("gamma").weights([4])?;
    let y = net.binary(Binary::Mul, y, gamma)?;
    net.output(y);
    Ok(())
}

fn fuse_maps_missed(net: &mut Net) -> Result<()> {
    let x = net.input([1, 2, 2, 2])?;
    let row = net.name("row").b.input("row", TensorType::f32([2]))?;
    let small = net.name("small").silu(row)?;
    let shared = net.name("shared").relu(x)?;
    let a = net.name("a").binary(Binary::Mul, shared, small)?;
    let b = net.name("b").silu(shared)?;
    net.output(a);
    net.output(b);
    Ok(())
}

fn epilogue_residual(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 2])?;
    let shortcut = net.name("shortcut").conv(x, 2, same(1))?;
    let y = net.name("first").conv(x, 2, same(3))?;
    let y = net.name("relu").relu(y)?;
    let y = net.name("second").conv(y, 2, same(3))?;
    let y = net.name("sum").binary(Binary::Add, shortcut, y)?;
    let y = net.name("last").relu(y)?;
    net.output(y);
    Ok(())
}

fn epilogue_missed(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 2])?;
    let y = net.name("conv").conv(x, 2, same(1))?;
    let gate = net.name("mean").mean(y, &[1, 2])?;
    let z = net.name("gate").binary(Binary::Mul, y, gate)?;
    net.output(z);
    Ok(())
}

fn residual_network(net: &mut Net) -> Result<()> {
    let x = net.input([1, 8, 8, 3])?;
    let x = net.name("conv1_pad").pad(x, 1, 0.0)?;
    let x = net.name("conv1").conv(x, 4, valid(3))?;
    let x = net.name("conv1_bn").norm(x)?;
    let x = net.name("conv1_relu").relu(x)?;
    let x = net.name("pool1_pad").pad(x, 1, 0.0)?;
    let x = net.name("pool1").pool(
        x,
        PoolKind::Max,
        [WindowAxis {
            stride: 2,
            ..WindowAxis::new(3)
        }; 2],
    )?;
    let shortcut = net.name("block_0").conv(x, 8, same(1))?;
    let shortcut = net.name("block_0_bn").norm(shortcut)?;
    let y = net.name("block_1").conv(x, 4, same(3))?;
    let y = net.name("block_1_bn").norm(y)?;
    let y = net.name("block_1_relu").relu(y)?;
    let y = net.name("block_2").conv(y, 8, same(1))?;
    let y = net.name("block_2_bn").norm(y)?;
    let y = net.name("block_add").binary(Binary::Add, shortcut, y)?;
    let y = net.name("block_out").relu(y)?;
    let y = net.name("avg_pool").mean(y, &[1, 2])?;
    let y = net.b.reshape(y, [1, 8])?;
    let y = net.name("predictions").dense(y, 3)?;
    let y = net.b.map(Tape::unary(Unary::Tanh), &[y])?;
    net.output(y);
    Ok(())
}

fn preactivation_network(net: &mut Net) -> Result<()> {
    let x = net.input([1, 8, 8, 4])?;
    let mut x = net.name("stem").conv(x, 4, same(3))?;
    for block in ["a", "b"] {
        let y = net.name(&format!("{block}_preact_bn")).norm(x)?;
        let y = net.name(&format!("{block}_preact_relu")).relu(y)?;
        let z = net.name(&format!("{block}_1")).conv(y, 2, same(1))?;
        let z = net.name(&format!("{block}_1_bn")).norm(z)?;
        let z = net.name(&format!("{block}_1_relu")).relu(z)?;
        let z = net.name(&format!("{block}_2_pad")).pad(z, 1, 0.0)?;
        let z = net.name(&format!("{block}_2")).conv(z, 4, valid(3))?;
        x = net.name(&format!("{block}_out")).binary(Binary::Add, x, z)?;
    }
    let y = net.name("post_bn").norm(x)?;
    let y = net.name("post_relu").relu(y)?;
    net.output(y);
    Ok(())
}

fn mobile_network(net: &mut Net) -> Result<()> {
    let x = net.input([1, 8, 8, 2])?;
    let y = net.name("expand").conv(x, 4, same(1))?;
    let y = net.name("expand_bn").norm(y)?;
    let y = net.name("expand_swish").silu(y)?;
    let y = net.name("depthwise").depthwise(y, same(3))?;
    let y = net.name("depthwise_bn").norm(y)?;
    let y = net.name("depthwise_swish").silu(y)?;
    let gate = net.name("se_squeeze").mean(y, &[1, 2])?;
    let gate = net.b.reshape(gate, [1, 4])?;
    let gate = net.b.reshape(gate, [1, 1, 1, 4])?;
    let gate = net.name("se_reduce").conv(gate, 2, same(1))?;
    let gate = net.silu(gate)?;
    let gate = net.name("se_expand").conv(gate, 4, same(1))?;
    let gate = net.b.map(Tape::unary(Unary::Tanh), &[gate])?;
    let y = net.name("se_excite").binary(Binary::Mul, y, gate)?;
    let y = net.name("project").conv(y, 2, same(1))?;
    let y = net.name("project_bn").norm(y)?;
    let y = net.name("drop").b.map(Tape::identity(), &[y])?;
    let y = net.name("add").binary(Binary::Add, y, x)?;
    net.output(y);
    Ok(())
}

fn channels_first_network(net: &mut Net) -> Result<()> {
    let x = net.input([1, 3, 8, 8])?;
    let mut x = x;
    for layer in ["conv1", "conv2"] {
        let last = net.name(layer).b.transpose(x, [0, 2, 3, 1])?;
        let y = net.conv(last, 3, same(3))?;
        let y = net.b.transpose(y, [0, 3, 1, 2])?;
        let y = net.name(&format!("{layer}_bn")).norm_of(y, 3, 2)?;
        let y = net.name(&format!("{layer}_relu")).relu(y)?;
        x = net.name(&format!("{layer}_concat")).b.concat(1, &[x, y])?;
    }
    let last = net.name("pool").b.transpose(x, [0, 2, 3, 1])?;
    let y = net.pool(last, PoolKind::Average, valid(4))?;
    let y = net.b.transpose(y, [0, 3, 1, 2])?;
    let y = net.name("flatten").b.reshape(y, [1, 225])?;
    let y = net.name("dense").dense(y, 2)?;
    net.output(y);
    Ok(())
}

fn transposed_network(net: &mut Net) -> Result<()> {
    let x = net.input([1, 4, 4, 2])?;
    let y = net.name("transposed").conv(x, 8, same(2))?;
    let y = net.b.reshape(y, [1, 4, 4, 2, 2, 2])?;
    let y = net.b.transpose(y, [0, 1, 3, 2, 4, 5])?;
    let y = net.b.reshape(y, [1, 8, 8, 2])?;
    let y = net.b.slice(y, 1, 1, 7)?;
    let y = net.name("norm").norm(y)?;
    let y = net.name("relu").relu(y)?;
    net.output(y);
    Ok(())
}

fn line_network(net: &mut Net) -> Result<()> {
    let x = net.input([1, 8, 2])?;
    let line = |size| {
        [
            WindowAxis::new(1),
            WindowAxis {
                before: size - 1,
                ..WindowAxis::new(size)
            },
        ]
    };
    let mut x = x;
    for layer in ["conv1", "conv2"] {
        let image = net.name(layer).b.reshape(x, [1, 1, 8, 2])?;
        let y = net.conv(image, 2, line(3))?;
        let y = net.b.reshape(y, [1, 8, 2])?;
        let bias = net.weights([2])?;
        let y = net.binary(Binary::Add, y, bias)?;
        let y = net.name(&format!("{layer}_relu")).relu(y)?;
        x = net.name(&format!("{layer}_add")).binary(Binary::Add, x, y)?;
    }
    let y = net.name("mean").mean(x, &[1])?;
    let y = net.b.reshape(y, [1, 2])?;
    net.output(y);
    Ok(())
}

fn recurrent_network(net: &mut Net) -> Result<()> {
    let x = net.input([3, 2])?;
    let carry = net.name("rnn").numbers([1, 2], &[0.0, 0.0])?;
    let mut body = crate::graph::Graph::new();
    let mut step = Net {
        b: crate::graph::Builder::new(&mut body, "step"),
        random: super::random::Random::new(3),
    };
    let h = step.b.input("h", TensorType::f32([1, 2]))?;
    let slice = step.b.input("slice", TensorType::f32([2]))?;
    let row = step.b.reshape(slice, [1, 2])?;
    let product = step.dense(h, 2)?;
    let sum = step.binary(Binary::Add, row, product)?;
    let next = step.b.map(tapes::silu(), &[sum])?;
    body.add_output("h", next);
    let scan = Scan {
        body: Arc::new(body),
        steps: 3,
        carries: 1,
        scanned: 1,
        reverse: false,
    };
    let last = net.b.add(scan, &[carry, x])?;
    let last = net.b.project(last, 0)?;
    net.output(last);
    Ok(())
}
