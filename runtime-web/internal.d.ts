// Types between the files of the runtime. Nothing of this ships.

import type { BackendName, DType, Model, Outputs, StepTime, TensorData } from './src/index.js';

/** What manifest.json holds. */
export interface Manifest {
  /** The layout of the bundle; a loader reads exactly one. */
  format: 1;
  generator: string;
  model: string;
  inputs: Slot[];
  outputs: Slot[];
  memory: { pages: number };
  steps: number;
  /** The file with a `StepInfo` for each step. */
  profile: string;
  backends: { [name in BackendName]?: { relaxed?: string; baseline: string } };
  weights: { offset: number; bytes: number; shards: string[] };
  files: Record<string, { bytes: number; sha256: string }>;
}

/** An input or output and where it lies in the memory. */
export interface Slot {
  name: string;
  shape: number[];
  dtype: DType;
  storage: 'f32' | 'i32';
  /** In bytes. */
  offset: number;
}

/** What a step does. */
export interface StepInfo {
  layers: string[];
  family: string;
  /** Family, tile and extents in each of the modules. */
  relaxed: string;
  baseline: string;
  flops: number;
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

/** The files of one bundle, checked as they are read. */
export interface Bundle {
  url: URL;
  manifest: Manifest;
  /** The loading was given up. */
  stopped: AbortSignal;
  /** Names the files that will be read, for the progress. */
  expect(names: string[]): void;
  /** Fills `target`, which is as long as the file. */
  fill(name: string, target: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Reads a file that does not count for the progress. */
  json(name: string): Promise<any>;
  compile(name: string): Promise<WebAssembly.Module>;
}

/** A loaded model on one backend. Reads its inputs before it returns. */
export interface Engine {
  module: Model['module'];
  predict(values: TensorData[]): Outputs | Promise<Outputs>;
  profile(values: TensorData[]): Pick<StepTime, 'step' | 'ms'>[] | Promise<Pick<StepTime, 'step' | 'ms'>[]>;
  dispose(): void;
}

export type Backend = (bundle: Bundle) => Promise<Engine>;
