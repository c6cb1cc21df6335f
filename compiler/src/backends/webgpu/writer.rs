//! A program while it is written.

use super::attention::Attention;
use super::chain::Chain;
use super::machine::Machine;
use super::module::{self, Made};
use super::operands::{Memory, Operands};
use super::program::{Dispatch, Pipeline, Program, Step, has_halves};
use super::windows::Windows;
use super::{dispatch, rows};
use crate::budget::{Budget, Resource};
use crate::check::{Subject, Subjects};
use crate::error::Result;
use crate::plan::{Plan, Run};
use std::collections::HashMap;

/// A program with what is known of it so far.
pub(super) struct Writer<'p> {
    plan: &'p Plan,
    machine: Machine,
    program: Program,
    /// The pipeline of each text.
    known: HashMap<String, usize>,
    windows: Windows,
    /// Bytes of scratch memory.
    scratch: usize,
    /// Pipelines whose text was taken out of the budget.
    taken: usize,
    budget: Budget,
}

impl<'p> Writer<'p> {
    /// Of an empty program.
    pub fn new(plan: &'p Plan, machine: Machine) -> Self {
        let program = Program {
            // A binding has no length of zero.
            arenas: plan.arenas.iter().map(|&bytes| bytes.max(16)).collect(),
            windows: Vec::new(),
            pipelines: Vec::new(),
            prepare: Vec::new(),
            halves: None,
            steps: Vec::new(),
            modules: Vec::new(),
            families: Vec::new(),
            subjects: Subjects::default(),
            kernel_bytes: vec![0; plan.kernels.len()],
        };
        Self {
            plan,
            machine,
            program,
            known: HashMap::new(),
            windows: Windows::default(),
            scratch: 0,
            taken: 0,
            budget: plan.budget.fork(),
        }
    }

    /// Adds what makes weights in half precision.
    ///
    /// # Errors
    /// When they are too many.
    pub fn halves(&mut self) -> Result<()> {
        let bytes = self.plan.weights.bytes();
        self.program.halves = Some(self.program.arenas.len());
        self.program.arenas.push(bytes / 2);
        for made in module::halves(bytes, &mut self.windows)? {
            let dispatch = self.add("weights", made);
            self.program.prepare.push(dispatch);
        }
        self.taken = self.program.pipelines.len();
        Ok(())
    }

    /// Adds a step as it is, and gives the number of the next.
    ///
    /// # Errors
    /// See [`Program::new`].
    pub fn step(&mut self, number: usize) -> Result<usize> {
        let plan = self.plan;
        let step = &plan.steps[number];
        let mut dispatches = Vec::with_capacity(step.runs().len());
        for (index, run) in step.runs().iter().enumerate() {
            let operands = self.operands(run);
            let made = operands.and_then(|operands| dispatch::dispatch(plan.kernel(run), run, &operands));
            let made = made.map_err(|error| error.in_node(&run.name))?;
            let first = dispatches.len();
            self.add_all((&[run], ""), made, &mut dispatches)?;
            self.offer(
                &dispatches[first..],
                Subject {
                    step: number,
                    run: index,
                    dispatches: first..dispatches.len(),
                    with: Vec::new(),
                },
            );
        }
        self.program.steps.push(Step {
            count: step.count(),
            dispatches,
        });
        Ok(number + 1)
    }

    /// Adds several steps as the dispatch of the last of them, and gives the number of the next.
    ///
    /// # Errors
    /// See [`Program::new`].
    pub fn chain(&mut self, chain: &Chain) -> Result<usize> {
        let plan = self.plan;
        let runs = chain.runs(plan);
        let mut operands: Vec<_> = runs.iter().map(|run| self.operands(run)).collect::<Result<_>>()?;
        for moved in &chain.moved {
            operands[moved.run].move_to_scratch(moved.operand, moved.offset);
        }
        let kernels: Vec<_> = runs.iter().map(|run| plan.kernel(run)).collect();
        let made = Made {
            scratch: chain.scratch(),
            ..rows::rows(&kernels, chain, &Operands::joined(&operands, self.machine))?
        };
        let mut dispatches = Vec::new();
        self.add_all((&runs, "rows"), vec![made], &mut dispatches)?;
        let before = chain.steps.len() - 1;
        self.offer(
            &dispatches,
            Subject {
                step: chain.steps.end - 1,
                run: 0,
                dispatches: 0..1,
                with: (chain.steps.start..chain.steps.end - 1).collect(),
            },
        );
        let nothing = Step {
            count: 1,
            dispatches: Vec::new(),
        };
        self.program.steps.extend(vec![nothing; before]);
        self.program.steps.push(Step { count: 1, dispatches });
        Ok(chain.steps.end)
    }

