//! Random graphs of everything that the passes look at, from a seed.

use super::tapes;
use crate::error::Result;
use crate::graph::{Builder, Graph, NodeId};
use crate::ops::{
    Concat, Conv, Gather, MatMul, Pad, Pool, PoolKind, PoolPadding, ReduceKind, Scan, Slice, WindowAxis,
};
use crate::pointwise::{Binary, Tape, Unary};
use crate::tensor::{Shape, Tensor, TensorType};
use std::sync::Arc;

/// A linear congruential generator (Knuth's MMIX constants), the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.below(2);
        random
    }
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n as u64) as usize
    }
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
    /// Between -1 and 1.
    pub fn number(&mut self) -> f32 {
        self.below(2001) as f32 / 1000.0 - 1.0
    }
    pub fn tensor(&mut self, dims: impl Into<Shape>) -> Tensor {
        let shape = dims.into();
        let data: Vec<f32> = (0..shape.count()).map(|_| self.number()).collect();
        Tensor::f32(shape, data).expect("the elements fill the shape")
    }
}

/// A random graph and inputs for it.
pub fn graph(seed: u64) -> (Graph, Vec<Tensor>) {
    let mut graph = Graph::new();
    let mut maker = Maker {
        random: Random::new(seed),
        b: Builder::new(&mut graph, ""),
        images: Vec::new(),
    };
    let inputs = maker.build().expect("random graphs are well formed");
    (graph, inputs)
}

struct Maker<'g> {
    random: Random,
    b: Builder<'g>,
    /// Values of rank 4.
    images: Vec<NodeId>,
}

