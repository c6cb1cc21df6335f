// The command as a function.

import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { binary } from './binary.js';

export { binary };

/** A model that cannot be compiled, or options that make no sense. */
export class CompileError extends Error {
  constructor(problems, stderr) {
    super(problems.map(text).join('\n'));
    this.name = 'CompileError';
    this.problems = problems;
    this.stderr = stderr;
  }
}

/** A problem in a line. */
function text({ file, layer, class: kind, field, message, help }) {
  const named = layer && `layer ${JSON.stringify(layer)}${kind ? ` (${kind})` : ''}`;
  const line = [file, named, field, message].filter(Boolean).join(': ');
  return help ? `${line}; ${help}` : line;
}

const STAGES = ['reading', 'lowering', 'optimising', 'planning', 'generating code', 'writing'];

const path = (where) => (where instanceof URL ? fileURLToPath(where) : where);
const extents = (shape) => (Array.isArray(shape) ? shape.join(',') : String(shape));
const list = (value) => (Array.isArray(value) ? value.join(',') : value);

/** Options that are pairs, as arguments `NAME=VALUE`. */
const pairs = (option, value, of = String) => Object.entries(value).map(([name, each]) => `${option}=${name}=${of(each)}`);

/** How each option is said to the command. */
const ARGUMENTS = {
  weights: (value) => [`--weights=${path(value)}`],
  inputShape: (value) =>
    typeof value === 'object' && !Array.isArray(value) ? pairs('--input-shape', value, extents) : [`--input-shape=${extents(value)}`],
  outputs: (value) => [`--outputs=${list(value)}`],
  inputs: (value) => [`--inputs=${list(value)}`],
  lambda: (value) => pairs('--lambda', value),
  custom: (value) => [value].flat().map((file) => `--custom=${path(file)}`),
  force: (value) => (value ? ['--force'] : []),
  exact: (value) => (value ? ['--exact'] : []),
  backends: (value) => [`--backends=${list(value)}`],
  threads: (value) => [`--threads=${value ? 'on' : 'off'}`],
  gpuPrecision: (value) => [`--gpu-precision=${value}`],
  quantize: (value) => [
    `--quantize=${typeof value === 'string' ? value : Object.entries(value).map(([name, to]) => `${name}=${to}`).join(',')}`,
  ],
  maxError: (value) => [`--max-error=${value}`],
  maxBytes: (value) => [`--max-bytes=${value}`],
  compute: (value) => [`--compute=${value}`],
  samples: (value) => [`--samples=${path(value)}`],
  image: (value) => (typeof value === 'object' && !Array.isArray(value) ? pairs('--image', value) : [value].flat().map((each) => `--image=${each}`)),
  labels: (value) => [`--labels=${path(value)}`],
  packageName: (value) => [`--package-name=${value}`],
};

/** Compiles a model into a directory. */
export async function compile(options) {
  const { model, out, cwd = process.cwd(), signal, onProgress, ...others } = options;
  if (!model || !out) throw new TypeError('compile needs `model` and `out`');
  const args = ['--json', `--out=${path(out)}`];
  for (const [name, value] of Object.entries(others)) {
    if (!Object.hasOwn(ARGUMENTS, name)) throw new TypeError(`compile has no option ${JSON.stringify(name)}`);
    if (value !== undefined) args.push(...ARGUMENTS[name](value));
  }
  signal?.throwIfAborted();
  // Behind it, no name is taken for a subcommand or an option.
  const report = await run([...args, '--', path(model)], cwd, signal, onProgress);
  return { dir: resolve(cwd, path(out)), files: report.files, report };
}

/** Runs the command to its end, which takes back what it has half written when it is aborted. */
function run(args, cwd, signal, onProgress) {
  return new Promise((done, fail) => {
    const child = spawn(binary(), args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const abort = () => child.kill();
    signal?.addEventListener('abort', abort, { once: true });
    let [stdout, stderr, line] = ['', '', ''];
    child.stdout.setEncoding('utf8').on('data', (data) => (stdout += data));
    child.stderr.setEncoding('utf8').on('data', (data) => {
      stderr += data;
      const lines = (line + data).split('\n');
      line = lines.pop() ?? '';
      for (const stage of lines) {
        const index = STAGES.indexOf(stage);
        if (index >= 0) onProgress?.({ stage, index, of: STAGES.length });
      }
    });
    child.on('error', fail);
    child.on('close', (code, killed) => {
      signal?.removeEventListener('abort', abort);
      if (code !== 0 && signal?.aborted) return fail(signal.reason);
      const said = parsed(stdout);
      if (code === 0 && said) return done(said);
      const message = stderr.trim() || `the command ended with ${killed ?? code}`;
      fail(new CompileError(said?.problems ?? [{ file: null, layer: null, class: null, field: null, message, help: null }], stderr));
    });
  });
}

/** What was said, if it is JSON: where the command line makes no sense, it is nothing. */
function parsed(stdout) {
  try {
    return JSON.parse(stdout);
  } catch {
    return undefined;
  }
}
