//! Runs WGSL natively, through wgpu: on Mesa's software GPU, which every machine can have.
//!
//! The device has the limits that every WebGPU has and no feature, so that what runs here stays within them.

mod beside;
mod loaded;
mod model;
mod program;
#[cfg(test)]
mod tests;

pub use beside::first_wrong_step;
pub use loaded::{Built, Loaded};
pub use model::Model;
pub use program::{Dispatch, PipelineSpec, Program, ProgramStep, ShaderText, shader_texts, window};

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use wgpu::{Device, ErrorFilter, Limits, Queue};

/// A device with what was compiled for it.
pub struct Gpu {
    device: Device,
    queue: Queue,
    /// By text of the module and letters of its bindings; many models share kernels.
    pipelines: Mutex<HashMap<(String, String), Arc<Compiled>>>,
}

/// A pipeline with the layout of its bindings.
struct Compiled {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Gpu {
    /// The device of this process, with the limits that every WebGPU has.
    ///
    /// # Panics
    /// When there is no Vulkan adapter: a test that lacks its machine fails.
    pub fn get() -> &'static Self {
        static GPU: OnceLock<Gpu> = OnceLock::new();
        GPU.get_or_init(|| Self::new(Limits::defaults()))
    }

    /// A device with other limits.
    ///
    /// # Panics
    /// When there is no Vulkan adapter, or it does not reach these limits.
    pub fn new(limits: Limits) -> Self {
        let adapter = adapter();
        let descriptor = wgpu::DeviceDescriptor {
            required_limits: limits,
            ..Default::default()
        };
        let (device, queue) = wait(adapter.request_device(&descriptor)).unwrap_or_else(|error| {
            panic!("{} is not a device: {error}", adapter.get_info().name);
        });
        Self {
            device,
            queue,
            pipelines: Mutex::default(),
        }
    }

    /// What the device promises.
    pub fn limits(&self) -> Limits {
        self.device.limits()
    }

    /// Runs `action`, and gives what the device says about it, `what` in front.
    fn checked<T>(&self, what: &str, action: impl FnOnce() -> T) -> Result<T, String> {
        let filters = [
            ErrorFilter::OutOfMemory,
            ErrorFilter::Internal,
            ErrorFilter::Validation,
        ];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let value = action();
        let errors = scopes.into_iter().rev().filter_map(|scope| wait(scope.pop()));
        let errors: Vec<String> = errors.map(|error| error.to_string()).collect();
        if errors.is_empty() {
            Ok(value)
        } else {
            Err(format!("{what}: {}", errors.join("; ")))
        }
    }

    /// The pipeline of a module, compiled at its first use.
    fn compiled(&self, shader: &ShaderText, bindings: &str) -> Result<Arc<Compiled>, String> {
        // The number of a module is not part of what it does.
        let body = shader.text.split_once('\n').map_or("", |(_, body)| body);
        let key = (body.to_owned(), bindings.to_owned());
        if let Some(known) = self.pipelines.lock().expect("no thread panics").get(&key) {
            return Ok(known.clone());
        }
        let what = format!("module {:?}", shader.title);
        let compiled = Arc::new(self.checked(&what, || self.compile(shader, bindings))?);
        let mut known = self.pipelines.lock().expect("no thread panics");
        known.insert(key, compiled.clone());
        Ok(compiled)
    }

    fn compile(&self, shader: &ShaderText, bindings: &str) -> Compiled {
        let label = Some(shader.title.as_str());
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(shader.text.as_str().into()),
        });
        let entry = |binding, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset,
                min_binding_size: None,
            },
            count: None,
        };
        let storage = bindings.chars().enumerate().map(|(i, letter)| {
            let read_only = letter == 'r';
            entry(
                i as u32 + 1,
                wgpu::BufferBindingType::Storage { read_only },
                false,
            )
        });
        let entries: Vec<_> = std::iter::once(entry(0, wgpu::BufferBindingType::Uniform, true))
            .chain(storage)
            .collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label,
                entries: &entries,
            });
        let whole = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
        let pipeline = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&whole),
                module: &module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            });
        Compiled { pipeline, layout }
    }
}

/// The Vulkan adapter whose name contains what the variable `GPU_ADAPTER` says; a software one if it is not set, so that
/// results are the same on every machine.
fn adapter() -> wgpu::Adapter {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN,
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let wanted = std::env::var("GPU_ADAPTER").ok();
    let is_wanted = |info: &wgpu::AdapterInfo| match &wanted {
        Some(name) => info.name.contains(name.as_str()),
        None => info.device_type == wgpu::DeviceType::Cpu,
    };
    let all = wait(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let names: Vec<String> = all.iter().map(|adapter| adapter.get_info().name).collect();
    let mut all = all.into_iter();
    all.find(|adapter| is_wanted(&adapter.get_info()))
        .unwrap_or_else(|| {
            let wanted = wanted.map_or("a software adapter".to_owned(), |name| format!("{name:?}"));
            panic!("no Vulkan adapter is {wanted} (there are {names:?}): install mesa-vulkan-drivers")
        })
}

/// Waits for what is done without anybody waking us: natively wgpu's futures are ready when they are made.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}
