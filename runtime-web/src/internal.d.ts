// Types between the files of the runtime, and of the comments in index.js and worker.js.

import type {
  BackendName, DType, GpuOutputs, GpuTensor, LoadOptions, ModuleName, Outputs, StepTime, TensorData,
} from './index.js';

/** What manifest.json holds. */
export interface Manifest {
  /** The layout of the bundle: 2, or 3 where weights must be decoded. */
  format: 2 | 3;
  generator: string;
  model: string;
  inputs: Slot[];
  outputs: Slot[];
  /** What each backend adds. */
  backends: { [name in BackendName]?: Section } & { wasm?: WasmSection; webgl?: WebGLSection; webgpu?: WebGPUSection };
  weights: {
    /** Of all, as backends read them. */
    bytes: number;
    shards: string[];
    /** The files' numbers in the order in which they are needed, where that is another one. */
    order?: number[];
    /** Of each file, in its order, what stands there in fewer bits. */
    encoded?: EncodedPart[][];
  };
  /** What is done to strings before a prediction. */
  strings?: { inputs: Slot[]; steps: StringStep[]; vocabularies?: string };
  /** The names of classes. */
  labels?: Labels;
  files: Record<string, { bytes: number; sha256: string }>;
}

/** Names of what the last axis of an output stands for, a list of strings in a file. */
export interface Labels {
  file: string;
  output: string;
  /** Whether the output are logits, of which softmax makes shares. */
  softmax: boolean;
}

/** What pictures an input takes. */
export interface Picture {
  height: number;
  width: number;
  /** Red, green, blue; or grey. */
  channels: 1 | 3;
  /** Whether the channels come before rows and columns. */
  first?: boolean;
  /** How a picture of another size becomes one of this. */
  resize?: { filter: Filter; fit: Fit };
}

/** Pillow's, as `load_img` has them, and those of `ops.image.resize`. */
export type Filter = 'nearest' | 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos' | 'ops-nearest' | 'ops-bilinear';

export type Fit = 'stretch' | 'crop' | 'pad';

/** Pixels of 4 bytes, red, green, blue, alpha. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** Weights in fewer bits. In the file stand the plain elements of all blocks that it touches, their scales, the levels of four bits, and the codes. */
export interface EncodedPart {
  /** Its place in the file, in bytes. */
  from: number;
  bytes: number;
  /** Where its numbers begin among all weights, in bytes, and how many there are. */
  to: number;
  elements: number;
  /** A half is a number; of the others the code or its level is multiplied by a scale. */
  encoding: 'f16' | 'int8' | 'int4';
  /** Where in its block the first number stands. */
  first: number;
  /** Numbers of a block, and of a row of it. In a row each has a scale of its own. */
  block: number;
  lanes: number;
  /** Rows of a block that share their scales. */
  rows: number;
  /** Whether the first row of a block is plain. */
  head: boolean;
}

/** An input or output. */
export interface Slot {
  name: string;
  shape: number[];
  dtype: DType;
  /** What the elements of an input must be, where they are indices: the first, and the one after the last. */
  range?: [number, number];
  /** Of an input that nobody passes: the output of the prediction before that it stands for. It is 0 at first. */
  state?: number;
  /** Where there are strings, the value that an input is: one that a page passes, or behind those what a step gives. */
  of?: number;
  /** What the integers of an output become. */
  words?: Words;
  /** What pictures an input takes, where it takes such. */
  picture?: Picture;
}

/** A vocabulary, one of those in the file: the place of its first token, what is masked with its place, and what stands for all other places. */
export interface Words {
  vocabulary: number;
  first: number;
  mask?: [string, number];
  other?: string;
}

/** What makes a value of others: strings or numbers, or rows of them. */
export type StringStep =
  | { do: 'lower' | 'strip' | 'words' | 'characters'; of: number }
  | { do: 'rows' | 'fit'; of: number; length: number }
  | { do: 'ngrams'; of: number; widths: number[] }
  | ({ do: 'lookup'; of: number; layer: string; outside: number; place: number; key?: [string, string] } & Words)
  | { do: 'count'; of: number; depth: number; hot: boolean }
  | { do: 'hash'; of: number; bins: number; mask?: string; key?: [string, string] }
  | { do: 'cross'; of: number[]; bins: number };

/** What goes through the strings of a model. */
export interface Speaking {
  /** What a page passes. */
  readonly inputs: Slot[];
  /** What a backend gets for it. */
  prepare(values: Given[]): Value[];
  /** Puts strings in the place of integers, into arrays of the page's where there are such. */
  speak(outputs: any, targets: Given[] | undefined): any;
}

