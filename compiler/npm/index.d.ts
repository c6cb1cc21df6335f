/** A backend that a bundle can run on. */
export type Backend = 'wasm' | 'webgpu' | 'webgl';
/** Extents, batch first. */
export type Shape = readonly number[] | string;

/** What to compile; `keras-compile --help` tells more of each option. */
export interface CompileOptions {
  /** A `.h5` or `.keras` file, or a `.json` architecture. */
  model: string | URL;
  /** The directory to write. */
  out: string | URL;
  /** The weights of a `.json` architecture. */
  weights?: string | URL | undefined;
  /** Shapes that the model leaves open: of its only input, or by the names of its inputs. */
  inputShape?: Shape | Readonly<Record<string, Shape>> | undefined;
  outputs?: string | readonly string[] | undefined;
  inputs?: string | readonly string[] | undefined;
  /** What Lambda layers compute, by their names. */
  lambda?: Readonly<Record<string, string>> | undefined;
  /** Files that say what classes and functions of your own compute. */
  custom?: string | URL | readonly (string | URL)[] | undefined;
  /** Replaces the bundle that is there already. */
  force?: boolean | undefined;
  exact?: boolean | undefined;
  backends?: string | readonly Backend[] | undefined;
  /** `false` leaves the code for several threads out. */
  threads?: boolean | undefined;
  gpuPrecision?: 'f32' | 'f16' | undefined;
  /** An encoding for all weights, a list as the command takes it, or encodings by patterns of layers' names. */
  quantize?: string | Readonly<Record<string, string>> | undefined;
  /** With `quantize: 'auto'`: how far outputs may be off, as a share of their largest magnitude. */
  maxError?: number | undefined;
  /** With `quantize: 'auto'`: the most bytes of weights, as a number or as in `4MB`. */
  maxBytes?: number | string | undefined;
  compute?: 'f32' | 'int8' | undefined;
  samples?: string | URL | undefined;
  /** What pictures become, as the command takes it, for one input or several; or by the names of inputs. */
  image?: string | readonly string[] | Readonly<Record<string, string>> | undefined;
  /** A file with the names of classes, or `imagenet`. */
  labels?: string | URL | undefined;
  packageName?: string | undefined;
  /** What paths are relative to; the current directory when absent. */
  cwd?: string | undefined;
  /** Gives the compilation up; nothing is left behind, and `compile` rejects with its reason. */
  signal?: AbortSignal | undefined;
  /** Is told when a stage begins. */
  onProgress?: ((progress: { stage: string; index: number; of: number }) => void) | undefined;
}

/** What is wrong, where, and the remedy. */
export interface Problem {
  file: string | null;
  layer: string | null;
  /** Keras' class of the layer. */
  class: string | null;
  field: string | null;
  message: string;
  help: string | null;
}

export interface BundleFile {
  name: string;
  bytes: number;
  /** In hexadecimal; `null` of `manifest.json`, which has those of all others. */
  sha256: string | null;
}

export interface Port {
  name: string;
  /** Batch first. */
  shape: number[];
  dtype: string;
}

/** What `keras-compile --json` prints. */
export interface Report {
  version: 1;
  bundle: string;
  model: string;
  generator: string;
  inputs: Port[];
  outputs: Port[];
  files: BundleFile[];
  /** Of all files. */
  bytes: number;
  weights: { bytes: number; decoded: number; encodings: Record<string, number> };
  backends: Partial<
    Record<Backend, { kernels: number; flops: number; code: Record<string, number>; memory: number; weights: number }>
  >;
  accuracy: {
    of: string;
    outputs: { name: string; largest: number; relative: number; mean: number; cosine: number; rows: number | null; top1: number | null; top5: number | null }[];
  } | null;
  notes: string[];
  problems: [];
}

/** A model that cannot be compiled, or options that make no sense. Nothing was written. */
export declare class CompileError extends Error {
  /** All problems, at least one. */
  readonly problems: readonly Problem[];
  /** What the command printed. */
  readonly stderr: string;
}

/**
 * Compiles a model into a directory.
 *
 * Rejects with a `CompileError`, with a `TypeError` for an option that there is not, with the reason of `signal`, and with an
 * `Error` when the command for this platform is not installed.
 */
export declare function compile(options: CompileOptions): Promise<{ dir: string; files: BundleFile[]; report: Report }>;

/** The path of the command for this platform. */
export declare function binary(): string;