impl Maker<'_> {
    fn build(&mut self) -> Result<Vec<Tensor>> {
        let mut inputs = Vec::new();
        for i in 0..1 + self.random.below(2) {
            let dims = [
                1,
                4 + self.random.below(3),
                4 + self.random.below(3),
                1 + self.random.below(4),
            ];
            let id = self.b.input(format!("input{i}"), TensorType::f32(dims))?;
            inputs.push(self.random.tensor(dims));
            self.images.push(id);
        }
        for layer in 0..3 + self.random.below(10) {
            self.b.name = format!("layer{layer}");
            let x = self.choose();
            let y = self.layer(x)?;
            self.images.push(y);
        }
        let last = *self.images.last().unwrap_or(&self.images[0]);
        self.b.name = "head".into();
        let head = self.head(last)?;
        self.b.graph.add_output("head", head);
        for i in 0..self.random.below(3) {
            let id = self.choose();
            self.b.graph.add_output(format!("output{i}"), id);
        }
        Ok(inputs)
    }

    /// Mostly the latest value, so that chains arise.
    fn choose(&mut self) -> NodeId {
        let all = self.images.len();
        let newest = if self.random.chance(75) { 1 } else { all };
        self.images[all - 1 - self.random.below(newest)]
    }

    fn dims(&self, x: NodeId) -> [usize; 4] {
        self.b.shape(x).dims().try_into().expect("rank 4")
    }

    fn constant(&mut self, dims: impl Into<Shape>) -> Result<NodeId> {
        let tensor = self.random.tensor(dims);
        self.b.constant(tensor)
    }

    fn layer(&mut self, x: NodeId) -> Result<NodeId> {
        match self.random.below(22) {
            0..=2 => self.conv(x),
            3 => self.depthwise(x),
            4..=6 => self.norm(x),
            7..=8 => self.activation(x),
            9 => self.pad(x),
            10 => self.pool(x),
            11..=12 => self.merge(x),
            13 => self.excite(x),
            14 => self.channels_first(x),
            15 => self.reshaped(x),
            16 => self.slice(x),
            17 => self.layer_norm(x),
            18 => self.upsample(x),
            19 => self.turned(x),
            // Rarely: large weights are slow to evaluate.
            20 if self.random.chance(15) => self.twins(x),
            _ => self.dense(x),
        }
    }

    fn axis(&mut self, input: usize) -> WindowAxis {
        let size = 1 + self.random.below(3.min(input));
        WindowAxis {
            size,
            stride: 1 + self.random.below(2),
            dilation: if 2 * size <= input {
                1 + self.random.below(2)
            } else {
                1
            },
            before: if self.random.chance(40) {
                self.random.below(size)
            } else {
                0
            },
            after: if self.random.chance(40) {
                self.random.below(size)
            } else {
                0
            },
        }
    }

    fn bias(&mut self, channels: usize) -> Result<Option<NodeId>> {
        if self.random.chance(50) {
            self.constant([channels]).map(Some)
        } else {
            Ok(None)
        }
    }

    fn conv(&mut self, x: NodeId) -> Result<NodeId> {
        let [_, h, w, ci] = self.dims(x);
        let groups = if ci % 2 == 0 && self.random.chance(30) {
            2
        } else {
            1
        };
        let co = groups * (1 + self.random.below(3));
        let window = [self.axis(h), self.axis(w)];
        let weights = self.constant([window[0].size, window[1].size, ci / groups, co])?;
        let bias = self.bias(co)?;
        let inputs: Vec<_> = [x, weights].into_iter().chain(bias).collect();
        let op = Conv {
            window,
            groups,
            bias: bias.is_some(),
            epilogue: Tape::identity(),
        };
        self.b.add(op, &inputs)
    }

    fn depthwise(&mut self, x: NodeId) -> Result<NodeId> {
        let [_, h, w, c] = self.dims(x);
        let window = [self.axis(h), self.axis(w)];
        let weights = self.constant([window[0].size, window[1].size, 1, c])?;
        let bias = self.bias(c)?;
        let inputs: Vec<_> = [x, weights].into_iter().chain(bias).collect();
        let op = Conv {
            window,
            groups: c,
            bias: bias.is_some(),
            epilogue: Tape::identity(),
        };
        self.b.add(op, &inputs)
    }

    /// Batch normalisation, also of other axes; or a scale and shift of few operands.
    fn norm(&mut self, x: NodeId) -> Result<NodeId> {
        let dims = self.dims(x);
        let axis = if self.random.chance(85) {
            3
        } else {
            self.random.below(4)
        };
        let mut shape = vec![1; 4 - axis];
        shape[0] = dims[axis];
        match self.random.below(4) {
            0 => {
                let operand = self.constant(shape)?;
                let op = self.random.pick(&[Binary::Add, Binary::Sub, Binary::Mul]);
                self.b.map(Tape::binary(op), &[x, operand])
            }
            1 => {
                let operands = [self.constant(shape.clone())?, self.constant(shape)?];
                self.b.map(tapes::affine(), &[x, operands[0], operands[1]])
            }
            _ => {
                let [gamma, beta, mean] = [
                    self.constant(shape.clone())?,
                    self.constant(shape.clone())?,
                    self.constant(shape.clone())?,
                ];
                let positive: Vec<f32> = (0..dims[axis])
                    .map(|_| self.random.number().abs() + 0.1)
                    .collect();
                let variance = self.b.constant(Tensor::f32(shape, positive)?)?;
                self.b.map(tapes::normalise(), &[x, gamma, beta, mean, variance])
            }
        }
    }

    fn activation(&mut self, x: NodeId) -> Result<NodeId> {
        match self.random.below(5) {
            0..=1 => self.b.map(tapes::relu(), &[x]),
            2 => self.b.map(tapes::silu(), &[x]),
            3 => {
                let half = self.b.constant(Tensor::scalar(0.5))?;
                self.b.map(Tape::binary(Binary::Mul), &[x, half])
            }
            _ => self.b.map(Tape::identity(), &[x]),
        }
    }

    fn pad(&mut self, x: NodeId) -> Result<NodeId> {
        let mut pads = vec![(0, 0); 4];
        for pad in &mut pads[1..3] {
            *pad = (self.random.below(3), self.random.below(2));
        }
        if self.random.chance(20) {
            pads[3] = (self.random.below(2), 0);
        }
        let value = self.random.pick(&[0.0, 0.0, 0.0, 0.5]);
        let padded = self.b.add(Pad { pads, value }, &[x])?;
        if self.random.chance(50) {
            self.layer(padded)
        } else {
            Ok(padded)
        }
    }

    fn pool(&mut self, x: NodeId) -> Result<NodeId> {
        if self.random.chance(20) {
            let op = Pool {
                kind: PoolKind::Max,
                window: [WindowAxis {
                    stride: 2,
                    ..WindowAxis::new(1)
                }; 2],
                padding: PoolPadding::Exclude,
                epilogue: Tape::identity(),
            };
            let y = self.b.add(op, &[x])?;
            return self.pointwise_conv(y);
        }
        let [_, h, w, _] = self.dims(x);
        let window = [self.axis(h), self.axis(w)].map(|axis| WindowAxis { dilation: 1, ..axis });
        let kind = self.random.pick(&[PoolKind::Max, PoolKind::Average]);
        let pads = [h, w].map(|extent| usize::from(extent > 0 && self.random.chance(50)));
        let fits = window[0].size > pads[0] && window[1].size > pads[1];
        let x = if kind == PoolKind::Max && fits && self.random.chance(30) {
            let pads = vec![(0, 0), (pads[0], 0), (0, pads[1]), (0, 0)];
            let value = f32::NEG_INFINITY;
            self.b.add(Pad { pads, value }, &[x])?
        } else {
            x
        };
        let op = Pool {
            kind,
            window,
            padding: self.random.pick(&[PoolPadding::Exclude, PoolPadding::Zero]),
            epilogue: Tape::identity(),
        };
        self.b.add(op, &[x])
    }

    /// A sum of two equal shapes, else a concatenation, as far as some other value fits.
    fn merge(&mut self, x: NodeId) -> Result<NodeId> {
        let dims = self.dims(x);
        let others: Vec<_> = self
            .images
            .iter()
            .copied()
            .filter(|&y| self.dims(y)[..3] == dims[..3])
            .collect();
        if others.is_empty() {
            return self.activation(x);
        }
        let y = self.random.pick(&others);
        if self.dims(y) == dims && self.random.chance(60) {
            let op = self.random.pick(&[Binary::Add, Binary::Mul, Binary::Max]);
            self.b.map(Tape::binary(op), &[x, y])
        } else if self.random.chance(50) {
            self.b.concat(3, &[x, y])
        } else {
            // Branches of their own, so that scales can be folded through the concatenation.
            let (x, y) = (self.pointwise_conv(x)?, self.pointwise_conv(y)?);
            self.b.add(Concat { axis: 3 }, &[x, y])
        }
    }

    fn pointwise_conv(&mut self, x: NodeId) -> Result<NodeId> {
        let weights = self.constant([1, 1, self.dims(x)[3], 2])?;
        let op = Conv {
            window: [WindowAxis::new(1); 2],
            groups: 1,
            bias: false,
            epilogue: Tape::identity(),
        };
        self.b.add(op, &[x, weights])
    }

    /// Squeeze and excitation.
    fn excite(&mut self, x: NodeId) -> Result<NodeId> {
        let [_, h, w, c] = self.dims(x);
        let sum = self.b.reduce(ReduceKind::Sum, [1, 2], x)?;
        let mean = self
            .b
            .map(Tape::binary_const(Binary::Mul, 1.0 / (h * w) as f32), &[sum])?;
        let flat = self.b.reshape(mean, [1, c])?;
        let weights = self.constant([c, c])?;
        let dense = MatMul {
            bias: false,
            epilogue: Tape::identity(),
        };
        let dense = self.b.add(dense, &[flat, weights])?;
        let gate = self.b.map(Tape::unary(Unary::Tanh), &[dense])?;
        let gate = self.b.reshape(gate, [1, 1, 1, c])?;
        self.b.map(Tape::binary(Binary::Mul), &[x, gate])
    }

    /// Layers of a network with channels first, each with its own transposes.
    fn channels_first(&mut self, x: NodeId) -> Result<NodeId> {
        let mut x = self.b.transpose(x, [0, 3, 1, 2])?;
        for _ in 0..1 + self.random.below(3) {
            let dims = self.dims(x);
            x = match self.random.below(5) {
                0 => {
                    let operands = [
                        self.constant([dims[1], 1, 1])?,
                        self.constant([1, dims[1], 1, 1])?,
                    ];
                    self.b.map(tapes::affine(), &[x, operands[0], operands[1]])?
                }
                1 => {
                    let sum = self.b.reduce(ReduceKind::Sum, [2, 3], x)?;
                    self.b.map(Tape::binary(Binary::Mul), &[x, sum])?
                }
                2 => {
                    let other = self.b.map(tapes::relu(), &[x])?;
                    self.b.concat(1, &[x, other])?
                }
                3 => {
                    let indices = self.b.constant(Tensor::i32([3], vec![0, 1, -1])?)?;
                    self.b.add(
                        Gather {
                            axis: 2,
                            negative: false,
                        },
                        &[x, indices],
                    )?
                }
                _ => {
                    let last = self.b.transpose(x, [0, 2, 3, 1])?;
                    let y = self.conv(last)?;
                    self.b.transpose(y, [0, 3, 1, 2])?
                }
            };
        }
        self.b.transpose(x, [0, 2, 3, 1])
    }

    /// As one-dimensional layers: a convolution and a map with reshapes around them.
    fn reshaped(&mut self, x: NodeId) -> Result<NodeId> {
        let [n, h, w, _] = self.dims(x);
        let line = self.pointwise_conv(x)?;
        let line = self.b.reshape(line, [n, h * w, 2])?;
        let operand = match self.random.below(4) {
            0 => self.constant([2])?,
            1 => self.constant([n, h * w, 2])?,
            2 => self.constant([h * w, 1])?,
            _ => self.constant([1, 1, 1])?,
        };
        let op = self.random.pick(&[Binary::Add, Binary::Mul, Binary::Max]);
        let line = self.b.map(Tape::binary(op), &[line, operand])?;
        self.b.reshape(line, [n, h, w, 2])
    }

    fn layer_norm(&mut self, x: NodeId) -> Result<NodeId> {
        let sum = self.b.reduce(ReduceKind::Sum, [3], x)?;
        let mean = self.b.map(
            Tape::binary_const(Binary::Mul, 1.0 / self.dims(x)[3] as f32),
            &[sum],
        )?;
        let centred = self.b.map(Tape::binary(Binary::Sub), &[x, mean])?;
        let square = self.b.map(Tape::binary(Binary::Mul), &[centred, centred])?;
        let variance = self.b.reduce(ReduceKind::Sum, [3], square)?;
        let more = self.b.map(Tape::binary_const(Binary::Add, 1.0), &[variance])?;
        let deviation = self.b.map(Tape::unary(Unary::Sqrt), &[more])?;
        self.b.map(Tape::binary(Binary::Div), &[centred, deviation])
    }

    /// Repeats rows, then a function.
    fn upsample(&mut self, x: NodeId) -> Result<NodeId> {
        let h = self.dims(x)[1] as i32;
        let indices: Vec<i32> = (0..2 * h).map(|i| i / 2).collect();
        let indices = self.b.constant(Tensor::i32([2 * h as usize], indices)?)?;
        let y = self.b.add(
            Gather {
                axis: 1,
                negative: false,
            },
            &[x, indices],
        )?;
        let y = if self.random.chance(50) { self.norm(y)? } else { y };
        let y = self.activation(y)?;
        let rows: Vec<i32> = (0..h).collect();
        let rows = self.b.constant(Tensor::i32([h as usize], rows)?)?;
        self.b.add(
            Gather {
                axis: 1,
                negative: false,
            },
            &[y, rows],
        )
    }

    /// A product, a slice or a padding of transposed values.
    fn turned(&mut self, x: NodeId) -> Result<NodeId> {
        let perm = self
            .random
            .pick(&[[0, 2, 1, 3], [0, 3, 1, 2], [0, 2, 3, 1], [0, 3, 2, 1]]);
        let y = self.b.transpose(x, perm)?;
        let y = match self.random.below(4) {
            0 => self.pad(y)?,
            1 => self.slice(y)?,
            2 => {
                let weights = self.constant([self.dims(y)[3], 2])?;
                let op = MatMul {
                    bias: false,
                    epilogue: Tape::identity(),
                };
                self.b.add(op, &[y, weights])?
            }
            _ => self.dense(y)?,
        };
        let y = self.norm(y)?;
        let back = self.random.pick(&[[0, 2, 1, 3], [0, 3, 1, 2], [0, 2, 3, 1]]);
        self.b.transpose(y, back)
    }

    /// Two convolutions with the same large weights, and scales that may differ.
    fn twins(&mut self, x: NodeId) -> Result<NodeId> {
        let c = self.dims(x)[3];
        let wide = 4100 / c;
        let weights = self.constant([1, 1, c, wide])?;
        let scale = self.constant([wide])?;
        let other = if self.random.chance(50) {
            scale
        } else {
            self.constant([wide])?
        };
        let mut parts = Vec::new();
        for (input, scale) in [(x, scale), (self.choose(), other)] {
            let input = if self.dims(input) == self.dims(x) {
                input
            } else {
                self.activation(x)?
            };
            let op = Conv {
                window: [WindowAxis::new(1); 2],
                groups: 1,
                bias: false,
                epilogue: Tape::identity(),
            };
            let y = self.b.add(op, &[input, weights])?;
            let y = self.b.map(Tape::binary(Binary::Mul), &[y, scale])?;
            let start = self.random.below(wide - 2);
            parts.push(self.b.slice(y, 3, start, 2)?);
        }
        self.b.concat(3, &parts)
    }

    fn slice(&mut self, x: NodeId) -> Result<NodeId> {
        let shape = self.b.shape(x).clone();
        let axis = 1 + self.random.below(3);
        let extent = shape[axis];
        let start = self.random.below(extent);
        let size = 1 + self.random.below(extent - start);
        let mut slice = Slice::along(&shape, axis, start, size);
        if self.random.chance(30) {
            slice.starts[axis] = start + size - 1;
            slice.steps[axis] = -1;
        }
        self.b.add(slice, &[x])
    }

    /// A product over the last axis, or over all, with other names for what is the same.
    fn dense(&mut self, x: NodeId) -> Result<NodeId> {
        let dims = self.dims(x);
        let whole = self.random.chance(50);
        let k = if whole {
            dims[1] * dims[2] * dims[3]
        } else {
            dims[3]
        };
        let input = if whole {
            self.b.reshape(x, [dims[0], k])?
        } else {
            x
        };
        let n = 2 + self.random.below(3);
        let weights = self.constant([k, n])?;
        let bias = self.bias(n)?;
        let inputs: Vec<_> = [input, weights].into_iter().chain(bias).collect();
        let op = MatMul {
            bias: bias.is_some(),
            epilogue: Tape::identity(),
        };
        let y = self.b.add(op, &inputs)?;
        if whole {
            self.b.reshape(y, [dims[0], 1, 1, n])
        } else {
            Ok(y)
        }
    }

    /// What networks end with: softmax, or a recurrence over the rows.
    fn head(&mut self, x: NodeId) -> Result<NodeId> {
        let [_, h, w, c] = self.dims(x);
        if self.random.chance(20) {
            let rows = self.b.reshape(x, [h, w * c])?;
            let zero = self.b.constant(Tensor::splat([w * c], 0.0))?;
            let scan = Scan {
                body: Arc::new(self.body(w * c)?),
                steps: h,
                carries: 1,
                scanned: 1,
                reverse: self.random.chance(50),
            };
            return self
                .b
                .add(scan, &[zero, rows])
                .and_then(|scan| self.b.project(scan, 0));
        }
        if self.random.chance(30) {
            let sum = self.b.reduce(ReduceKind::Sum, [1, 2], x)?;
            let mean = self
                .b
                .map(Tape::binary_const(Binary::Mul, 1.0 / (h * w) as f32), &[sum])?;
            let flat = self.b.reshape(mean, [1, 1, 1, c])?;
            return self.dense(flat);
        }
        if self.random.chance(50) {
            return Ok(x);
        }
        // Differences of large numbers would have no correct digits.
        let x = self.b.map(Tape::unary(Unary::Tanh), &[x])?;
        let max = self.b.reduce(ReduceKind::Max, [3], x)?;
        let centred = self.b.map(Tape::binary(Binary::Sub), &[x, max])?;
        let exp = self.b.map(Tape::unary(Unary::Exp), &[centred])?;
        let sum = self.b.reduce(ReduceKind::Sum, [3], exp)?;
        self.b.map(Tape::binary(Binary::Div), &[exp, sum])
    }

    /// `tanh(carry * 0.5 + weights · x)`, with something superfluous.
    fn body(&mut self, width: usize) -> Result<Graph> {
        let weights = self.random.tensor([width, width]);
        let mut body = Graph::new();
        let mut b = Builder::new(&mut body, "step");
        let carry = b.input("carry", TensorType::f32([width]))?;
        let x = b.input("x", TensorType::f32([width]))?;
        let row = b.reshape(x, [1, width])?;
        let weights = b.constant(weights)?;
        let op = MatMul {
            bias: false,
            epilogue: Tape::identity(),
        };
        let product = b.add(op, &[row, weights])?;
        let flat = b.reshape(product, [width])?;
        let half = b.map(Tape::binary_const(Binary::Mul, 0.5), &[carry])?;
        b.map(tapes::silu(), &[half])?;
        let sum = b.map(Tape::binary(Binary::Add), &[half, flat])?;
        let next = b.map(Tape::unary(Unary::Tanh), &[sum])?;
        body.add_output("next", next);
        Ok(body)
    }
}
