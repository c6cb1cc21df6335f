//! From nodes to steps whose arguments are still buffers, not addresses.

use super::layout::{BufferId, Layout, Place, Places};
use super::{ALIGNMENT, KernelId, Weights};
use crate::budget::Resource;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::kernel::Kernel;
use crate::ops::Scan;
use crate::ops::lowering::{Jobs, Pointer, Preparation, Site, View, copy};
use crate::tensor::{Data, Tensor};
use std::collections::{HashMap, HashSet};

/// An argument before buffers have addresses. Offsets count bytes in weights and what is prepared, elements in buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    /// In the packed weights.
    Weights(usize),
    /// Among what is computed when the model is loaded.
    Prepared(usize),
    /// In a buffer; it moves by `advance` elements for every iteration.
    Buffer {
        buffer: BufferId,
        offset: usize,
        advance: isize,
    },
}

/// A kernel run before buffers have addresses.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub kernel: KernelId,
    pub arguments: Vec<Argument>,
    pub name: String,
    pub flops: u64,
}

/// A step before buffers have addresses.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Run(Run),
    Loop { count: usize, body: Vec<Run> },
}

impl Step {
    /// The kernel runs in it.
    pub fn runs(&self) -> &[Run] {
        match self {
            Self::Run(run) => std::slice::from_ref(run),
            Self::Loop { body, .. } => body,
        }
    }
}

/// All steps of a model before buffers have addresses.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub kernels: Vec<Kernel>,
    pub prepare: Vec<Run>,
    pub steps: Vec<Step>,
    pub weights: Weights,
    pub prepared_bytes: usize,
    /// Places of the graph's inputs and outputs.
    pub inputs: Vec<(String, Place)>,
    pub outputs: Vec<(String, Place)>,
}

