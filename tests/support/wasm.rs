//! Runs emitted modules in wasmtime.

use keras_compile::backends::wasm::{Features, Module, Threading, emit};
use keras_compile::plan::{Binding, Plan};
use keras_compile::tensor::{DType, Data, Tensor};
use wasmtime::{Config, Engine, Instance, Memory, MemoryType, Store, TypedFunc};

/// An instantiated model.
pub struct Instantiated {
    store: Store<()>,
    memory: Memory,
    run: TypedFunc<(i32, i32), ()>,
    module: Module,
    /// Steps of a prediction.
    steps: std::ops::Range<i32>,
}

impl Instantiated {
    /// Emits a plan with the given features and instantiates it with its weights.
    ///
    /// # Panics
    /// When any of it fails: a test would.
    pub fn new(plan: &Plan, features: Features) -> Self {
        let module = emit(plan, features, Threading::Single).expect("the plan is emitted");
        let mut config = Config::new();
        config.wasm_simd(true).wasm_relaxed_simd(true);
        let engine = Engine::new(&config).expect("wasmtime starts");
        let mut store = Store::new(&engine, ());
        let pages = module.pages as u32;
        let memory = Memory::new(&mut store, MemoryType::new(pages, Some(pages))).expect("memory is there");
        let compiled = wasmtime::Module::new(&engine, &module.bytes).expect("wasmtime accepts the module");
        let instance =
            Instance::new(&mut store, &compiled, &[memory.into()]).expect("the module is instantiated");
        let run = instance
            .get_typed_func(&mut store, "run")
            .expect("run is exported");
        let (prepare, steps) = (plan.prepare.len() as i32, plan.steps.len() as i32);
        for (offset, data) in plan.weights.parts() {
            let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
            memory
                .write(&mut store, module.weights_at + offset, &bytes)
                .expect("weights fit");
        }
        run.call(&mut store, (0, prepare))
            .expect("the preparation does not trap");
        Self {
            store,
            memory,
            run,
            module,
            steps: prepare..prepare + steps,
        }
    }

    /// Fills the arena with NaN, so that what is read before it is written shows.
    ///
    /// # Panics
    /// Never, the arena lies in memory.
    pub fn poison(&mut self, plan: &Plan) {
        let start = self.module.arena_at;
        let bytes = f32::NAN.to_le_bytes().repeat(plan.arena_bytes / 4);
        self.memory
            .write(&mut self.store, start, &bytes)
            .expect("the arena lies in memory");
    }

    /// Writes inputs, runs all steps and reads outputs.
    ///
    /// # Panics
    /// When the module traps or a tensor does not fit its binding.
    pub fn predict(&mut self, plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor> {
        assert_eq!(inputs.len(), plan.inputs.len());
        for (binding, tensor) in plan.inputs.iter().zip(inputs) {
            assert_eq!(binding.ty, tensor.ty());
            let bytes: Vec<u8> = match tensor.data() {
                Data::F32(d) => d.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Data::I32(d) => d.iter().flat_map(|v| v.to_le_bytes()).collect(),
            };
            self.memory
                .write(&mut self.store, self.module.arena_at + binding.offset, &bytes)
                .expect("it fits");
        }
        self.run
            .call(&mut self.store, (self.steps.start, self.steps.end))
            .expect("the module does not trap");
        plan.outputs.iter().map(|binding| self.read(binding)).collect()
    }

    fn read(&self, binding: &Binding) -> Tensor {
        let mut bytes = vec![0; binding.ty.shape.count() * 4];
        self.memory
            .read(&self.store, self.module.arena_at + binding.offset, &mut bytes)
            .expect("it lies in memory");
        let words = bytes
            .chunks_exact(4)
            .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        let data = match binding.ty.dtype {
            DType::F32 => Data::F32(words.map(f32::from_bits).collect()),
            DType::I32 => Data::I32(words.map(|w| w as i32).collect()),
        };
        Tensor::new(binding.ty.shape.clone(), data).expect("as many as the shape says")
    }
}
