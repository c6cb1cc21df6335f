//! Runs emitted modules in wasmtime on several threads.

use keras_compile::backends::wasm::{COMMAND_AT, Features, Module, Threading, emit};
use keras_compile::plan::{Binding, Plan};
use keras_compile::tensor::{DType, Data, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use wasmtime::{Config, Engine, Instance, MemoryType, SharedMemory, Store, TypedFunc};

const PAGE: usize = 65536;

/// The words of all threads but the leader.
const CALLS_AT: usize = COMMAND_AT - 64;

/// `get(address)` and `set(address, word)`: the way into shared memory without unsafe code.
#[rustfmt::skip]
const ACCESS: &[u8] = &[
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    1, 11, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 2, 0x7f, 0x7f, 0, // types
    2, 18, 1, 3, b'e', b'n', b'v', 6, b'm', b'e', b'm', b'o', b'r', b'y', 2, 3, 1, 0x80, 0x80, 4, // shared memory
    3, 3, 2, 0, 1, // functions
    7, 13, 2, 3, b'g', b'e', b't', 0, 0, 3, b's', b'e', b't', 0, 1,
    10, 19, 2, 7, 0, 0x20, 0, 0x28, 2, 0, 0x0b, 9, 0, 0x20, 0, 0x20, 1, 0x36, 2, 0, 0x0b, // code
];

/// A module for threads, compiled.
pub struct Threaded {
    engine: Engine,
    module: Module,
    compiled: wasmtime::Module,
    access: wasmtime::Module,
}

/// A thread of a model.
struct Thread {
    store: Store<()>,
    run: TypedFunc<(i32, i32), ()>,
    help: TypedFunc<(), ()>,
}

/// Words of a shared memory.
struct Words {
    store: Store<()>,
    get: TypedFunc<i32, i32>,
    set: TypedFunc<(i32, i32), ()>,
}

impl Words {
    fn set(&mut self, at: usize, words: impl IntoIterator<Item = u32>) {
        for (i, word) in words.into_iter().enumerate() {
            let address = (at + 4 * i) as u32 as i32;
            self.set
                .call(&mut self.store, (address, word as i32))
                .expect("it lies in memory");
        }
    }

    fn get(&mut self, at: usize, count: usize) -> Vec<u32> {
        let word = |i: usize| {
            let address = (at + 4 * i) as u32 as i32;
            let word = self.get.call(&mut self.store, address);
            word.expect("it lies in memory") as u32
        };
        (0..count).map(word).collect()
    }
}

fn words(tensor: &Tensor) -> Vec<u32> {
    match tensor.data() {
        Data::F32(d) => d.iter().map(|v| v.to_bits()).collect(),
        Data::I32(d) => d.iter().map(|&v| v as u32).collect(),
    }
}

impl Threaded {
    /// Emits and compiles a plan; every step that has several units is divided.
    ///
    /// # Panics
    /// When that fails: a test would.
    pub fn new(plan: &Plan, features: Features) -> Self {
        let module = emit(plan, features, Threading::Multi { worth: 0 }).expect("the plan is emitted");
        let mut config = Config::new();
        config.wasm_simd(true).wasm_relaxed_simd(true);
        config.wasm_threads(true).shared_memory(true);
        let engine = Engine::new(&config).expect("wasmtime starts");
        Self {
            compiled: wasmtime::Module::new(&engine, &module.bytes).expect("wasmtime accepts the module"),
            access: wasmtime::Module::new(&engine, ACCESS).expect("wasmtime accepts the other module"),
            engine,
            module,
        }
    }

    fn thread(&self, memory: &SharedMemory, thread: usize, threads: usize) -> Thread {
        let mut store = Store::new(&self.engine, ());
        let instance = Instance::new(&mut store, &self.compiled, &[memory.clone().into()])
            .expect("the module is instantiated");
        let start: TypedFunc<(i32, i32), ()> = instance
            .get_typed_func(&mut store, "start")
            .expect("start is exported");
        let scratch = match thread {
            0 => 0,
            _ => self.module.pages * PAGE + (thread - 1) * self.module.scratch_bytes,
        };
        start
            .call(&mut store, (threads as i32, scratch as i32))
            .expect("start does not trap");
        let run = instance
            .get_typed_func(&mut store, "run")
            .expect("run is exported");
        let help = instance
            .get_typed_func(&mut store, "help")
            .expect("help is exported");
        Thread { store, run, help }
    }

    /// Predicts twice on so many threads, from an arena full of NaN; gives the second outputs.
    ///
    /// # Panics
    /// When the module traps, a tensor does not fit its binding, or the two predictions differ.
    pub fn predict(&self, plan: &Plan, inputs: &[Tensor], threads: usize) -> Vec<Tensor> {
        let scratch = (threads - 1) * self.module.scratch_bytes;
        let pages = (self.module.pages + scratch.div_ceil(PAGE)) as u32;
        let memory =
            SharedMemory::new(&self.engine, MemoryType::shared(pages, pages)).expect("memory is there");
        // Instances write the records, so all are made before any of them runs.
        let mut team: Vec<Thread> = (0..threads)
            .map(|thread| self.thread(&memory, thread, threads))
            .collect();
        let mut words = self.words(&memory);
        for (offset, data) in plan.weights.parts() {
            words.set(
                self.module.weights_at + offset,
                data.iter().map(|value| value.to_bits()),
            );
        }
        words.set(
            self.module.arena_at,
            std::iter::repeat_n(f32::NAN.to_bits(), plan.arena_bytes / 4),
        );
        let prepare = plan.prepare.len() as i32;
        let (leader, helpers) = team.split_first_mut().expect("one thread at least");
        let (first, second) = std::thread::scope(|scope| {
            for Thread { store, help, .. } in helpers {
                scope.spawn(move || help.call(store, ()).expect("the module does not trap"));
            }
            let Thread { store, run, .. } = leader;
            let mut run = |begin, end| {
                run.call(&mut *store, (begin, end))
                    .expect("the module does not trap")
            };
            let mut predict = |prepared: bool| {
                if !prepared {
                    run(0, prepare);
                }
                for (binding, tensor) in plan.inputs.iter().zip(inputs) {
                    words.set(self.module.arena_at + binding.offset, self::words(tensor));
                }
                run(prepare, prepare + plan.steps.len() as i32);
                let outputs = plan.outputs.iter();
                outputs
                    .map(|binding| self.read(&mut words, binding))
                    .collect::<Vec<_>>()
            };
            let predictions = catch_unwind(AssertUnwindSafe(|| (predict(false), predict(true))));
            // A call that is the last, also when the leader has failed: the helpers would wait for ever.
            let calls = words.get(CALLS_AT, 1)[0];
            words.set(CALLS_AT, [calls.wrapping_add(1), 0, 1]);
            let woken = memory.atomic_notify(CALLS_AT as u64, u32::MAX);
            woken.expect("it lies in memory");
            predictions.unwrap_or_else(|panic| resume_unwind(panic))
        });
        let bits = |tensors: &[Tensor]| tensors.iter().map(self::words).collect::<Vec<_>>();
        assert_eq!(bits(&first), bits(&second), "two predictions");
        second
    }

    fn words(&self, memory: &SharedMemory) -> Words {
        let mut store = Store::new(&self.engine, ());
        let instance = Instance::new(&mut store, &self.access, &[memory.clone().into()])
            .expect("the module is instantiated");
        Words {
            get: instance
                .get_typed_func(&mut store, "get")
                .expect("get is exported"),
            set: instance
                .get_typed_func(&mut store, "set")
                .expect("set is exported"),
            store,
        }
    }

    fn read(&self, words: &mut Words, binding: &Binding) -> Tensor {
        let found = words.get(self.module.arena_at + binding.offset, binding.ty.shape.count());
        let data = match binding.ty.dtype {
            DType::F32 => Data::F32(found.into_iter().map(f32::from_bits).collect()),
            DType::I32 => Data::I32(found.into_iter().map(|w| w as i32).collect()),
        };
        Tensor::new(binding.ty.shape.clone(), data).expect("as many as the shape says")
    }
}

/// Compares a module on one, two and three threads with the outputs of the single-threaded one, bit for bit.
///
/// # Errors
/// The first difference.
///
/// # Panics
/// As [`Threaded::predict`].
pub fn same_on_threads(
    plan: &Plan,
    features: Features,
    inputs: &[Tensor],
    expected: &[Tensor],
) -> Result<(), String> {
    let threaded = Threaded::new(plan, features);
    for threads in 1..=3 {
        let found = threaded.predict(plan, inputs, threads);
        if found.len() != expected.len() {
            let (found, expected) = (found.len(), expected.len());
            return Err(format!(
                "{features:?} on {threads} threads: {found} outputs instead of {expected}"
            ));
        }
        for (expected, found) in expected.iter().zip(&found) {
            let (expected, found) = (words(expected), words(found));
            if let Some(i) = (0..expected.len()).find(|&i| expected[i] != found[i]) {
                let [e, f] = [expected[i], found[i]].map(f32::from_bits);
                return Err(format!(
                    "{features:?} on {threads} threads: element {i} is {f} instead of {e}"
                ));
            }
        }
    }
    Ok(())
}