/// Lowers a scheduled graph.
pub(super) fn lower(graph: &Graph, order: &[NodeId], layout: &mut Layout) -> Result<Program> {
    let places = layout.assign(graph, order, Places::new())?;
    let mut lowering = Lowering {
        layout,
        known: HashMap::new(),
        program: Program::default(),
        framed: HashSet::new(),
        prepared: HashMap::new(),
    };
    for &id in order {
        match graph.op(id).as_scan() {
            Some(scan) => lowering.scan(graph, id, scan, &places)?,
            None => {
                let runs = lowering.node(graph, id, &places)?;
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

/// Bytes of the weights that an operation has arranged for its kernels.
fn packed(jobs: &Jobs) -> usize {
    let pointers = jobs.jobs.iter().flat_map(|job| &job.pointers);
    let data = pointers.map(|pointer| match pointer {
        Pointer::Data(data) => data.len(),
        _ => 0,
    });
    let prepared = jobs.prepared.iter().map(|preparation| preparation.data.len());
    4 * data.chain(prepared).sum::<usize>()
}

struct Lowering<'a> {
    layout: &'a mut Layout,
    known: HashMap<Kernel, KernelId>,
    program: Program,
    /// Buffers whose frame has been zeroed.
    framed: HashSet<BufferId>,
    /// Where the result of a preparation lies, by its kernel and the offset of what it reads.
    prepared: HashMap<(KernelId, usize), usize>,
}

impl Lowering<'_> {
    fn run(&mut self, kernel: Kernel, arguments: Vec<Argument>, name: &str, flops: u64) -> Run {
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
    fn node(&mut self, graph: &Graph, id: NodeId, places: &Places) -> Result<Vec<Run>> {
        let node = graph.node(id);
        let Some(place) = places.get(&(id, 0)) else {
            return Ok(Vec::new());
        };
        let inputs: Vec<Option<&Place>> = node.inputs.iter().map(|&i| places.get(&(i, 0))).collect();
        if graph.is_input(id)
            || node.op.projection().is_some()
            || (node.op.is_view()
                && inputs
                    .first()
                    .is_some_and(|i| i.is_some_and(|i| i.buffer == place.buffer)))
        {
            return Ok(Vec::new());
        }
        let dense = |i: NodeId| View::dense(graph.ty(i).shape.dims(), graph.ty(i).dtype);
        let site = Site {
            inputs: node
                .inputs
                .iter()
                .zip(&inputs)
                .map(|(&i, place)| place.map_or_else(|| dense(i), |place| place.view.clone()))
                .collect(),
            constants: node.inputs.iter().map(|&i| graph.constant(i)).collect(),
            in_place: inputs
                .iter()
                .map(|i| i.is_some_and(|i| i.buffer == place.buffer))
                .collect(),
            output: place.view.clone(),
        };
        let jobs = node.op.lower(&site)?;
        let budget = graph.budget();
        let stored = self.program.weights.bytes();
        let taken = || {
            budget.take(Resource::Steps, jobs.jobs.len())?;
            budget.take(Resource::Names, jobs.jobs.len() * node.name.len())?;
            budget.take(Resource::Packed, packed(&jobs))
        };
        taken().map_err(|error| error.in_node(&node.name))?;
        let scratch: Vec<BufferId> = jobs
            .scratch
            .iter()
            .map(|&n| self.layout.buffer(n, None))
            .collect();
        let prepared: Vec<usize> = jobs
            .prepared
            .into_iter()
            .map(|preparation| self.prepare(preparation, &node.name))
            .collect();
        let types: Vec<_> = node.inputs.iter().map(|&i| graph.ty(i)).collect();
        let flops = node.op.flops(&types, &node.types);
        let mut runs = self.border(place, &node.name);
        let arithmetic = jobs.jobs.iter().filter(|job| job.kernel.is_arithmetic());
        let count = arithmetic.count() as u64;
        for job in jobs.jobs {
            let arguments = job
                .pointers
                .into_iter()
                .map(|pointer| match pointer {
                    Pointer::Prepared(i) => Ok(Argument::Prepared(prepared[i])),
                    _ => self.resolve(pointer, &inputs, &site.constants, place, &scratch),
                })
                .collect::<Result<Vec<_>>>()?;
            // Copies and fills do no arithmetic; grouped convolutions share it evenly.
            let own = if job.kernel.is_arithmetic() {
                flops / count.max(1)
            } else {
                0
            };
            let run = self.run(job.kernel, arguments, &node.name, own);
            runs.push(run);
        }
        let taken = budget
            .take(Resource::Stored, self.program.weights.bytes() - stored)
            .and_then(|()| budget.take(Resource::Kernels, self.program.kernels.len()));
        taken.map_err(|error| error.in_node(&node.name))?;
        Ok(runs)
    }

    /// Adds what computes a constant when the model is loaded, unless it is there already; gives its offset.
    fn prepare(&mut self, preparation: Preparation, name: &str) -> usize {
        let from = self.program.weights.add(preparation.data);
        let to = self.program.prepared_bytes;
        let arguments = vec![Argument::Weights(from), Argument::Prepared(to)];
        let run = self.run(preparation.kernel, arguments, name, 0);
        if let Some(&known) = self.prepared.get(&(run.kernel, from)) {
            return known;
        }
        self.prepared.insert((run.kernel, from), to);
        self.program.prepared_bytes += (preparation.elements * 4).next_multiple_of(ALIGNMENT);
        self.program.prepare.push(run);
        to
    }

    /// Zeroes the frame of a buffer before its first use.
    fn border(&mut self, place: &Place, name: &str) -> Vec<Run> {
        let Some(fill) = self.layout.buffers[place.buffer.0].border.clone() else {
            return Vec::new();
        };
        if !self.framed.insert(place.buffer) {
            return Vec::new();
        }
        let at = Argument::Buffer {
            buffer: place.buffer,
            offset: 0,
            advance: 0,
        };
        vec![self.run(fill.into(), vec![at], name, 0)]
    }

    fn resolve(
        &mut self,
        pointer: Pointer,
        inputs: &[Option<&Place>],
        constants: &[Option<&Tensor>],
        output: &Place,
        scratch: &[BufferId],
    ) -> Result<Argument> {
        let inside = |place: &Place, at: isize| {
            let offset = place
                .offset
                .checked_add_signed(at)
                .ok_or_else(|| Error::internal("a view before its buffer"))?;
            Ok(Argument::Buffer {
                buffer: place.buffer,
                offset,
                advance: place.advance,
            })
        };
        match pointer {
            Pointer::Output(at) => inside(output, at as isize),
            Pointer::Scratch(i, offset) => Ok(Argument::Buffer {
                buffer: scratch[i],
                offset,
                advance: 0,
            }),
            Pointer::Data(data) => Ok(Argument::Weights(self.program.weights.add(data))),
            Pointer::Prepared(_) => Err(Error::internal("what is prepared has its place already")),
            Pointer::Input(i, at) => match (inputs[i], constants[i]) {
                (Some(place), _) => inside(place, at),
                (None, Some(tensor)) => Ok(Argument::Weights(self.constant(tensor) + at as usize * 4)),
                (None, None) => Err(Error::internal(format!("input {i} has no place"))),
            },
        }
    }

    /// Stores a constant as it is.
    fn constant(&mut self, tensor: &Tensor) -> usize {
        let data = match tensor.data() {
            Data::F32(data) => data.to_vec(),
            Data::I32(data) => data.iter().map(|&v| f32::from_bits(v as u32)).collect(),
        };
        self.program.weights.add(data)
    }

    /// Copies a value or a constant to `to`.
    fn copy(&mut self, graph: &Graph, id: NodeId, places: &Places, to: &Place) -> Result<Run> {
        let from = places.get(&(id, 0));
        let view = from.map_or_else(
            || View::dense(&to.view.dims, to.view.dtype),
            |place| place.view.clone(),
        );
        let arguments = vec![
            self.resolve(Pointer::Input(0, 0), &[from], &[graph.constant(id)], to, &[])?,
            self.resolve(Pointer::Output(0), &[], &[], to, &[])?,
        ];
        Ok(self.run(copy(&view, &to.view).into(), arguments, &graph.node(id).name, 0))
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

    /// A recurrence: copies the initial carries, then loops over the body.
    fn scan(&mut self, graph: &Graph, id: NodeId, scan: &Scan, places: &Places) -> Result<()> {
        let node = graph.node(id);
        let (body, inputs) = (&*scan.body, &node.inputs);
        let mut given = Places::new();
        for (i, (&input, &param)) in inputs.iter().zip(body.inputs()).enumerate() {
            let place = if i < scan.carries {
                // The carry lives where its last value is a result of the node.
                let carry = places[&(id, i)].clone();
                let run = self.copy(graph, input, places, &carry)?;
                self.program.steps.push(Step::Run(run));
                carry
            } else {
                let place = self.provided(graph, input, places)?;
                if i < scan.carries + scan.scanned {
                    slice(&place, scan)
                } else {
                    place
                }
            };
            given.insert((param, 0), place);
        }
        let collected: Vec<(NodeId, Place)> = body.outputs()[scan.carries..]
            .iter()
            .enumerate()
            .map(|(i, output)| (output.node, slice(&places[&(id, scan.carries + i)], scan)))
            .collect();
        for (node, place) in &collected {
            if !body.op(*node).is_view() && body.constant(*node).is_none() {
                given.entry((*node, 0)).or_insert_with(|| place.clone());
            }
        }
        let order = super::schedule::schedule(body);
        let inner = self.layout.assign(body, &order, given)?;
        let mut runs = Vec::new();
        for &node in &order {
            if body.op(node).as_scan().is_some() {
                return Err(Error::internal("a recurrence inside a recurrence"));
            }
            runs.extend(self.node(body, node, &inner)?);
        }
        for (node, place) in &collected {
            if inner.get(&(*node, 0)).is_none_or(|at| at.buffer != place.buffer) {
                runs.push(self.copy(body, *node, &inner, place)?);
            }
        }
        runs.extend(self.carry(body, scan, &inner)?);
        self.program.steps.push(Step::Loop {
            count: scan.steps,
            body: runs,
        });
        Ok(())
    }

    /// The place of a value; a constant gets one in the arena, since slices of it move.
    fn provided(&mut self, graph: &Graph, id: NodeId, places: &Places) -> Result<Place> {
        if let Some(place) = places.get(&(id, 0)) {
            return Ok(place.clone());
        }
        let place = self.layout.dense(graph.ty(id).shape.dims(), graph.ty(id).dtype);
        let run = self.copy(graph, id, places, &place)?;
        self.program.steps.push(Step::Run(run));
        Ok(place)
    }

    /// Moves the next carries into place. All are saved first when one of them is another carry.
    fn carry(&mut self, body: &Graph, scan: &Scan, inner: &Places) -> Result<Vec<Run>> {
        let carries: Vec<Place> = body.inputs()[..scan.carries]
            .iter()
            .map(|&p| inner[&(p, 0)].clone())
            .collect();
        let next: Vec<NodeId> = body.outputs()[..scan.carries].iter().map(|o| o.node).collect();
        let crossed = next.iter().enumerate().any(|(i, n)| {
            inner.get(&(*n, 0)).is_some_and(|p| {
                carries
                    .iter()
                    .enumerate()
                    .any(|(j, c)| i != j && c.buffer == p.buffer)
            })
        });
        let mut runs = Vec::new();
        let mut saved = inner.clone();
        if crossed {
            for &node in &next {
                let place = self.layout.dense(body.ty(node).shape.dims(), body.ty(node).dtype);
                runs.push(self.copy(body, node, inner, &place)?);
                saved.insert((node, 0), place);
            }
        }
        for (&node, carry) in next.iter().zip(&carries) {
            if saved.get(&(node, 0)).is_none_or(|p| p.buffer != carry.buffer) {
                runs.push(self.copy(body, node, &saved, carry)?);
            }
        }
        Ok(runs)
    }
}

/// The place of one time step of a sequence.
fn slice(sequence: &Place, scan: &Scan) -> Place {
    let stride = sequence.view.strides[0];
    let mut place = sequence.clone();
    place.view.dims.remove(0);
    place.view.strides.remove(0);
    place.view.frame = [[0; 2]; 2];
    place.advance = stride as isize;
    if scan.reverse {
        place.offset += (scan.steps - 1) * stride;
        place.advance = -place.advance;
    }
    place
}
