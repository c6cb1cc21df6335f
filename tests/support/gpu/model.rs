//! A graph, compiled by the WebGPU backend and run.

use super::loaded::{Needs, has_other, words};
use super::{Built, Gpu, Loaded, first_wrong_step, window};
use keras_compile::backends::webgpu::Machine;
use keras_compile::backends::{self, Build, Options, Precision};
use keras_compile::graph::Graph;
use keras_compile::plan;
use keras_compile::tensor::{Tensor, TensorType};

/// A model on a device.
pub struct Model {
    /// Its plan and its code.
    pub build: Build,
    /// The code as the runtime reads it.
    pub built: Built,
    loaded: Loaded<'static>,
}

impl Model {
    /// Plans an optimised graph, generates its code and loads it.
    ///
    /// # Errors
    /// What any of it says.
    pub fn new(graph: &Graph) -> Result<Self, String> {
        Self::with(graph, Options::default(), Machine::Hardware)
    }

    /// The same with weights in half precision.
    ///
    /// # Errors
    /// What any of it says.
    pub fn with_halves(graph: &Graph) -> Result<Self, String> {
        let options = Options {
            gpu_precision: Precision::F16,
            ..Options::default()
        };
        Self::with(graph, options, Machine::Hardware)
    }

    /// A model for each of the programs that a bundle has: for GPUs, and where it is another one, for software.
    ///
    /// # Errors
    /// What any of it says.
    pub fn all(graph: &Graph) -> Result<Vec<Self>, String> {
        let first = Self::new(graph)?;
        let mut all = Vec::new();
        if has_other(&first.build) {
            all.push(Self::with(graph, Options::default(), Machine::Software)?);
        }
        all.insert(0, first);
        Ok(all)
    }

    /// The same with these options.
    fn with(graph: &Graph, options: Options, machine: Machine) -> Result<Self, String> {
        let backend = backends::find("webgpu").ok_or("there is no backend \"webgpu\"")?;
        let plan = plan::plan(graph, (backend.target)(options).as_ref());
        let plan = plan.map_err(|error| format!("plan: {error}"))?;
        let build = backend
            .build(plan, options)
            .map_err(|error| format!("code: {error}"))?;
        let section = &build.emitted.section;
        (backend.check)(section).map_err(|error| format!("section: {error}"))?;
        let built = Built::new(&build, machine)?;
        let least = built.least();
        if !built.ports.limits.cover(&least) {
            return Err(format!("{:?} instead of {least:?}", built.ports.limits));
        }
        let gpu = Gpu::get();
        let (needed, offered) = (
            least.max_storage_buffer_binding_size,
            gpu.limits().max_storage_buffer_binding_size,
        );
        if needed > offered {
            return Err(format!(
                "needs {needed} bytes in a binding, and the device offers {offered}"
            ));
        }
        let loaded = Loaded::new(gpu, &built.program, &built.shaders, &built.weights)?;
        Ok(Self { build, built, loaded })
    }

    /// Predicts twice, from memory that is NaN and from what the first left there; both must be the same.
    ///
    /// # Errors
    /// What the device says, or where the second differs.
    pub fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
        let plan = &self.build.plan;
        let types: Vec<TensorType> = plan.outputs.iter().map(|binding| binding.ty.clone()).collect();
        self.loaded.poison()?;
        let predict = || self.loaded.predict(&self.built.ports, inputs, &types);
        let (first, second) = (predict()?, predict()?);
        let bits = |tensors: &[Tensor]| tensors.iter().flat_map(words).collect::<Vec<_>>();
        let (a, b) = (bits(&first), bits(&second));
        match (0..a.len()).find(|&i| a[i] != b[i]) {
            None => Ok(second),
            Some(i) => {
                let [a, b] = [a[i], b[i]].map(f32::from_bits);
                Err(format!(
                    "element {i} of the second prediction is {b} instead of {a}"
                ))
            }
        }
    }

    /// Which step is wrong, if one is.
    ///
    /// # Errors
    /// What the device says.
    pub fn first_wrong_step(&self, inputs: &[Tensor]) -> Result<Option<String>, String> {
        first_wrong_step(&self.build.plan, &self.loaded, inputs)
    }

    /// In words, behind another error.
    pub fn explained(&self, error: &str, inputs: &[Tensor]) -> String {
        match self.first_wrong_step(inputs) {
            Ok(Some(step)) => format!("{error}\n    {step}"),
            Ok(None) => format!("{error}\n    every step alone is right"),
            Err(other) => format!("{error}\n    step by step: {other}"),
        }
    }
}

impl Built {
    /// What the program needs of buffers, as its dispatches tell.
    fn least(&self) -> Needs {
        let weights = self.weights.len().next_multiple_of(16) as u64;
        let program = &self.program;
        let bound = program.steps.iter().flat_map(|step| &step.dispatches);
        let bound = bound.chain(&program.prepare);
        let bound = bound.flat_map(|dispatch| &dispatch.buffers);
        let bytes = bound.map(|&buffer| match usize::try_from(buffer) {
            Ok(arena) => program.arenas[arena],
            Err(_) => window(&program.windows, buffer).map_or(weights, |&(_, size)| size),
        });
        let bindings = program.pipelines.iter().map(|pipeline| pipeline.bindings.len());
        Needs {
            max_buffer_size: program.arenas.iter().copied().fold(weights, u64::max),
            max_storage_buffer_binding_size: bytes.max().unwrap_or(0),
            max_storage_buffers_per_shader_stage: bindings.max().unwrap_or(0) as u32,
        }
    }
}

impl Needs {
    /// Whether what needs `least` runs where this is promised.
    fn cover(&self, least: &Self) -> bool {
        self.max_buffer_size >= least.max_buffer_size
            && self.max_storage_buffer_binding_size >= least.max_storage_buffer_binding_size
            && self.max_storage_buffers_per_shader_stage >= least.max_storage_buffers_per_shader_stage
    }

    /// The limits of every WebGPU, and more where this asks for it.
    pub fn limits(&self) -> wgpu::Limits {
        let least = wgpu::Limits::defaults();
        wgpu::Limits {
            max_buffer_size: least.max_buffer_size.max(self.max_buffer_size),
            max_storage_buffer_binding_size: least
                .max_storage_buffer_binding_size
                .max(self.max_storage_buffer_binding_size),
            ..least
        }
    }
}
