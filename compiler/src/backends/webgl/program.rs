//! What is drawn in which order, as the runtime reads it.

use super::draw::draw;
use super::fragment::Fragment;
use super::glsl::{Glsl, translate};
use super::layout::{Layout, Layouts};
use crate::backends::gpu;
use crate::budget::Resource;
use crate::check::{self, Check, Subject, Subjects};
use crate::error::Result;
use crate::kernel::{Kernel, Role};
use crate::plan::{Plan, Run, Space};
use serde::Serialize;
use std::collections::HashMap;

/// Textures, programs, and the draws of a prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Every value.
    pub textures: Vec<Texture>,
    /// The distinct programs.
    pub programs: Vec<FragmentProgram>,
    /// The steps of the plan.
    pub steps: Vec<Step>,
    /// The text of every program, in GLSL ES 3.00.
    #[serde(skip)]
    pub texts: Vec<String>,
    /// The same in WGSL.
    #[serde(skip)]
    pub sources: Vec<String>,
    /// For what family of kernels each is.
    #[serde(skip)]
    families: Vec<&'static str>,
    /// A run for each program.
    #[serde(skip)]
    subjects: Subjects,
    /// Bytes of every kernel's programs, by its index in the plan.
    #[serde(skip)]
    pub kernel_bytes: Vec<usize>,
}

/// A texture of RGBA32UI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Texture {
    /// How many texels hold elements.
    pub texels: usize,
    /// A row has two to this power of them.
    pub shift: u32,
    /// If the texture is drawn in quarters, a layer for each: how many texels each of them has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarter: Option<usize>,
}

/// A program with the names of what it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FragmentProgram {
    /// The uniform block.
    pub uniform: String,
    /// The sampler of each input, in their order; none for one that is not read.
    pub samplers: Vec<Option<String>>,
}

/// Draws that are repeated together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// How often.
    pub count: usize,
    /// In this order.
    pub draws: Vec<Draw>,
}

/// A draw to a texture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draw {
    /// Index of the program.
    pub program: usize,
    /// The texture of each sampler, or -1 for the weights. What was there before is not among them.
    pub inputs: Vec<isize>,
    /// The texture that is drawn to.
    pub out: usize,
    /// Whether what was there before is read, as the last input.
    pub previous: bool,
    /// Words of the uniform block; the first is the first texel of the layer that is drawn to.
    pub params: Vec<u32>,
    /// Which words change by how much from one iteration to the next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advance: Vec<(usize, i32)>,
}

impl Program {
    /// Writes the shaders of a plan.
    ///
    /// # Errors
    /// When the plan was made for another target, the text grows beyond the budget, or a shader is not valid (bugs of ours).
    pub fn new(plan: &Plan) -> Result<Self> {
        let budget = plan.budget.fork();
        let layouts = Layouts::new(plan);
        let texture = |layout: &Layout| Texture {
            texels: layout.texels,
            shift: layout.shift,
            quarter: layout.quarter(),
        };
        let mut program = Self {
            textures: layouts.values.iter().map(texture).collect(),
            programs: Vec::new(),
            steps: Vec::new(),
            texts: Vec::new(),
            sources: Vec::new(),
            families: Vec::new(),
            subjects: Subjects::default(),
            kernel_bytes: vec![0; plan.kernels.len()],
        };
        let mut known = HashMap::new();
        for (number, step) in plan.steps.iter().enumerate() {
            let mut draws = Vec::with_capacity(step.runs().len());
            for (index, run) in step.runs().iter().enumerate() {
                let drawn = draw(plan.kernel(run), run, &layouts)
                    .and_then(|fragment| {
                        let before = program.texts.len();
                        let drawn = program.add(&mut known, plan.kernel(run), run, fragment)?;
                        let new: usize = program.texts[before..].iter().map(String::len).sum();
                        budget.take(Resource::Shaders, new)?;
                        Ok(drawn)
                    })
                    .map_err(|error| error.in_node(&run.name))?;
                let subject = Subject {
                    step: number,
                    run: index,
                    with: Vec::new(),
                    dispatches: index..index + 1,
                };
                program
                    .subjects
                    .offer(drawn.program, plan.kernel(run), run, subject);
                draws.push(drawn);
            }
            program.steps.push(Step {
                count: step.count(),
                draws,
            });
        }
        Ok(program)
    }

    /// Adds a draw, with a program of its own if there is none with its text.
    fn add(
        &mut self,
        known: &mut HashMap<String, usize>,
        kernel: &Kernel,
        run: &Run,
        fragment: Fragment,
    ) -> Result<Draw> {
        let next = self.programs.len();
        let program = match known.get(&fragment.text) {
            Some(&program) => program,
            None => {
                let textures = fragment.inputs.len() + usize::from(fragment.previous);
                let Glsl {
                    text,
                    uniform,
                    samplers,
                } = translate(next, &fragment.text, textures)?;
                self.programs.push(FragmentProgram { uniform, samplers });
                self.texts.push(text);
                self.families.push(kernel.family());
                self.sources.push(fragment.text.clone());
                known.insert(fragment.text, next);
                next
            }
        };
        self.kernel_bytes[run.kernel.0] = self.texts[program].len();
        let space = |operand: usize| match run.arguments[operand].space {
            Space::Weights | Space::Prepared => -1,
            Space::Arena(arena) => arena.0 as isize,
        };
        let out = kernel
            .operands()
            .iter()
            .position(|operand| operand.role == Role::Out);
        Ok(Draw {
            program,
            inputs: fragment.inputs.iter().map(|&operand| space(operand)).collect(),
            out: out.map_or(0, |out| space(out).unsigned_abs()),
            previous: fragment.previous,
            params: fragment.params.values,
            advance: fragment
                .params
                .advances
                .iter()
                .map(|a| (a.index, a.delta))
                .collect(),
        })
    }

    /// What shows whether the programs compute what they should.
    ///
    /// # Errors
    /// When a kernel reads more than it says (a bug of ours).
    pub fn check(&self, plan: &Plan) -> Result<Check> {
        check::check(plan, &self.subjects.chosen())
    }

    /// The text of all programs, each below a line that tells its number and the family of kernels that it is for.
    pub fn text(&self) -> String {
        gpu::labelled("program", &self.texts, &self.families)
    }

    /// Draws of a prediction.
    pub fn draws(&self) -> usize {
        self.steps.iter().map(|step| step.count * step.draws.len()).sum()
    }
}
