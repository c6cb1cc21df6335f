//! A program in the memory of a device.

use super::{Compiled, Dispatch, Gpu, Program, ShaderText, shader_texts, window};
use keras_compile::backends::webgpu::Machine;
use keras_compile::backends::{Build, CodeFile};
use keras_compile::plan::Plan;
use keras_compile::tensor::{DType, Data, Tensor, TensorType};
use serde::Deserialize;
use std::sync::Arc;

/// Bytes between slices of uniforms: the offset alignment that every WebGPU has.
const SLICE: usize = 2048;

/// The bits of what arenas hold before a prediction, so that what is read before it is written shows.
const POISON: u32 = 0x7fc0_0000;

/// Everything of a build that a device needs.
#[derive(Debug)]
pub struct Built {
    /// The program.
    pub program: Program,
    /// Its modules.
    pub shaders: Vec<ShaderText>,
    /// The weights.
    pub weights: Vec<u8>,
    /// Where inputs and outputs lie.
    pub ports: Ports,
}

/// Where inputs and outputs lie, and what the program needs: the backend's section of the manifest.
#[derive(Debug, Clone, Deserialize)]
pub struct Ports {
    /// In the order of the model's inputs.
    pub inputs: Vec<Port>,
    /// In the order of the model's outputs.
    pub outputs: Vec<Port>,
    /// What the program needs.
    pub limits: Needs,
}

/// Where a value lies.
#[derive(Debug, Clone, Deserialize)]
pub struct Port {
    /// Its element type: `f32` or `i32`.
    pub storage: String,
    /// The arena.
    pub arena: usize,
    /// Byte offset in it.
    pub offset: u64,
}

/// What a program needs, by WebGPU's names. What it does not tell is no more than every device has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Needs {
    /// Bytes of the largest buffer.
    pub max_buffer_size: u64,
    /// Bytes of the largest buffer that is bound.
    pub max_storage_buffer_binding_size: u64,
    /// Buffers of a dispatch.
    pub max_storage_buffers_per_shader_stage: u32,
}

impl Built {
    /// From a build of the WebGPU backend: its program for GPUs, or that for software.
    ///
    /// # Errors
    /// When a file is missing or not what it should be.
    pub fn new(build: &Build, machine: Machine) -> Result<Self, String> {
        let other = machine == Machine::Software && has_other(build);
        let [program, shaders] = if other {
            ["program-software", "shaders-software"]
        } else {
            ["program", "shaders"]
        };
        let text = |label: &str| {
            let file = build.emitted.files.iter().find(|file| file.label == label);
            let CodeFile { bytes, .. } = file.ok_or_else(|| format!("there is no file {label:?}"))?;
            std::str::from_utf8(bytes).map_err(|error| format!("{label}: {error}"))
        };
        let section = serde_json::Value::Object(build.emitted.section.clone());
        Ok(Self {
            program: serde_json::from_str(text(program)?).map_err(|error| format!("program: {error}"))?,
            shaders: shader_texts(text(shaders)?)?,
            weights: weights(&build.plan),
            ports: serde_json::from_value(section).map_err(|error| format!("section: {error}"))?,
        })
    }
}

/// Whether a build has another program for software.
pub fn has_other(build: &Build) -> bool {
    let mut files = build.emitted.files.iter();
    files.any(|file| file.label == "program-software")
}

/// The weights as the files of a bundle hold them, one after the other.
fn weights(plan: &Plan) -> Vec<u8> {
    let mut bytes = vec![0; plan.weights.bytes()];
    for (offset, data) in plan.weights.parts() {
        for (to, value) in bytes[offset..].chunks_exact_mut(4).zip(data) {
            to.copy_from_slice(&value.to_le_bytes());
        }
    }
    bytes
}

/// A program that can be run, with its weights.
pub struct Loaded<'g> {
    gpu: &'g Gpu,
    /// For every step, its iterations one after the other.
    steps: Vec<Vec<Iteration>>,
    /// What is done before the first.
    prepare: Iteration,
    arenas: Vec<wgpu::Buffer>,
}

/// What an iteration of a step does.
type Iteration = Vec<Bound>;

/// A dispatch with all that it binds.
struct Bound {
    /// What it runs, for messages.
    title: String,
    compiled: Arc<Compiled>,
    group: wgpu::BindGroup,
    /// Where its slice of the uniforms starts.
    slice: u32,
    groups: [u32; 3],
}

