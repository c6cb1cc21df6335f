//! From nodes to steps whose arguments are still buffers, not addresses.

use super::Weights;
use super::layout::{Layout, Place, Places};
use super::methods::{self, Decision, Methods};
use super::step::{Argument, BufferId, KernelId, Run, Space, Step};
use super::target::{Packed, Target};
use super::windows::windows;
use crate::budget::Resource;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::kernel::{Kernel, MoveOperands};
use crate::ops::Storage;
use crate::ops::lowering::{Job, Jobs, Pointer, Site, View, copy};
use crate::tensor::{Data, Encoded, Tensor};
use std::collections::{HashMap, HashSet};

/// All steps of a model before buffers have addresses.
#[derive(Debug)]
pub(super) struct Program {
    pub kernels: Vec<Kernel>,
    pub prepare: Vec<Run<BufferId>>,
    pub steps: Vec<Step<BufferId>>,
    pub weights: Weights,
    pub prepared_bytes: usize,
    /// Places of the graph's inputs and outputs.
    pub inputs: Vec<(String, Place)>,
    pub outputs: Vec<(String, Place)>,
    pub decisions: Vec<Decision>,
}

/// Lowers a scheduled graph.
pub(super) fn lower(
    graph: &Graph,
    order: &[NodeId],
    target: &dyn Target,
    layout: &mut Layout,
    weights: Weights,
) -> Result<Program> {
    let mut lowering = Lowering {
        target,
        layout,
        known: HashMap::new(),
        program: Program {
            kernels: Vec::new(),
            prepare: Vec::new(),
            steps: Vec::new(),
            weights,
            prepared_bytes: 0,
            inputs: Vec::new(),
            outputs: Vec::new(),
            decisions: Vec::new(),
        },
        framed: HashSet::new(),
        prepared: HashMap::new(),
    };
    let (methods, places) = lowering.arrange(graph, order, Places::new())?;
    for &id in order {
        match graph.op(id).as_scan() {
            Some(scan) => lowering.scan(graph, id, scan, &places)?,
            None => {
                let runs = lowering.node(graph, id, &methods, &places)?;
                lowering.program.steps.extend(runs.into_iter().map(Step::Run));
            }
        }
    }
    for &id in graph.inputs() {
        lowering
            .program
            .inputs
            .push((graph.node(id).input_name().to_owned(), places[&(id, 0)].clone()));
    }
    for output in graph.outputs() {
        let place = lowering.output(graph, output.node, &places)?;
        lowering.program.outputs.push((output.name.clone(), place));
    }
    Ok(lowering.program)
}

/// The places of inputs, the constants among these, and the places of the result and of scratch memory.
type Around<'a> = (
    &'a [Option<&'a Place>],
    &'a [Option<&'a Tensor>],
    &'a Place,
    &'a [BufferId],
);

pub(super) struct Lowering<'a> {
    target: &'a dyn Target,
    pub layout: &'a mut Layout,
    known: HashMap<Kernel, KernelId>,
    pub program: Program,
    /// Buffers whose frame has been zeroed.
    framed: HashSet<BufferId>,
    /// Where the result of a preparation lies, by its kernel and the offset of what it reads.
    prepared: HashMap<(KernelId, usize), usize>,
}

