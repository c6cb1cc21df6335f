//! Runs plans with the interpreter of kernels: the reference for emitted code, on any target.

use keras_compile::check::pattern::Fill;
use keras_compile::check::{self, Check, Sample, Subject};
use keras_compile::kernel::{Memory, Operand, Role, Touched};
use keras_compile::plan::{Argument, Binding, Plan, Run, Space};
use keras_compile::tensor::{DType, Data, Tensor};
use std::collections::BTreeSet;

/// Runs a plan.
///
/// # Panics
/// When a tensor does not fit its binding.
pub fn interpret(plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut machine = Machine::new(plan);
    machine.predict(inputs, None);
    plan.outputs.iter().map(|binding| machine.read(binding)).collect()
}

/// Runs a plan, and compares what every kernel touches with what it says.
///
/// # Errors
/// The first kernel that touches something else, or that leaves a part of its result unwritten.
///
/// # Panics
/// When a tensor does not fit its binding.
pub fn check_touches(plan: &Plan, inputs: &[Tensor]) -> Result<(), String> {
    let mut machine = Machine::new(plan);
    let mut wrong = None;
    let mut compare = |run: &Run, at: &[usize], touched: &Touched| {
        let kernel = plan.kernel(run);
        let operands = kernel.operands();
        let said = |roles: &[Role]| -> BTreeSet<usize> {
            let of_roles = operands
                .iter()
                .zip(at)
                .filter(|(operand, _)| roles.contains(&operand.role));
            of_roles
                .flat_map(|(operand, &at)| elements(operand, at))
                .collect()
        };
        let readable = said(&[Role::In, Role::Weights, Role::Epilogue]);
        let written = said(&[Role::Out]);
        let fault = if !touched.read.is_subset(&readable) {
            "reads what it does not say"
        } else if touched.written != written {
            "does not write what it says"
        } else {
            return;
        };
        wrong.get_or_insert_with(|| format!("{}: {kernel:?} {fault}", run.name));
    };
    machine.predict(inputs, Some(&mut compare));
    wrong.map_or(Ok(()), Err)
}

/// All runs of a plan, as what is to be checked.
pub fn subjects(plan: &Plan) -> Vec<Subject> {
    let runs = plan.steps.iter().enumerate().flat_map(|(step, content)| {
        (0..content.runs().len()).map(move |run| Subject {
            with: Vec::new(),
            step,
            run,
            dispatches: run..run + 1,
        })
    });
    runs.collect()
}

/// How often a sample is not what whole kernels give, bit for bit, and how often it is out of its tolerance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Differences {
    /// Samples that there are.
    pub samples: usize,
    /// Those with other bits.
    pub bits: usize,
    /// Those that are not accepted.
    pub refused: usize,
}

impl Differences {
    fn count(&mut self, sample: &Sample, found: u32) {
        self.samples += 1;
        self.bits += usize::from(sample.bits != found);
        self.refused += usize::from(!sample.accepts(found));
    }
}

/// Runs whole kernels of a plan as a check says; gives what is found for each kernel of the check.
///
/// # Panics
/// When the check is not one of this plan.
pub fn compare_kernels(plan: &Plan, check: &Check) -> Vec<Differences> {
    let mut machine = Machine::new(plan);
    let kernels = check.kernels.iter().map(|kernel| {
        let run = &plan.steps[kernel.step].runs()[kernel.dispatches[0]];
        let at = machine.addresses(run, 0);
        let mut found = Differences::default();
        for pattern in &kernel.patterns {
            machine.forget();
            machine.fill(&kernel.fills, pattern.seed);
            plan.kernel(run).interpret(&mut machine.memory, &at);
            for sample in &pattern.samples {
                found.count(sample, machine.word(kernel.buffer, sample.offset));
            }
        }
        found
    });
    kernels.collect()
}

/// Checks samples of every run, and of the whole network if there are any, against whole kernels.
///
/// # Errors
/// The first kernel that gives something else.
///
/// # Panics
/// As [`compare_kernels`].
pub fn check_samples(plan: &Plan) -> Result<(), String> {
    let check = check::check(plan, &subjects(plan)).map_err(|error| error.to_string())?;
    for (kernel, found) in check.kernels.iter().zip(compare_kernels(plan, &check)) {
        if found.samples == 0 || found.bits > 0 || found.refused > 0 {
            return Err(format!("samples of {}: {found:?}", kernel.name));
        }
    }
    let Some(network) = &check.network else {
        return Ok(());
    };
    let mut machine = Machine::new(plan);
    machine.fill(&network.inputs, network.seed);
    machine.run_all(None);
    for output in &network.outputs {
        let mut found = Differences::default();
        for sample in &output.samples {
            found.count(sample, machine.word(output.buffer, sample.offset));
        }
        if found.samples == 0 || found.bits > 0 {
            return Err(format!("samples of an output: {found:?}"));
        }
    }
    Ok(())
}

/// The addresses of an operand that starts at an address.
fn elements(operand: &Operand, at: usize) -> impl Iterator<Item = usize> {
    let positions = operand
        .spans
        .iter()
        .flat_map(keras_compile::kernel::Span::positions);
    positions.map(move |position| at.strict_add_signed(position))
}

/// Is told of a kernel, its addresses and what it touched.
type Watcher<'w> = dyn FnMut(&Run, &[usize], &Touched) + 'w;

/// What a run writes: arenas, and words of them.
#[derive(Debug, Default)]
pub struct Written {
    /// What means something.
    pub results: Vec<(usize, usize)>,
    /// What does not.
    pub scratch: Vec<(usize, usize)>,
}