impl<'g> Loaded<'g> {
    /// Compiles what was not compiled before, and fills buffers.
    ///
    /// # Errors
    /// What the device says about it, and about which module.
    pub fn new(
        gpu: &'g Gpu,
        program: &Program,
        shaders: &[ShaderText],
        weights: &[u8],
    ) -> Result<Self, String> {
        let mut pipelines = Vec::new();
        for spec in &program.pipelines {
            let shader = shaders
                .get(spec.module)
                .ok_or_else(|| format!("there is no module {}", spec.module))?;
            pipelines.push((shader, gpu.compiled(shader, &spec.bindings)?));
        }
        let arena = |(i, &bytes): (usize, &u64)| gpu.buffer(&format!("arena {i}"), bytes as usize);
        let arenas: Vec<_> = program
            .arenas
            .iter()
            .enumerate()
            .map(arena)
            .collect::<Result<_, _>>()?;
        let bytes = weights.len().next_multiple_of(16).max(16);
        let weights_buffer = gpu.buffer("weights", bytes)?;
        gpu.queue.write_buffer(&weights_buffer, 0, weights);
        let slices = |step: &super::ProgramStep| step.count as usize * step.dispatches.len();
        let prepare = super::ProgramStep {
            count: 1,
            dispatches: program.prepare.clone(),
        };
        let all = || std::iter::once(&prepare).chain(&program.steps);
        let slices: usize = all().map(slices).sum();
        let uniforms = gpu.checked("uniforms", || {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("uniforms"),
                size: (slices * SLICE).max(SLICE) as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        let mut contents = vec![0; slices * SLICE];
        let mut next = 0;
        let mut steps = Vec::new();
        for (at, step) in all().enumerate() {
            let step_name = match at.checked_sub(1) {
                None => "what is prepared".to_owned(),
                Some(at) => format!("step {at}"),
            };
            let mut iterations: Vec<Iteration> = (0..step.count).map(|_| Vec::new()).collect();
            for dispatch in &step.dispatches {
                let (shader, compiled) = pipelines
                    .get(dispatch.pipeline)
                    .ok_or_else(|| format!("{step_name}: there is no pipeline {}", dispatch.pipeline))?;
                let what = format!("{step_name}, module {:?}", shader.title);
                let group = gpu.checked(&what, || {
                    gpu.bind(
                        dispatch,
                        &compiled.layout,
                        &uniforms,
                        (&weights_buffer, &program.windows),
                        &arenas,
                    )
                })?;
                for (iteration, bound) in iterations.iter_mut().enumerate() {
                    let params = dispatch.params_at(iteration as u32);
                    if params.len() * 4 > SLICE {
                        return Err(format!("{what}: {} parameters", params.len()));
                    }
                    let slice = &mut contents[next * SLICE..(next + 1) * SLICE];
                    for (to, param) in slice.chunks_exact_mut(4).zip(params) {
                        to.copy_from_slice(&param.to_le_bytes());
                    }
                    bound.push(Bound {
                        title: shader.title.clone(),
                        compiled: compiled.clone(),
                        group: group.clone(),
                        slice: (next * SLICE) as u32,
                        groups: dispatch.groups,
                    });
                    next += 1;
                }
            }
            steps.push(iterations);
        }
        gpu.queue.write_buffer(&uniforms, 0, &contents);
        let prepare = steps.remove(0).remove(0);
        Ok(Self {
            gpu,
            steps,
            prepare,
            arenas,
        })
    }

    /// Fills all arenas with NaN, and prepares what is done once.
    ///
    /// # Errors
    /// What the device says about it.
    pub fn poison(&self) -> Result<(), String> {
        for arena in &self.arenas {
            let bytes = POISON.to_le_bytes().repeat(arena.size() as usize / 4);
            self.gpu.queue.write_buffer(arena, 0, &bytes);
        }
        self.submit("what is prepared", &self.prepare)
    }

    /// Writes words into an arena.
    pub fn write(&self, arena: usize, offset: u64, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.gpu.queue.write_buffer(&self.arenas[arena], offset, &bytes);
    }

    /// Reads words of an arena.
    ///
    /// # Errors
    /// What the device says about it.
    pub fn read(&self, arena: usize, offset: u64, words: usize) -> Result<Vec<u32>, String> {
        let (gpu, size) = (self.gpu, words as u64 * 4);
        if words == 0 {
            return Ok(Vec::new());
        }
        gpu.checked("readback", || {
            let staging = gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&self.arenas[arena], offset, &staging, 0, size);
            gpu.queue.submit([encoder.finish()]);
            staging.map_async(wgpu::MapMode::Read, .., |mapped| {
                mapped.expect("the buffer is mapped");
            });
            gpu.device
                .poll(wgpu::PollType::wait_indefinitely())
                .expect("the device answers");
            let view = staging.get_mapped_range(..).expect("the buffer is mapped");
            let words = view.chunks_exact(4);
            words
                .map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect()
        })
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// How often a step is done.
    pub fn iterations(&self, step: usize) -> usize {
        self.steps[step].len()
    }

    /// The titles of the modules that an iteration of a step runs.
    pub fn titles(&self, step: usize) -> Vec<&str> {
        let first = self.steps[step].first().into_iter().flatten();
        first.map(|bound| bound.title.as_str()).collect()
    }

    /// Runs all steps, in one pass.
    ///
    /// # Errors
    /// What the device says about it.
    pub fn run(&self) -> Result<(), String> {
        self.submit("a prediction", self.steps.iter().flatten().flatten())
    }

    /// Runs one iteration of one step.
    ///
    /// # Errors
    /// What the device says about it.
    pub fn run_iteration(&self, step: usize, iteration: usize) -> Result<(), String> {
        let what = format!("step {step}, iteration {iteration}");
        self.submit(&what, &self.steps[step][iteration])
    }

    fn submit<'b>(&self, what: &str, dispatches: impl IntoIterator<Item = &'b Bound>) -> Result<(), String> {
        let gpu = self.gpu;
        gpu.checked(what, || {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for bound in dispatches {
                pass.set_pipeline(&bound.compiled.pipeline);
                pass.set_bind_group(0, &bound.group, &[bound.slice]);
                let [x, y, z] = bound.groups;
                pass.dispatch_workgroups(x, y, z);
            }
            drop(pass);
            gpu.queue.submit([encoder.finish()]);
        })
    }

    /// Writes inputs, runs all steps and reads outputs.
    ///
    /// # Errors
    /// What the device says about it, or which port is not as wide as its tensor.
    pub fn predict(
        &self,
        ports: &Ports,
        inputs: &[Tensor],
        outputs: &[TensorType],
    ) -> Result<Vec<Tensor>, String> {
        if (ports.inputs.len(), ports.outputs.len()) != (inputs.len(), outputs.len()) {
            return Err(format!(
                "{ports:?} for {} and {} tensors",
                inputs.len(),
                outputs.len()
            ));
        }
        for (port, tensor) in ports.inputs.iter().zip(inputs) {
            port.check(tensor.ty().dtype)?;
            self.write(port.arena, port.offset, &words(tensor));
        }
        self.run()?;
        let read = |(port, ty): (&Port, &TensorType)| {
            port.check(ty.dtype)?;
            let words = self.read(port.arena, port.offset, ty.shape.count())?;
            let data = match ty.dtype {
                DType::F32 => Data::F32(words.into_iter().map(f32::from_bits).collect()),
                DType::I32 => Data::I32(words.into_iter().map(|word| word as i32).collect()),
            };
            Tensor::new(ty.shape.clone(), data).map_err(|error| error.to_string())
        };
        ports.outputs.iter().zip(outputs).map(read).collect()
    }
}

impl Port {
    fn check(&self, dtype: DType) -> Result<(), String> {
        let name = match dtype {
            DType::F32 => "f32",
            DType::I32 => "i32",
        };
        if self.storage == name {
            Ok(())
        } else {
            Err(format!("{self:?} for elements of {name}"))
        }
    }
}

/// A tensor's elements as bits.
pub(super) fn words(tensor: &Tensor) -> Vec<u32> {
    match tensor.data() {
        Data::F32(data) => data.iter().map(|value| value.to_bits()).collect(),
        Data::I32(data) => data.iter().map(|&value| value as u32).collect(),
    }
}

impl Gpu {
    /// A storage buffer.
    fn buffer(&self, label: &str, bytes: usize) -> Result<wgpu::Buffer, String> {
        self.checked(label, || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes as u64,
                usage: wgpu::BufferUsages::STORAGE
                    | wgpu::BufferUsages::COPY_DST
                    | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            })
        })
    }

    fn bind(
        &self,
        dispatch: &Dispatch,
        layout: &wgpu::BindGroupLayout,
        uniforms: &wgpu::Buffer,
        (weights, windows): (&wgpu::Buffer, &[(u64, u64)]),
        arenas: &[wgpu::Buffer],
    ) -> wgpu::BindGroup {
        let bytes = dispatch.params_at(0).len() as u64 * 4;
        let params = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: uniforms,
            offset: 0,
            size: bytes.try_into().ok(),
        });
        let storage = dispatch.buffers.iter().map(|&buffer| {
            if let Ok(arena) = usize::try_from(buffer) {
                return arenas[arena].as_entire_binding();
            }
            let Some(&(offset, size)) = window(windows, buffer) else {
                return weights.as_entire_binding();
            };
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: weights,
                offset,
                size: size.try_into().ok(),
            })
        });
        let resources = std::iter::once(params).chain(storage);
        let entries: Vec<_> = resources
            .zip(0..)
            .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout,
            entries: &entries,
        })
    }
}