    /// Adds a step that is done with others: as their dispatch, if it is the last, else as nothing. Gives the number of the next.
    ///
    /// # Errors
    /// See [`Program::new`].
    pub fn joint(&mut self, number: usize, attention: Option<&Attention<'_>>) -> Result<usize> {
        let mut dispatches = Vec::new();
        if let Some(attention) = attention {
            let runs = attention.runs(self.plan);
            let operands: Vec<_> = runs.iter().map(|run| self.operands(run)).collect::<Result<_>>()?;
            let before = runs.iter().rev().skip(1).map(|run| run.arguments.len()).sum();
            let made = attention.module(&Operands::joined(&operands, self.machine), before);
            let made = made.map_err(|error| error.in_node(&runs[0].name))?;
            self.add_all((&runs, "attention"), vec![made], &mut dispatches)?;
            self.offer(
                &dispatches,
                Subject {
                    step: number,
                    run: 0,
                    dispatches: 0..1,
                    with: attention.steps[..attention.steps.len() - 1].to_vec(),
                },
            );
        }
        self.program.steps.push(Step { count: 1, dispatches });
        Ok(number + 1)
    }

    /// The program.
    pub fn finish(mut self) -> Program {
        self.program.windows = self.windows.into_parts();
        if self.scratch > 0 {
            self.program.arenas.push(self.scratch);
        }
        self.program
    }

    fn operands(&mut self, run: &Run) -> Result<Operands> {
        let halves = self.program.halves.is_some() && has_halves(self.plan, run);
        Operands::new(run, &self.plan.weights, &mut self.windows, (halves, self.machine))
    }

    /// Adds dispatches that do all of some runs, of which several have a name together.
    fn add_all(
        &mut self,
        (runs, joint): (&[&Run], &'static str),
        made: Vec<Made>,
        dispatches: &mut Vec<Dispatch>,
    ) -> Result<()> {
        let [first, rest @ ..] = runs else {
            return Ok(());
        };
        let family = if rest.is_empty() {
            self.plan.kernel(first).family()
        } else {
            joint
        };
        let mut bytes = 0;
        for made in made {
            self.scratch = self.scratch.max(4 * made.scratch);
            let dispatch = self.add(family, made);
            let text = self.program.modules[dispatch.pipeline].len();
            if dispatch.pipeline >= self.taken {
                self.taken = dispatch.pipeline + 1;
                let within = self.budget.take(Resource::Shaders, text);
                within.map_err(|error| error.in_node(&first.name))?;
            }
            bytes += text;
            dispatches.push(dispatch);
        }
        for run in runs {
            self.program.kernel_bytes[run.kernel.0] = bytes;
        }
        Ok(())
    }

    /// Lets the pipelines of dispatches be checked with a run.
    fn offer(&mut self, dispatches: &[Dispatch], subject: Subject) {
        let run = &self.plan.steps[subject.step].runs()[subject.run];
        for dispatch in dispatches {
            let (kernel, subject) = (self.plan.kernel(run), subject.clone());
            self.program
                .subjects
                .offer(dispatch.pipeline, kernel, run, subject);
        }
    }

    /// Adds a dispatch, with a pipeline of its own if there is none with its text.
    fn add(&mut self, family: &'static str, made: Made) -> Dispatch {
        let Made { module, groups, .. } = made;
        let program = &mut self.program;
        let next = program.pipelines.len();
        let pipeline = *self.known.entry(module.text.clone()).or_insert(next);
        if pipeline == next {
            let letter = |written| if written { 'w' } else { 'r' };
            program.pipelines.push(Pipeline {
                module: next,
                bindings: module.bindings.iter().map(|b| letter(b.written)).collect(),
            });
            program.modules.push(module.text);
            program.families.push(family);
        }
        let buffer = |memory| match memory {
            Memory::Weights => -1,
            Memory::Window(number) => -2 - number as isize,
            Memory::Halves => program.halves.map_or(-1, |halves| halves as isize),
            Memory::Arena(arena) => arena as isize,
            // It lies behind those of the plan.
            Memory::Scratch => program.arenas.len() as isize,
        };
        Dispatch {
            pipeline,
            groups,
            buffers: module.bindings.iter().map(|b| buffer(b.memory)).collect(),
            params: module.params.values,
            advance: module
                .params
                .advances
                .iter()
                .map(|a| (a.index, a.delta))
                .collect(),
        }
    }
}