/// A plan with its memory: weights, what is prepared, the arenas.
pub struct Machine<'p> {
    plan: &'p Plan,
    memory: Memory,
    /// Element addresses of the arenas.
    arenas: Vec<usize>,
}

impl<'p> Machine<'p> {
    /// With weights in place and prepared, and NaN everywhere else.
    pub fn new(plan: &'p Plan) -> Self {
        let mut end = (plan.weights.bytes() + plan.prepared_bytes) / 4;
        let constants = end;
        let mut arenas = Vec::new();
        for bytes in &plan.arenas {
            arenas.push(end);
            end += bytes / 4;
        }
        let mut words = vec![f32::NAN.to_bits(); end];
        words[..constants].fill(0);
        for (offset, data) in plan.weights.parts() {
            for (word, value) in words[offset / 4..].iter_mut().zip(data) {
                *word = value.to_bits();
            }
        }
        let mut machine = Self {
            plan,
            memory: Memory::new(words),
            arenas,
        };
        for run in &plan.prepare {
            let at = machine.addresses(run, 0);
            plan.kernel(run).interpret(&mut machine.memory, &at);
        }
        machine
    }

    /// The words of an arena.
    pub fn arena(&self, arena: usize) -> &[u32] {
        &self.memory.words()[self.arenas[arena]..][..self.plan.arenas[arena] / 4]
    }

    /// The words that a run writes, as arena and place in it, in the order of the kernel's walks; scratch memory, whose
    /// contents mean nothing, apart.
    pub fn written(&self, run: &Run, iteration: usize) -> Written {
        let mut written = Written::default();
        let operands = self.plan.kernel(run).operands();
        let at = self.addresses(run, iteration);
        for ((operand, argument), at) in operands.iter().zip(&run.arguments).zip(at) {
            let Space::Arena(arena) = argument.space else {
                continue;
            };
            let to = match operand.role {
                Role::Out => &mut written.results,
                Role::Scratch => &mut written.scratch,
                _ => continue,
            };
            to.extend(elements(operand, at).map(|word| (arena.0, word - self.arenas[arena.0])));
        }
        written
    }

    /// Runs a kernel.
    pub fn run_kernel(&mut self, run: &Run, iteration: usize) {
        let at = self.addresses(run, iteration);
        self.plan.kernel(run).interpret(&mut self.memory, &at);
    }

    fn addresses(&self, run: &Run, iteration: usize) -> Vec<usize> {
        let address = |argument: &Argument| {
            let base = match argument.space {
                Space::Weights => 0,
                Space::Prepared => self.plan.weights.bytes(),
                Space::Arena(arena) => 4 * self.arenas[arena.0],
            };
            (base + argument.offset).strict_add_signed(argument.advance * iteration as isize) / 4
        };
        run.arguments.iter().map(address).collect()
    }

    /// Puts inputs in their place.
    ///
    /// # Panics
    /// When a tensor does not fit its binding.
    pub fn set_inputs(&mut self, inputs: &[Tensor]) {
        for (binding, tensor) in self.plan.inputs.iter().zip(inputs) {
            let words: Vec<u32> = match tensor.data() {
                Data::F32(d) => d.iter().map(|v| v.to_bits()).collect(),
                Data::I32(d) => d.iter().map(|&v| v as u32).collect(),
            };
            let start = self.arenas[binding.arena.0] + binding.offset / 4;
            self.memory.words_mut()[start..start + words.len()].copy_from_slice(&words);
        }
    }

    /// Runs all steps on inputs; `seen` is told of every kernel.
    fn predict(&mut self, inputs: &[Tensor], seen: Option<&mut Watcher<'_>>) {
        self.set_inputs(inputs);
        self.run_all(seen);
    }

    /// Runs all steps on what is in the arenas.
    fn run_all(&mut self, mut seen: Option<&mut Watcher<'_>>) {
        for step in &self.plan.steps {
            for iteration in 0..step.count() {
                for run in step.runs() {
                    let at = self.addresses(run, iteration);
                    if seen.is_some() {
                        self.memory.watch();
                    }
                    self.plan.kernel(run).interpret(&mut self.memory, &at);
                    if let Some(seen) = &mut seen {
                        seen(run, &at, &self.memory.watch());
                    }
                }
            }
        }
    }

    /// Writes fills.
    fn fill(&mut self, fills: &[Fill], seed: u32) {
        for fill in fills {
            let (first, end) = (fill.offset / 4, (fill.offset + fill.length) / 4);
            for element in first..end {
                let bits = fill.bits(seed, element).expect("a fill covers its elements");
                self.memory.words_mut()[self.arenas[fill.buffer] + element] = bits;
            }
        }
    }

    /// NaN in all arenas.
    fn forget(&mut self) {
        let first = self.arenas.first().copied().unwrap_or_default();
        self.memory.words_mut()[first..].fill(f32::NAN.to_bits());
    }

    /// The word at a byte offset of an arena.
    fn word(&self, arena: usize, offset: usize) -> u32 {
        self.memory.words()[self.arenas[arena] + offset / 4]
    }

    fn read(&self, binding: &Binding) -> Tensor {
        let start = self.arenas[binding.arena.0] + binding.offset / 4;
        let words = &self.memory.words()[start..start + binding.ty.shape.count()];
        let data = match binding.ty.dtype {
            DType::F32 => Data::F32(words.iter().map(|&w| f32::from_bits(w)).collect()),
            DType::I32 => Data::I32(words.iter().map(|&w| w as i32).collect()),
        };
        Tensor::new(binding.ty.shape.clone(), data).expect("as many as the shape says")
    }
}
