// Types between the files of the runtime, and of the comments in index.js and worker.js.

import type { BackendName, DType, LoadOptions, ModuleName, Outputs, StepTime, TensorData } from './index.js';

/** What manifest.json holds. */
export interface Manifest {
  /** The layout of the bundle; a loader reads exactly one. */
  format: 2;
  generator: string;
  model: string;
  inputs: Slot[];
  outputs: Slot[];
  /** What each backend adds. */
  backends: { [name in BackendName]?: Section } & { wasm?: WasmSection };
  weights: { bytes: number; shards: string[] };
  files: Record<string, { bytes: number; sha256: string }>;
}

/** An input or output. */
export interface Slot {
  name: string;
  shape: number[];
  dtype: DType;
  /** What the elements of an input must be, where they are indices: the first, and the one after the last. */
  range?: [number, number];
}

/** What the manifest says of any backend. */
export interface Section {
  /** Files of its code. */
  code: { [label in string]?: string };
  /** Bytes of memory that a loaded model takes. */
  memory: number;
  /** Steps of a prediction. */
  steps: number;
  /** The file with a `StepInfo` for each step. */
  profile: string;
}

/** Buffer, first byte, bytes, what it is filled with, and what integers are below (0 for floats). */
export type Fill = [number, number, number, 'wide' | 'unit' | 'positive' | 'integers' | 'whole', number];

/** Byte, bits, and how far a float may be from it; 0 if the bits must be the same. */
export type Sample = [number, number, number];

/** What a GPU is checked with. Buffers are those of the backend's program. */
export interface CheckFile {
  kernels: {
    step: number;
    /** First and behind the last dispatch of the step. */
    dispatches: [number, number];
    /** The layer. */
    name: string;
    /** Where the results are. */
    buffer: number;
    fills: Fill[];
    patterns: { seed: number; samples: Sample[] }[];
  }[];
  /** The whole network, if it is small. */
  network: { seed: number; inputs: Fill[]; outputs: { buffer: number; samples: Sample[] }[] } | null;
}

/** What a backend lets itself be checked through. All but `read` only queue work, in order. */
export interface Checked {
  write(buffer: number, byte: number, words: Uint32Array): void;
  run(step: number, dispatches: [number, number]): void;
  /** All steps. */
  predict(): void;
  /** The words at some bytes, as they are when what was queued before is done. */
  read(buffer: number, bytes: number[]): PromiseLike<ArrayLike<number>>;
}

/** A result that is wrong: of which kernel, and whether of the first run of it or of a later one. */
export interface Fault {
  name: string;
  round: number;
  byte: number;
  expected: number;
  found: number;
}

/** What the manifest says of the wasm backend. Its memory has whole pages. */
export interface WasmSection extends Section {
  /** Steps that are run once, when the weights are there; they come first. */
  prepare: number;
  inputs: Address[];
  outputs: Address[];
  /** `ready`: how many of the steps to `prepare` can be run when a shard and those before it are there. */
  weights: { offset: number; ready: number[] };
  /** What the modules for threads need. */
  threads?: {
    /** Bytes of scratch memory for every thread but the first. */
    scratch: number;
    /** Byte address of the first worker's words: a count of commands, begin, end, the last command. The others' lie 64 before. */
    command: number;
    /** The number of threads beyond which a prediction gains little. */
    useful: number;
  };
}

/** Where an input or output lies in a memory. */
export interface Address {
  storage: 'f32' | 'i32';
  /** In bytes. */
  offset: number;
}

/** An input or output with its address. */
export interface Placed extends Slot, Address {}

/** A slot in a memory. */
export interface Place {
  slot: Placed;
  view: Float32Array | Int32Array;
}

/** What a step does. */
export interface StepInfo {
  layers: string[];
  family: string;
  /** Family, tile and extents in each variant of the code. */
  variants: Record<string, string>;
  flops: number;
  /** Of these, what the algorithm needs. */
  needed: number;
  bytes: number;
}

/** A file that is open for reading once. */
export interface Source {
  /** Where it comes over HTTP. */
  response?: Response;
  text(): Promise<string>;
  /** Fills `target` from its start and tells the length of every piece; fails if there is more than fits. */
  read(target: Uint8Array): AsyncIterable<number>;
}

/** Where a bundle lies. */
export interface Located {
  /** What says what it holds, for messages. */
  url: URL;
  manifest: Manifest;
  locate(name: string): URL;
}

/** The files of one bundle, checked as they are read. */
export interface Bundle {
  url: URL;
  manifest: Manifest;
  /** The loading was given up. */
  stopped: AbortSignal;
  /** Names the files that will be read, for the progress. */
  expect(names: string[]): void;
  /** Fills `target`, which is as long as the file. */
  fill(name: string, target: Uint8Array): Promise<void>;
  /** Reads a file that does not count for the progress. */
  json(name: string): Promise<any>;
  compile(name: string): Promise<WebAssembly.Module>;
}

/** A loaded model on one backend. Reads its inputs before it returns. */
export interface Engine {
  module: ModuleName;
  threads: number;
  fallbacks: string[];
  /** There is one thread, because workers could not be started. */
  failed?: boolean;
  /** Fills the arrays of `out`, in the order of the outputs, or new ones. */
  predict(values: TensorData[], out?: TensorData[]): Outputs | Promise<Outputs>;
  profile(values: TensorData[]): Pick<StepTime, 'step' | 'ms'>[] | Promise<Pick<StepTime, 'step' | 'ms'>[]>;
  dispose(): void;
}

/** Whether a value from a manifest makes sense. */
export type Check = (value: any) => boolean;

export interface Backend {
  /** What is its own in its section of the manifest. */
  check: Check;
  open(bundle: Bundle, options: LoadOptions): Promise<Engine>;
}

/** An engine whose weights are not prepared yet. */
export interface Opened extends Omit<Engine, 'module'> {
  prepare(begin: number, end: number): Promise<void>;
}

/** What the wasm backend needs to know of those who run a module. */
export interface Team {
  /** Size of their shared memory. */
  pages: number;
  /** Starts the workers. */
  begin(memory: WebAssembly.Memory): void;
  /** Makes instances; shared `places`. */
  open(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    places: { inputs: Place[]; outputs: Place[] },
    bundle: Bundle,
  ): Promise<Opened>;
  /** Ends what was begun, when the model cannot be opened. */
  end(error: unknown): void;
}

/** What a worker is told at first. */
export interface Setup {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  command: number;
  /** Which it is, from 0. */
  thread: number;
  threads: number;
  /** The address of its own scratch memory. */
  scratch: number;
  /** Steps to warm up with, from the first to before the last. */
  warm: [number, number];
}

/** What a worker tells: its script runs, it is ready, the steps are done, it failed. */
export type ThreadMessage = { here: true } | { ready: true } | { ms: number } | { error: string };

/** A worker of node:worker_threads. */
export interface NodeWorker {
  on(event: 'message', hear: (message: ThreadMessage) => void): void;
  on(event: 'error', hear: (error: unknown) => void): void;
  on(event: 'exit', hear: (code: number) => void): void;
  postMessage(message: Setup): void;
  terminate(): void;
  ref(): void;
  unref(): void;
}

/** A worker of any kind. Those of the web keep nothing alive. */
export type Thread = NodeWorker | (Worker & { ref?(): void; unref?(): void });

/** Starts a worker with worker.js, of the class that it is given or else of the global one. */
export type Spawn = (Other?: new (url: URL, options: { execArgv: string[] }) => NodeWorker) => Thread;
