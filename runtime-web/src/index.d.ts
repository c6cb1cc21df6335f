// keras-compile: the model {
/** What `predict` takes: an array per input of the Keras model, by name. */
export interface Inputs {
  [name: string]: TensorData | Bytes | readonly string[] | string | Picture | readonly Picture[];
}
/** What `predict` gives: an array per output of the Keras model, by name. */
export interface Outputs {
  [name: string]: TensorData | string[];
}
/** What `predict` accepts; a model with a single input also takes the bare array. */
export type PredictInput = Inputs | TensorData | Bytes | readonly string[] | string | Picture | readonly Picture[];
/** The names of the classes; none without --labels. */
export type Label = string;
/** The inputs of this model, in Keras' order. */
export type InputInfos = readonly TensorInfo[];
/** The outputs of this model, in Keras' order. */
export type OutputInfos = readonly TensorInfo[];
/** The backends that this bundle holds. */
export type BackendName = 'wasm' | 'webgl' | 'webgpu';
/** The variants of their code. */
export type ModuleName = 'baseline' | 'f32' | 'relaxed';
// keras-compile: }

/** The typed arrays of Keras' element types; bool is a `Uint8Array`. Strings are in an `Array`. */
export type TensorData =
  | Float32Array | Float64Array
  | Int8Array | Int16Array | Int32Array | BigInt64Array
  | Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** Numbers from 0 to 255, which every input takes but one of int8: a canvas gives a `Uint8ClampedArray`. */
export type Bytes = Uint8Array | Uint8ClampedArray;

/** Whatever has that name where TypeScript knows it. */
type Known<Name extends string> = typeof globalThis extends { [name in Name]: { prototype: infer Instance } } ? Instance : never;

/** Pixels of 4 bytes: red, green, blue, alpha. */
export interface Pixels {
  readonly data: Bytes;
  readonly width: number;
  readonly height: number;
}

/** What an input takes that was compiled with `--image`: a picture of any size, if the network's was to be made of it. */
export type Picture =
  | Pixels
  | Known<'HTMLImageElement'> | Known<'HTMLVideoElement'> | Known<'VideoFrame'> | Known<'ImageBitmap'>
  | Known<'HTMLCanvasElement'> | Known<'OffscreenCanvas'> | Known<'ImageData'> | Known<'Blob'>;

/** A class with its place and the share that the network gives it. */
export interface Classified {
  label: Label;
  index: number;
  score: number;
}

/** Keras' element type of an input or output. */
export type DType =
  | 'float32' | 'float64' | 'bool'
  | 'int8' | 'int16' | 'int32' | 'int64'
  | 'uint8' | 'uint16' | 'uint32' | 'uint64' | 'string';

/** `GPUBuffer`, where TypeScript knows WebGPU. */
export type GpuBuffer = typeof globalThis extends { GPUBuffer: { prototype: infer Known } }
  ? Known
  : { readonly size: number; destroy(): undefined };

/** `GPUDevice`, where TypeScript knows WebGPU. */
export type GpuDevice = typeof globalThis extends { GPUDevice: { prototype: infer Known } }
  ? Known
  : { readonly queue: object; readonly lost: Promise<unknown>; destroy(): undefined };

/** Elements on a GPU, 4 bytes each, whatever Keras' type is. */
export interface GpuTensor {
  /** Its usage includes `COPY_SRC`. */
  readonly buffer: GpuBuffer;
  readonly shape?: readonly number[] | undefined;
  /** What the 4 bytes are; integers and their indices lie there as int32. */
  readonly dtype?: 'float32' | 'int32' | undefined;
}

/** What `predict` takes on WebGPU: arrays, buffers, or outputs of a prediction on the same device. */
export type GpuInputs =
  | { [Name in keyof Inputs]: Inputs[Name] | GpuBuffer | GpuTensor }
  | (InputInfos extends readonly [unknown] ? GpuBuffer | GpuTensor : never);

/** What `predict` gives with `output: 'gpu'`: buffers of the caller's, usable for `STORAGE`, `COPY_SRC` and `COPY_DST`. */
export type GpuOutputs = { [Name in keyof Outputs]: Required<GpuTensor> };