impl Lowering<'_> {
    /// Chooses the methods of a graph, and gives its values their places.
    pub fn arrange(&mut self, graph: &Graph, order: &[NodeId], given: Places) -> Result<(Methods, Places)> {
        let methods = methods::choose(graph, self.target, &mut self.program.decisions)?;
        let places = self.layout.assign(graph, order, &methods, given)?;
        Ok((methods, places))
    }

    fn run(
        &mut self,
        kernel: Kernel,
        arguments: Vec<Argument<BufferId>>,
        name: &str,
        flops: u64,
    ) -> Run<BufferId> {
        let next = KernelId(self.program.kernels.len());
        let id = *self.known.entry(kernel.clone()).or_insert(next);
        if id == next {
            self.program.kernels.push(kernel);
        }
        Run {
            kernel: id,
            arguments,
            name: name.to_owned(),
            flops,
        }
    }

    /// The kernel runs of one node; none for constants, inputs and views.
    pub fn node(
        &mut self,
        graph: &Graph,
        id: NodeId,
        methods: &Methods,
        places: &Places,
    ) -> Result<Vec<Run<BufferId>>> {
        let node = graph.node(id);
        let Some(place) = places.get(&(id, 0)) else {
            return Ok(Vec::new());
        };
        let inputs: Vec<Option<&Place>> = node.inputs.iter().map(|&i| places.get(&(i, 0))).collect();
        let inside = |input: &Option<&Place>| input.is_some_and(|input| input.buffer == place.buffer);
        if graph.is_input(id)
            || node.op.projection().is_some()
            || (node.op.is_view() && inputs.first().is_some_and(inside))
        {
            return Ok(Vec::new());
        }
        let dense = |i: NodeId| View::dense(graph.ty(i).shape.dims(), graph.ty(i).dtype);
        let views = node.inputs.iter().zip(&inputs);
        let views = views.map(|(&i, place)| place.map_or_else(|| dense(i), |place| place.view.clone()));
        let mut site = Site {
            inputs: views.collect(),
            constants: node.inputs.iter().map(|&i| graph.constant(i)).collect(),
            output: place.view.clone(),
            method: None,
            windows: None,
            batched: self.target.batches_products(),
        };
        let mut jobs = Jobs::default();
        if let Some(chosen) = methods.get(&id) {
            site.method = Some(chosen.method);
            site.windows = windows(self.target, chosen, &site.inputs[0], &mut jobs);
        }
        match node.op.storage() {
            Storage::Joined(axis) => {
                let mut first = place.offset;
                let in_place = inputs.iter().zip(&site.inputs).map(|(input, view)| {
                    // In the same memory it may also lie inside of another input.
                    let there = input.is_some_and(|input| {
                        input.offset == first && input.view.strides == place.view.strides
                    });
                    first += view.dims[axis] * place.view.strides[axis];
                    there && inside(input)
                });
                let in_place: Vec<bool> = in_place.collect();
                join(&site, axis, &in_place, &mut jobs);
            }
            _ => node.op.lower(&site, &mut jobs)?,
        }
        let runs = self.place_jobs(graph, id, jobs, (&inputs, &site.constants, place));
        runs.map_err(|error| error.in_node(&node.name))
    }

    /// Stores the weights of jobs, gives their scratch memory a buffer and their pointers a place.
    fn place_jobs(
        &mut self,
        graph: &Graph,
        id: NodeId,
        jobs: Jobs<'_>,
        (inputs, constants, place): (&[Option<&Place>], &[Option<&Tensor>], &Place),
    ) -> Result<Vec<Run<BufferId>>> {
        let node = graph.node(id);
        let budget = graph.budget();
        let stored = self.program.weights.bytes();
        budget.take(Resource::Steps, jobs.jobs.len())?;
        budget.take(Resource::Names, jobs.jobs.len() * node.name.len())?;
        let scratch: Vec<BufferId> = jobs
            .scratch
            .iter()
            .map(|&elements| self.layout.buffer(elements, None))
            .collect();
        let arranged = self.arranged(graph, id, &jobs.jobs)?;
        let types: Vec<_> = node.inputs.iter().map(|&i| graph.ty(i)).collect();
        let flops = node.op.flops(&types, &node.types);
        let mut runs = self.border(place, &node.name);
        let arithmetic = jobs.jobs.iter().filter(|job| job.kernel.is_arithmetic());
        let count = arithmetic.count() as u64;
        for (job, arranged) in jobs.jobs.into_iter().zip(arranged) {
            let pointers = job.pointers.into_iter().zip(arranged);
            let arguments = pointers
                .map(|(pointer, arranged)| match arranged {
                    Some(Arranged::Stored(data, encoded)) => {
                        let offset = self.program.weights.add_encoded(data, encoded, &node.name);
                        Ok(at(Space::Weights, offset))
                    }
                    Some(Arranged::Prepared(offset)) => Ok(at(Space::Prepared, offset)),
                    None => {
                        let around = (inputs, constants, place, &scratch[..]);
                        self.resolve(&pointer, around, &node.name)
                    }
                })
                .collect::<Result<Vec<_>>>()?;
            // Copies and fills do no arithmetic; grouped convolutions share it evenly.
            let own = if job.kernel.is_arithmetic() {
                flops / count.max(1)
            } else {
                0
            };
            runs.push(self.run(job.kernel, arguments, &node.name, own));
        }
        budget.take(Resource::Stored, self.program.weights.bytes() - stored)?;
        budget.take(Resource::Kernels, self.program.kernels.len())?;
        Ok(runs)
    }

    /// For each pointer of each job, its weights as the target wants them, if it points at weights.
    fn arranged(
        &mut self,
        graph: &Graph,
        id: NodeId,
        jobs: &[Job<'_>],
    ) -> Result<Vec<Vec<Option<Arranged>>>> {
        let mut bytes = 0;
        let mut packed = Vec::with_capacity(jobs.len());
        for job in jobs {
            let pack = |pointer: &Pointer<'_>| match pointer {
                Pointer::Weights(matrix) => {
                    let packed = self.target.pack(&job.kernel, matrix)?;
                    let encoded = match packed.codes {
                        true => Vec::new(),
                        false => matrix.arranged(packed.data.len()),
                    };
                    Ok(Some((packed, encoded)))
                }
                _ => Ok(None),
            };
            let own = job.pointers.iter().map(pack).collect::<Result<Vec<_>>>()?;
            bytes += own
                .iter()
                .flatten()
                .map(|(packed, _)| 4 * packed.data.len())
                .sum::<usize>();
            packed.push(own);
        }
        graph.budget().take(Resource::Packed, bytes)?;
        let name = &graph.node(id).name;
        let arranged = packed.into_iter().map(|own| {
            let arrange = |packed: Option<(Packed, Vec<Encoded>)>| {
                packed.map(|(packed, encoded)| self.prepare(packed, encoded, name))
            };
            own.into_iter().map(arrange).collect()
        });
        Ok(arranged.collect())
    }

    /// Adds what computes a constant when the model is loaded, if it is to be, unless it is there already.
    fn prepare(&mut self, packed: Packed, encoded: Vec<Encoded>, name: &str) -> Arranged {
        let Some(preparation) = packed.prepare else {
            return Arranged::Stored(packed.data, encoded);
        };
        let from = self.program.weights.add_encoded(packed.data, encoded, name);
        let to = self.program.prepared_bytes;
        let arguments = vec![at(Space::Weights, from), at(Space::Prepared, to)];
        let run = self.run(preparation.kernel, arguments, name, 0);
        if let Some(&known) = self.prepared.get(&(run.kernel, from)) {
            return Arranged::Prepared(known);
        }
        self.prepared.insert((run.kernel, from), to);
        let bytes = preparation.elements * 4;
        self.program.prepared_bytes += bytes.next_multiple_of(self.target.alignment());
        self.program.prepare.push(run);
        Arranged::Prepared(to)
    }

    /// Zeroes the frame of a buffer before its first use.
    fn border(&mut self, place: &Place, name: &str) -> Vec<Run<BufferId>> {
        let Some(fill) = self.layout.buffers[place.buffer.0].border.clone() else {
            return Vec::new();
        };
        if !self.framed.insert(place.buffer) {
            return Vec::new();
        }
        let arguments = vec![at(Space::Arena(place.buffer), 0)];
        vec![self.run(fill.into(), arguments, name, 0)]
    }

    /// Where a pointer of a layer points.
    fn resolve(
        &mut self,
        pointer: &Pointer<'_>,
        (inputs, constants, output, scratch): Around<'_>,
        name: &str,
    ) -> Result<Argument<BufferId>> {
        let inside = |place: &Place, elements: isize| {
            let offset = place.offset.checked_add_signed(elements);
            Ok(Argument {
                space: Space::Arena(place.buffer),
                offset: 4 * offset.ok_or_else(|| Error::internal("a view before its buffer"))?,
                advance: 4 * place.advance,
            })
        };
        match *pointer {
            Pointer::Output(at) => inside(output, at as isize),
            Pointer::Scratch(i, offset) => Ok(at(Space::Arena(scratch[i]), 4 * offset)),
            Pointer::Weights(_) => Err(Error::internal("weights have their place already")),
            Pointer::Input(i, elements) => match (inputs[i], constants[i]) {
                (Some(place), _) => inside(place, elements),
                (None, Some(tensor)) => {
                    let start = self.constant(tensor, name);
                    Ok(at(Space::Weights, start + elements as usize * 4))
                }
                (None, None) => Err(Error::internal(format!("input {i} has no place"))),
            },
        }
    }

    /// Stores a constant as it is.
    fn constant(&mut self, tensor: &Tensor, name: &str) -> usize {
        let data = match tensor.data() {
            Data::F32(data) => data.to_vec(),
            Data::I32(data) => data.iter().map(|&v| f32::from_bits(v as u32)).collect(),
        };
        let encoded = tensor.encoded().map(|encoded| encoded.as_ref().clone());
        let encoded = encoded.into_iter().collect();
        self.program.weights.add_encoded(data, encoded, name)
    }

    /// Copies a value or a constant to `to`.
    pub fn copy(&mut self, graph: &Graph, id: NodeId, places: &Places, to: &Place) -> Result<Run<BufferId>> {
        let constants = [graph.constant(id)];
        self.copy_from(places.get(&(id, 0)), &constants, to, &graph.node(id).name)
    }

    /// Copies what lies at `from`, or else the constant, to `to`.
    pub fn copy_from(
        &mut self,
        from: Option<&Place>,
        constants: &[Option<&Tensor>],
        to: &Place,
        name: &str,
    ) -> Result<Run<BufferId>> {
        let view = from.map_or_else(
            || View::dense(&to.view.dims, to.view.dtype),
            |place| place.view.clone(),
        );
        let arguments = vec![
            self.resolve(&Pointer::Input(0, 0), (&[from], constants, to, &[]), name)?,
            self.resolve(&Pointer::Output(0), (&[], &[], to, &[]), name)?,
        ];
        Ok(self.run(copy(&view, &to.view).into(), arguments, name, 0))
    }

    /// Where a result of the graph is read; constants are copied into the arena.
    fn output(&mut self, graph: &Graph, id: NodeId, places: &Places) -> Result<Place> {
        if let Some(place) = places.get(&(id, 0)).filter(|place| place.view.is_dense()) {
            return Ok(place.clone());
        }
        let ty = graph.ty(id);
        let place = self.layout.dense(ty.shape.dims(), ty.dtype);
        let run = self.copy(graph, id, places, &place)?;
        self.program.steps.push(Step::Run(run));
        Ok(place)
    }
}

/// Weights as the target wants them: to be stored, or among what is prepared.
enum Arranged {
    Stored(Vec<f32>, Vec<Encoded>),
    Prepared(usize),
}

/// An argument that does not move.
fn at(space: Space<BufferId>, offset: usize) -> Argument<BufferId> {
    Argument {
        space,
        offset,
        advance: 0,
    }
}

/// Copies those inputs of a concatenation that do not lie where they belong.
fn join(site: &Site<'_>, axis: usize, in_place: &[bool], jobs: &mut Jobs<'_>) {
    let mut first = 0;
    for (i, view) in site.inputs.iter().enumerate() {
        if !in_place[i] {
            let operands = MoveOperands {
                x: Pointer::Input(i, 0),
                out: Pointer::Output(first * site.output.strides[axis]),
            };
            jobs.push(copy(view, &site.output), operands);
        }
        first += view.dims[axis];
    }
}