/** Checks what a manifest says of strings, and opens it. */
export interface Speaks {
  check(manifest: Manifest): boolean;
  open(bundle: Bundle): Promise<Speaking | undefined>;
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
  /**
   * For each file of weights, in the order in which they are needed, how many of the steps that prepare weights and how many of a
   * prediction's can be run when it and those before it are there; absent where all or none can.
   */
  ready?: number[][];
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
  write(buffer: number, byte: number, words: Uint32Array<ArrayBuffer>): void;
  /** A part of a step, of its first round. */
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
  weights: { offset: number };
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

/** What the manifest says of the WebGPU backend. */
export interface WebGPUSection extends Section {
  /** The files of the program and of its shaders, and where it wants another one, of that for software. */
  code: Record<string, string>;
  inputs: GpuAddress[];
  outputs: GpuAddress[];
  /** What the program needs of an adapter, by the names of its limits. */
  limits: Record<string, number>;
  /** Features of an adapter that it cannot do without. */
  features?: string[];
}

/** Where an input or output lies: at a byte of one of the buffers that hold all tensors. */
export interface GpuAddress extends Address {
  arena: number;
}

/** The program of the WebGPU backend. */
export interface Program {
  /** Bytes of the buffers that hold all tensors. */
  arenas: number[];
  /** Byte offset and length of the parts of the weights that are bound instead of all of them. */
  windows?: [number, number][];
  /** The module, and for each storage buffer from binding 1 on whether it is read or written. */
  pipelines: { module: number; bindings: string }[];
  /** What is run once, when the weights are there. */
  prepare?: Dispatch[];
  steps: { count: number; dispatches: Dispatch[] }[];
}

export interface Dispatch {
  pipeline: number;
  groups: [number, number, number];
  /** What each binding is: an arena, the weights (-1), or window i of them (-2 - i). */
  buffers: number[];
  params: number[];
  /** What is added to parameters in every round of the loop: which one, how much. */
  advance?: [number, number][];
}

/** What the manifest says of the WebGL backend. */
export interface WebGLSection extends Section {
  /** The files of the program and of its shaders. */
  code: { program: string; shaders: string; check?: string };
  /** Each has a texture of its own. */
  inputs: TextureAddress[];
  outputs: TextureAddress[];
}

/** Where an input or output lies: the texture, and the byte where its first texel begins. */
export interface TextureAddress extends Address {
  texture: number;
}

/** The program of the WebGL backend. */
export interface DrawProgram {
  /** How many texels each has, and what power of two of them in a row; of a texture that is drawn in quarters, how many each has. */
  textures: { texels: number; shift: number; quarter?: number }[];
  /** The names that the shader gives the block of parameters and each input that it reads. */
  programs: { uniform?: string; samplers: (string | null)[] }[];
  steps: { count: number; draws: Draw[] }[];
}

export interface Draw {
  program: number;
  /** Textures, or the weights (-1). */
  inputs: number[];
  out: number;
  /** The first is the texel with which the layer begins that is drawn; this script adds it where there are several. */
  params: number[];
  /** What is added to parameters in every round of the loop: which one, how much. */
  advance?: [number, number][];
  /** The last input is what `out` held before. */
  previous?: boolean;
}

/** What the elements of an input or output are. */
export interface Stored {
  storage: 'f32' | 'i32';
}

/** Where an input or output lies in a memory. */
export interface Address extends Stored {
  /** In bytes. */
  offset: number;
}

/** An input or output with its address. */
export interface Placed extends Slot, Address {}

/** The numbers of an output as a backend has them. */
export interface Result {
  slot: Slot;
  view: Float32Array | Int32Array;
}

/** A slot in a memory. */
export interface Place extends Result {
  slot: Placed;
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
  /** What keeps its files, where that was asked for. */
  kept?: Kept | undefined;
  /** Or why nothing does. */
  why?: string | undefined;
}

/** What a model tells of how its files are kept. */
export interface Keeping {
  cached: boolean;
  stored: Promise<string | undefined>;
}

/** What keeps the files of a model, by their SHA-256, from one visit to the next. */
export interface Kept {
  /** Whether all that was looked for so far was there and whole. */
  complete: boolean;
  /** The file, if it is there; `url` is for messages. */
  source(url: URL, key: string): Promise<Source | undefined>;
  /** Copies it at once and writes it later. */
  keep(key: string, bytes: Uint8Array<ArrayBuffer> | string, type: string): Promise<void>;
  drop(key: string): Promise<void>;
  /** Waits for what is being written and drops what has none of these keys; gives why not all is kept. */
  settle(keys: string[]): Promise<string | undefined>;
}

/** The files of one bundle, checked as they are read. */
export interface Bundle {
  url: URL;
  manifest: Manifest;
  /** The loading was given up. */
  stopped: AbortSignal;
  /** Where a model answers before all weights are there: hears of those that are. */
  arrival?: Arrival;
  /** The same files once more, when nobody looks at the progress. */
  again(): Bundle;
  /** Names the files that will be read, for the progress, which begins anew. */
  expect(names: string[]): void;
  /** Fills `target`, which is as long as the file. */
  fill(name: string, target: Uint8Array): Promise<void>;
  /** Reads a file that does not count for the progress. */
  json(name: string): Promise<any>;
  /** Reads a file of code. */
  text(name: string): Promise<string>;
  compile(name: string): Promise<WebAssembly.Module>;
}

/** What `predict` gets for an input: numbers of the page's, or a buffer of the GPU. */
export type Value = TensorData | GpuTensor;

/** What a page passes: such, or strings. */
export type Given = Value | string[];

/** The same as a device takes it. */
export type GpuInput = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | GpuTensor;

/** A model on one device, of no use when that is lost. */
export interface Core {
  module: ModuleName;
  /** The file with what it is checked with, where others of the same backend may have another one. */
  check?: string | undefined;
  /** Whether it takes and gives buffers of the device. */
  buffers: boolean;
  /** Why the device is lost, when it is. */
  lost: Promise<string>;
  /** All that asks for work does so before it returns. */
  predict(inputs: GpuInput[], out?: TensorData[], onGpu?: boolean, from?: number): Promise<Outputs | GpuOutputs>;
  /** Some steps of a prediction, which takes its inputs before the first; `predict` does the rest, `from` the one after the last. */
  part(inputs: GpuInput[], begin: number, end: number): Promise<void>;
  profile(inputs: GpuInput[]): Promise<Pick<StepTime, 'step' | 'ms'>[]>;
  checked(): Checked;
  /** Tells whether a prediction can be run at all, by an error; `there`: the weights are. */
  rehearse(there?: boolean): Promise<void>;
  destroy(): void;
}

/** A loaded model on one backend. Reads its inputs before it returns. */
export interface Engine {
  module: ModuleName;
  threads: number;
  fallbacks: string[];
  /** There is one thread, because workers could not be started. */
  failed?: boolean;
  /** It takes and gives buffers of a GPU. */
  buffers?: boolean;
  /** Fills the arrays of `out`, in the order of the outputs, or new ones, or leaves the results on the GPU. */
  predict(values: Value[], out?: TensorData[], onGpu?: boolean): Outputs | GpuOutputs | Promise<Outputs | GpuOutputs>;
  /** Compares what it computes with what the compiler computed, and says what differs, if anything does. */
  check?: (() => Promise<string | undefined>) | undefined;
  /** A prediction is so little work that another backend may be done sooner than its results are read. */
  small?: boolean;
  profile(values: Value[]): Pick<StepTime, 'step' | 'ms'>[] | Promise<Pick<StepTime, 'step' | 'ms'>[]>;
  /** Predicts with steps as `walk` has them run, and then the rest. */
  inParts?(values: Value[], walk: Walk, out?: TensorData[], onGpu?: boolean): Promise<Outputs | GpuOutputs>;
  /** Where it answers before all weights are there: resolves when they are, and it is checked. */
  ready?: Promise<void>;
  dispose(): void;
}

/** What hears of the weights of a model that answers before all of them are there. */
export interface Arrival {
  /** A file is there and what it needs is prepared: its place in the order of files. */
  has(turn: number): void;
  /** Gives what can work without weights, unless these fail before. */
  wait<T>(opened: Promise<T>, whole: Promise<unknown>): Promise<T>;
  /** Lets an engine answer from now on. */
  answer<T extends Engine>(engine: T): T;
}

/** Has ranges of steps run when they can be; gives the first step that is left when all weights are there. */
export type Walk = (run: (begin: number, end: number) => unknown) => Promise<number>;

/** Whether a value from a manifest makes sense. */
export type Check = (value: any) => boolean;

export interface Backend {
  /** What is its own in its section of the manifest. */
  check: Check;
  /** `automatic`: nobody has asked for it by name, so that it is for what is faster than others only. */
  open(bundle: Bundle, options: LoadOptions, automatic: boolean): Promise<Engine>;
}

/** What a model runs on at a time. */
export interface Running {
  backend: BackendName;
  engine: Engine;
  steps: StepInfo[] | undefined;
  /** Calls that it has not answered. */
  users: number;
}

/** What tries backends. */
export interface Chooser {
  /** The first of these that works; `as` may change how files are read. */
  choose(names: BackendName[], as?: (bundle: Bundle) => Bundle): Promise<Choice>;
  /** Ends the downloads. */
  stop(reason: unknown): void;
}

/** Has one backend answer until one of the others is there. */
export type Warming = (loading: Chooser, warm: BackendName, names: BackendName[]) => Promise<Choice>;

/** Takes whatever answers sooner: what runs, or what else can be opened. `slots` are the inputs. */
export type Comparing = (running: Running, open: () => Promise<Running>, slots: Slot[]) => Promise<{ running: Running; fallbacks: string[] }>;

/** Says where the outputs of what runs differ from those of what is opened, for these values of the inputs or others. */
export type Verifying = (running: Running, open: () => Promise<Choice>, slots: Slot[], values?: Value[]) => Promise<string | undefined>;

/** What was found to run on. */
export interface Choice {
  running?: Running;
  /** Why it is nothing better, a sentence each. */
  fallbacks: string[];
  /** What takes over when it is ready; without `running` nothing does. */
  later?: Promise<Choice>;
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