/** An input or output: its Keras name, its shape with the batch in front, its element type. */
export interface TensorInfo<
  Name extends string = string,
  Shape extends readonly number[] = readonly number[],
  Type extends DType = DType,
> {
  readonly name: Name;
  readonly shape: Shape;
  readonly dtype: Type;
}

export interface LoadOptions {
  /**
   * The backend to run on: `'auto'`, the best one that works here, when absent; the name of the only one to try; or names in
   * the order in which to try them. `backend` of the model says which it was, `fallbacks` why it was none before it.
   * `'auto'` takes no GPU that is software only.
   */
  backend?: 'auto' | BackendName | readonly BackendName[] | undefined;
  /**
   * Lets wasm answer while another backend gets ready, which may take longer where shaders are compiled. `settled` of the
   * model tells when that has taken over. The weights are fetched once.
   */
  warm?: Extract<BackendName, 'wasm'> | undefined;
  /**
   * Resolves `load` before the weights are there. A `predict` computes with what has arrived, as far as it can, and is done soon
   * after the last of them; `ready` of the model tells when that is. Weights come in the order in which they are needed, three files at a
   * time. What cannot be loaded rejects what was asked for, and all that is asked for later. Among several backends wasm
   * answers until another one is there and checked, as with `warm`. A GPU that alone is asked for gives no answer before it is
   * checked, and is not replaced if it fails. A bundle with a single file of weights is loaded as ever.
   */
  early?: boolean | undefined;
  /** For WebGPU: the page's own device, which stays the page's, so that buffers can go from one model to another. */
  device?: GpuDevice | undefined;
  /**
   * Most threads to use, never more than this model makes good use of; `'auto'` when absent: as many as this machine makes
   * good use of, too. Several need a page that is cross-origin isolated. `fallbacks` says why there are fewer than you
   * asked for.
   */
  threads?: number | 'auto' | undefined;
  /** Fetches what each step does, too, so that `profile` works. */
  profile?: boolean | undefined;
  /**
   * Stops the downloads; `load` then rejects with the signal's reason, an `AbortError` unless you gave one. With `early` that is
   * true until the model is ready, of its predictions too.
   */
  signal?: AbortSignal | undefined;
  /** Called at the start and as bytes of weights and wasm arrive; the last call has `loaded === total`. */
  onProgress?: ((progress: { loaded: number; total: number }) => void) | undefined;
  /**
   * Keeps the model's files from one visit to the next in the Cache API, by their hashes: caches of HTTP drop large files. What is
   * kept is not fetched again (wasm is asked for anew, since browsers keep its machine code with what came over HTTP), works
   * offline, and goes when the model has a new version. `'storage:NAME'` names the model, whose versions are else known by
   * the folder that they lie in and, without `where`, by the Keras model's name.
   */
  cache?: 'storage' | `storage:${string}` | undefined;
  /** Used in place of the global `fetch`, for headers, credentials or a cache of your own. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
}

/** A loaded model. */
export interface Model {
  readonly inputs: InputInfos;
  readonly outputs: OutputInfos;
  /** The backend it runs on; another one later only with `warm`. */
  readonly backend: BackendName;
  /** Resolves to the backend when that will not change any more: at once without `warm`. */
  readonly settled: Promise<BackendName>;
  /** Resolves when all weights are there: at once without `early`. Rejects where they cannot be loaded. */
  readonly ready: Promise<void>;
  /**
   * The variant of its code that this engine took: of wasm `relaxed`, which has fused multiply-add, or `baseline`, which runs on
   * any SIMD; of a GPU the type that it computes in.
   */
  readonly module: ModuleName;
  /** The threads it runs on, 1 on a GPU. With several, the caller's own is not one of them and never blocked. */
  readonly threads: number;
  /** Why something faster was not taken, a sentence each. */
  readonly fallbacks: readonly string[];
  /** Whether all that `load` with `cache` looked for was kept from a visit before. */
  readonly cached: boolean;
  /** Resolves when all files are kept for the next visit: to nothing, or to why they are not, in a clause. */
  readonly stored: Promise<string | undefined>;
  /**
   * Runs the model. The inputs are read before this returns, so the arrays can be reused at once; calls may overlap
   * and are answered in order; the outputs are fresh copies, or `out`'s arrays, one for each output, filled.
   *
   * Rejects with a `TypeError` (unknown or missing name, wrong array type), a `RangeError` (wrong number of elements,
   * an integer or the index of an embedding out of range, a string out of a vocabulary that takes no others), after `dispose` with a `DOMException` named
   * `InvalidStateError`, and with an `Error` when a thread ended meanwhile; the next call starts new threads. When a GPU is
   * lost, the model is built again and answers; it rejects with an `Error` when that is impossible.
   *
   * Inputs that were compiled with `--image` take pictures as well, which are read before this returns, but for files (`Blob`), which are
   * decoded meanwhile. Where a picture may not be read, since it comes from elsewhere, it rejects with the browser's `SecurityError`.
   *
   * On WebGPU inputs may be buffers, which are copied; indices in them cannot be checked.
   *
   * Stateful layers begin with the states that they had at the end of the call before this one. A call that rejects leaves them
   * as they were, and so do `profile` and `verify`. The results of such a model cannot be left on the GPU.
   *
   * When `signal` is aborted before the outputs are there, it rejects with the signal's reason; what has begun is finished for nobody,
   * perhaps into `out`, and other calls go on.
   */
  predict(x: PredictInput | GpuInputs, options?: { out?: Outputs | undefined; output?: 'cpu' | undefined; signal?: AbortSignal | undefined }): Promise<Outputs>;
  /** Leaves the outputs on the GPU. */
  predict(x: PredictInput | GpuInputs, options: { output: 'gpu'; signal?: AbortSignal | undefined }): Promise<GpuOutputs>;
  // keras-compile: classify
  /**
   * Makes the states of stateful layers 0, as they are at first, for the predictions that are asked for from now on. Without
   * such layers it does nothing.
   */
  resetStates(): void;
  /**
   * Runs the model step by step and tells how long each took. Rejects as `predict` does, and with an
   * `InvalidStateError` when the model was loaded without `profile: true`.
   */
  profile(x: PredictInput | GpuInputs): Promise<StepTime[]>;
  /**
   * Compares what the backend computes here with what the compiler computed, as `load` does for a GPU; or, with `against`,
   * what the whole network gives with what it gives on another backend of the bundle, for `inputs` or, when absent, for
   * numbers that look like nothing in particular. Resolves to what differs, in a sentence, or to nothing. Rejects with an
   * `InvalidStateError` when the bundle holds nothing to compare with.
   */
  verify(options?: { against?: BackendName | undefined; inputs?: PredictInput | undefined }): Promise<string | undefined>;
  /** Gives the memory back and ends the threads. May be called twice. */
  dispose(): void;
}

/** One step of `profile`. */
export interface StepTime {
  step: number;
  /** The layers that it computes; what was fused into one goes by its name. */
  layers: string[];
  /** The kernel: family, tile of pixels x channels, extents. */
  variant: string;
  /** Milliseconds; timers may be coarser than a step. */
  ms: number;
  /** GFLOP/s by the operations of the layers, of steps that multiply; a Winograd convolution does fewer. */
  gflops?: number;
  /** GB/s of inputs, weights and outputs, of the others. */
  gbs?: number;
}

/** The largest numbers with their places, the largest first, and of equal ones the first. */
export declare function topk(values: ArrayLike<number>, k: number): { index: number; value: number }[];

/** The place of the largest number, the first of equal ones; -1 where there is none. */
export declare function argmax(values: ArrayLike<number>): number;

/** A file of the bundle is absent, damaged or of another version, or this engine cannot run it. */
export declare class BundleError extends Error {
  /** The file. */
  readonly url: string;
}

/**
 * Loads the model, in a page, a worker, a service worker, Node, Deno or Bun.
 *
 * It does not wait for a first run: until the first `predict`, the model runs once on zeros in slices of a few
 * milliseconds, so that the engine optimises its code while the weights arrive and the page stays responsive.
 *
 * @param where The bundle's folder as a URL, relative to the page, or outside browsers as a path; its `manifest.json` is
 *   fetched. When absent, the files are those of this very script: where a bundler put them, or outside browsers beside it.
 */
export declare function load(where?: string | URL, options?: LoadOptions): Promise<Model>;
