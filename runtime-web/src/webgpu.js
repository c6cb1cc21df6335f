// The WebGPU backend: weights in one buffer, tensors in a few, and one compute pass for a prediction.

import { Lasting, placeAll, SPARE, splitShaders, until, upload } from './gpu.js';
import { isObject, listOf, object, optional, plainName, text, whole } from './manifest.js';
import { because, BundleError, Unfit } from './source.js';
import { count, isTensor, readAll, viewAt } from './tensor.js';
import { deviceFor, scoped } from './webgpu-device.js';

/** @import { GpuOutputs, LoadOptions } from './index.js' */
/** @import { Backend, Bundle, Core, GpuInput, Program, WebGPUSection } from './internal.js' */

const places = listOf(object({ storage: text, arena: whole, offset: whole }));

/** What the section of the manifest is made of. */
export const checkWebGPU = object({
  code: (value) => isObject(value) && Object.values(value).every(plainName) && plainName(value.program) && plainName(value.shaders),
  inputs: places,
  outputs: places,
  limits: (value) => isObject(value) && Object.values(value).every(whole),
  features: optional(listOf(text)),
});

/**
 * A dispatch with what it is run with in each round of its loop.
 * @typedef {{ pipeline: number, groups: [number, number, number], rounds: { group: GPUBindGroup, offset: number }[] }} Prepared
 * @typedef {{ count: number, dispatches: Prepared[] }} Step
 */

/** What buffers are for: the numbers of GPUBufferUsage. */
const [MAP_READ, COPY_SRC, COPY_DST, UNIFORM, STORAGE, QUERY_RESOLVE] = [1, 4, 8, 64, 128, 512];

/** Most dispatches between two submissions: systems reset a GPU that is busy with one for seconds. */
const AT_ONCE = 128;

/** Most bytes of a buffer of parameters. */
const PARAMETERS = 1 << 24;

/** Firefox looks after each submission whether the GPU is done, and else every 100 ms. Only its engine has this class. */
const mustAsk = 'InternalError' in globalThis;

/** Most timestamps of a set. */
const TIMESTAMPS = 4096;

/** @type {Backend['open']} */
export async function openWebGPU(bundle, options, automatic) {
  const section = /** @type {WebGPUSection} */ (bundle.manifest.backends.webgpu);
  const open = (/** @type {Bundle} */ files) => openDevice(files, section, options, automatic);
  const core = await open(bundle);
  const again = () => {
    if (options.device) throw new Error("it was the page's own device; load the model with a new one");
    return open(bundle.again());
  };
  const describe = (/** @type {Core} */ { check }) => bundle.json(/** @type {string} */ (check));
  return new Lasting(core, async () => again(), placeAll(bundle.manifest.inputs, section.inputs), core.check ? describe : undefined);
}

/**
 * @param {Bundle} bundle
 * @param {WebGPUSection} section
 * @param {LoadOptions} options
 * @param {boolean} automatic
 * @returns {Promise<Core>}
 */
async function openDevice(bundle, section, options, automatic) {
  const { manifest } = bundle;
  const [device, software] = await deviceFor(section, options, automatic);
  // Where software wants no other program, it takes the same.
  const [program, shaders, check] = ['program', 'shaders', 'check'].map((what) => section.code[software && `${what}-software` in section.code ? `${what}-software` : what]);
  try {
    bundle.expect([program, shaders, ...manifest.weights.shards]);
    const bytes = Math.max(1, Math.ceil(manifest.weights.bytes / 16)) * 16;
    const [weights, made] = scoped(device, () => device.createBuffer({ size: bytes, usage: STORAGE | COPY_DST }));
    const opening = Promise.all([bundle.text(program), bundle.text(shaders)]).then(([program, shaders]) =>
      build(device, manifest, section, JSON.parse(program), splitShaders(shaders), weights, !options.device));
    const uploads = made.then(() => upload(bundle, 4, (at, bytes) => device.queue.writeBuffer(weights, at, bytes)));
// keras-compile: early {
    if (bundle.arrival) {
      const early = opening.then(async (core) => {
        await core.rehearse(false);
        core.check = check;
        return core;
      });
      return await bundle.arrival.wait(early, Promise.all([early, uploads]).then(([core]) => core.rehearse()));
    }
// keras-compile: early }
    const [core] = await Promise.all([opening, uploads]);
    await core.rehearse();
    core.check = check;
    return core;
  } catch (error) {
    if (!options.device) device.destroy();
    throw error instanceof BundleError ? error : new Unfit(because(error), error);
  }
}

/**
 * @param {GPUDevice} device
 * @param {Bundle['manifest']} manifest
 * @param {WebGPUSection} section
 * @param {Program} program
 * @param {{ code: string, name: string }[]} shaders
 * @param {GPUBuffer} weights
 * @param {boolean} own Whether the device is nobody else's.
 */
async function build(device, manifest, section, program, shaders, weights, own) {
  /** @type {Map<string, [GPUBindGroupLayout, GPUPipelineLayout]>} */
  const layouts = new Map();
  const layoutOf = (/** @type {string} */ bindings) => {
    const known = layouts.get(bindings);
    if (known) return known;
    /** @type {GPUBindGroupLayoutEntry[]} */
    const entries = Array.from(bindings, (letter, i) => (
      { binding: i + 1, visibility: 4, buffer: { type: letter === 'r' ? 'read-only-storage' : 'storage' } }
    ));
    entries.push({ binding: 0, visibility: 4, buffer: { type: 'uniform', hasDynamicOffset: true } });
    const group = device.createBindGroupLayout({ entries });
    /** @type {[GPUBindGroupLayout, GPUPipelineLayout]} */
    const made = [group, device.createPipelineLayout({ bindGroupLayouts: [group] })];
    layouts.set(bindings, made);
    return made;
  };
  const [[core, pipelines], sound] = scoped(device, () => {
    const modules = shaders.map(({ code, name }) => device.createShaderModule({ code, label: name }));
    // All at once, since browsers compile several at a time.
    const pipelines = program.pipelines.map(({ module, bindings }) => {
      const code = modules[module];
      const compute = { module: code, entryPoint: 'main' };
      return device.createComputePipelineAsync({ layout: layoutOf(bindings)[1], compute }).catch(async (cause) => {
        const { messages } = await code.getCompilationInfo();
        const wrong = messages.find(({ type }) => type === 'error');
        const why = wrong ? `line ${wrong.lineNum}: ${wrong.message}` : because(cause);
        throw new Error(`the browser refuses ${shaders[module].name} (${why})`, { cause });
      });
    });
    const layout = program.pipelines.map(({ bindings }) => layoutOf(bindings)[0]);
    return [new OnDevice(device, manifest, section, program, layout, weights, own), Promise.all(pipelines)];
  });
  core.pipelines = await pipelines;
  await sound;
  return core;
}

/** A model on one device. @implements {Core} */
class OnDevice {
  buffers = true;
  /** @type {string | undefined} */
  check;
  /** @type {GPUComputePipeline[]} */
  pipelines = [];
  #device;
  #own;
  #weights;
  #arenas;
  #inputs;
  #outputs;
  /** What is run once, when the weights are there. */
  #first;
  /** Every dispatch with what it is run with. */
  #steps;
  /** @type {GPUBuffer[]} */
  #parameters = [];
  /** For results that are read, those that nobody uses. @type {GPUBuffer[]} */
  #staging = [];
  #stagingBytes;
  #offset = new Uint32Array(1);
  #destroyed = false;

  /**
   * @param {GPUDevice} device
   * @param {Bundle['manifest']} manifest
   * @param {WebGPUSection} section
   * @param {Program} program
   * @param {GPUBindGroupLayout[]} layouts Of each pipeline.
   * @param {GPUBuffer} weights
   * @param {boolean} own
   */
  constructor(device, manifest, section, program, layouts, weights, own) {
    const precision = section.features?.includes('shader-f16') ? 'f16' : 'f32';
    this.module = /** @type {Core['module']} */ (/** @type {string} */ (precision));
    this.#device = device;
    this.#own = own;
    this.#weights = weights;
    this.#inputs = placeAll(manifest.inputs, section.inputs);
    this.#outputs = placeAll(manifest.outputs, section.outputs);
    this.#stagingBytes = this.#outputs.reduce((sum, { shape }) => sum + 4 * count(shape), 0);
    this.#arenas = program.arenas.map((size) => this.#buffer(size, STORAGE | COPY_SRC | COPY_DST));
    const { prepare = [], steps } = program;
    [this.#first, ...this.#steps] = this.#prepare({ ...program, steps: [{ count: 1, dispatches: prepare }, ...steps] }, layouts);
    /** @type {Promise<string>} */
    this.lost = device.lost.then(({ reason, message }) => message || reason);
  }

  /** @param {number} bytes @param {number} usage */
  #buffer(bytes, usage) {
    return this.#device.createBuffer({ size: Math.max(16, (bytes + 3) & -4), usage });
  }

  /**
   * Writes the parameters of every dispatch, in every round of its loop, and makes the bind groups.
   * @param {Program} program
   * @param {GPUBindGroupLayout[]} layouts
   */
  #prepare({ pipelines, steps, windows = [] }, layouts) {
    const { limits, queue } = this.#device;
    const all = steps.flatMap(({ count, dispatches }) => dispatches.map((dispatch) => ({ count, ...dispatch })));
    const words = all.reduce((most, { params }) => Math.max(most, params.length), 4);
    const unit = limits.minUniformBufferOffsetAlignment;
    const slice = Math.ceil((4 * words) / unit) * unit;
    const perBuffer = Math.max(1, Math.floor(Math.min(limits.maxBufferSize, PARAMETERS) / slice));
    const total = all.reduce((sum, { count }) => sum + count, 0);
    /** @type {Map<string, GPUBindGroup>} */
    const groups = new Map();
    const groupOf = (/** @type {number} */ pipeline, /** @type {number[]} */ buffers, /** @type {number} */ chunk) => {
      const key = `${pipelines[pipeline].bindings} ${buffers} ${chunk}`;
      const known = groups.get(key);
      if (known) return known;
      const entries = buffers.map((index, i) => {
        const buffer = index < 0 ? this.#weights : this.#arenas[index];
        const [offset, size] = windows[-2 - index] ?? [];
        return { binding: i + 1, resource: { buffer, offset, size } };
      });
      const parameters = { buffer: this.#parameters[chunk], offset: 0, size: slice };
      const group = this.#device.createBindGroup({ layout: layouts[pipeline], entries: [{ binding: 0, resource: parameters }, ...entries] });
      groups.set(key, group);
      return group;
    };
    for (let left = total; left > 0; left -= perBuffer) {
      this.#parameters.push(this.#buffer(Math.min(left, perBuffer) * slice, UNIFORM | COPY_DST));
    }
    let at = 0;
    let content = new Uint32Array();
    const prepared = steps.map(({ count, dispatches }) => ({
      count,
      dispatches: dispatches.map(({ pipeline, groups, buffers, params, advance = [] }) => {
        /** @type {Prepared['rounds']} */
        const rounds = [];
        for (let round = 0; round < count; round++, at++) {
          const [chunk, index] = [Math.floor(at / perBuffer), at % perBuffer];
          if (index === 0) content = new Uint32Array((Math.min(total - at, perBuffer) * slice) / 4);
          const first = (index * slice) / 4;
          content.set(params, first);
          for (const [which, delta] of advance) content[first + which] = (params[which]) + Math.imul(round, delta);
          rounds.push({ group: groupOf(pipeline, buffers, chunk), offset: index * slice });
          if (index + 1 === perBuffer || at + 1 === total) {
            queue.writeBuffer(this.#parameters[chunk], 0, content);
          }
        }
        return { pipeline, groups, rounds };
      }),
    }));
    return prepared;
  }

  /**
   * Puts steps into the queue, after the inputs and before what is done with the results.
   * @param {(encoder: GPUCommandEncoder) => void} before
   * @param {(encoder: GPUCommandEncoder) => void} after
   * @param {Step[]} [steps]
   * @param {GPUComputePassTimestampWrites} [timestampWrites]
   * @param {(commands: GPUCommandBuffer) => void} [give] What is done with it instead.
   */
  #submit(before, after, steps = this.#steps, timestampWrites, give = (commands) => this.#device.queue.submit([commands])) {
    let encoder = this.#device.createCommandEncoder();
    before(encoder);
    const describe = timestampWrites && { timestampWrites };
    let pass = encoder.beginComputePass(describe);
    let room = AT_ONCE;
    const dispatch = (/** @type {Prepared} */ { pipeline, groups: [x, y, z], rounds }, /** @type {number} */ round) => {
      // A step that is measured has one pass.
      if (room-- === 0 && !timestampWrites) {
        pass.end();
        give(encoder.finish());
        encoder = this.#device.createCommandEncoder();
        pass = encoder.beginComputePass();
        room = AT_ONCE - 1;
      }
      const { group, offset } = rounds[round];
      this.#offset[0] = offset;
      pass.setPipeline(this.pipelines[pipeline]);
      pass.setBindGroup(0, group, this.#offset, 0, 1);
      pass.dispatchWorkgroups(x, y, z);
    };
    for (const { count, dispatches } of steps) {
      for (let round = 0; round < count; round++) dispatches.forEach((each) => dispatch(each, round));
    }
    pass.end();
    after(encoder);
    give(encoder.finish());
  }

  /** Writes inputs into their places, or copies those that the GPU holds. @param {GpuInput[]} inputs @param {GPUCommandEncoder} encoder */
  #take(inputs, encoder) {
    this.#inputs.forEach(({ arena, offset, shape }, i) => {
      const input = inputs[i];
      const target = this.#arenas[arena];
      if (isTensor(input)) encoder.copyBufferToBuffer(/** @type {GPUBuffer} */ (input.buffer), 0, target, offset, 4 * count(shape));
      else this.#device.queue.writeBuffer(target, offset, input);
    });
  }

// keras-compile: early {
  /** @type {Core['part']} */
  async part(inputs, begin, end) {
    const take = (/** @type {GPUCommandEncoder} */ encoder) => begin || this.#take(inputs, encoder);
    const [, sound] = scoped(this.#device, () => this.#submit(take, () => {}, this.#steps.slice(begin, end)));
    await sound;
  }

// keras-compile: early }
  /** Prepares the weights, if they are there, and finds whether the device accepts all that a prediction is made of, without doing it. */
  async rehearse(there = true) {
    const [, sound] = scoped(this.#device, () => {
      if (there && this.#first.dispatches.length) this.#submit(() => {}, () => {}, [this.#first]);
      this.#submit(() => {}, () => {}, this.#steps, undefined, () => {});
    });
    await sound;
    const why = await Promise.race([this.lost, Promise.resolve()]);
    if (why !== undefined) throw new Error(`the GPU was lost (${why})`);
  }

  /** @type {Core['predict']} */
  async predict(inputs, out, onGpu, from = 0) {
    const take = (/** @type {GPUCommandEncoder} */ encoder) => from || this.#take(inputs, encoder);
    const steps = this.#steps.slice(from);
    if (onGpu) return this.#leave(take, steps);
    return this.#read(this.#stagingBytes, (staging) => {
      this.#submit(take, (encoder) => {
        let at = 0;
        for (const { arena, offset, shape } of this.#outputs) {
          const bytes = 4 * count(shape);
          encoder.copyBufferToBuffer(this.#arenas[arena], offset, staging, at, bytes);
          at += bytes;
        }
      }, steps);
    }, (range) => {
      let at = 0;
      const places = this.#outputs.map((slot) => {
        const view = viewAt(range, slot, at);
        at += view.byteLength;
        return { slot, view };
      });
      return readAll(places, out);
    });
  }

  /** Copies the results into buffers of the caller's. @param {(encoder: GPUCommandEncoder) => void} take @param {Step[]} steps @returns {Promise<GpuOutputs>} */
  async #leave(take, steps) {
    const [results, sound] = scoped(this.#device, () => {
      const results = this.#outputs.map(({ shape }) => this.#buffer(4 * count(shape), STORAGE | COPY_SRC | COPY_DST));
      this.#submit(take, (encoder) => {
        this.#outputs.forEach(({ arena, offset, shape }, i) => {
          encoder.copyBufferToBuffer(this.#arenas[arena], offset, results[i], 0, 4 * count(shape));
        });
      }, steps);
      return results;
    });
    await sound;
    // A lost device accepts everything.
    const why = await Promise.race([this.lost, Promise.resolve()]);
    if (why !== undefined) throw new Error(`the GPU was lost (${why})`);
    return /** @type {any} */ (Object.fromEntries(this.#outputs.map(({ name, shape, storage }, i) => (
      [name, { buffer: results[i], shape, dtype: storage === 'f32' ? 'float32' : 'int32' }]
    ))));
  }

  /**
   * Does what puts results into a buffer, and reads that.
   * @template T
   * @param {number} bytes
   * @param {(staging: GPUBuffer) => void} act
   * @param {(range: ArrayBuffer) => T} read
   */
  async #read(bytes, act, read) {
    const kept = bytes === this.#stagingBytes;
    const [[staging, mapped], sound] = scoped(this.#device, () => {
      const staging = (kept ? this.#staging.pop() : undefined) ?? this.#buffer(bytes, MAP_READ | COPY_DST);
      act(staging);
      const mapped = staging.mapAsync(1);
      mapped.catch(() => {});
      return [staging, mapped];
    });
    try {
      await sound;
      await this.#soon(mapped);
      const result = read(staging.getMappedRange());
      staging.unmap();
      if (kept && !this.#destroyed && this.#staging.length < SPARE) this.#staging.push(staging);
      else staging.destroy();
      return result;
    } catch (error) {
      staging.destroy();
      throw error;
    }
  }

  /** What the GPU will have done. @param {Promise<unknown>} work */
  async #soon(work) {
    let done = !mustAsk;
    const end = () => (done = true);
    work.then(end, end);
    await until(() => done || this.#device.queue.submit([]));
    return work;
  }

  /** @type {Core['profile']} */
  async profile(inputs) {
    const device = this.#device;
    const steps = this.#steps.length;
    const take = (/** @type {number} */ step) => (/** @type {GPUCommandEncoder} */ encoder) => {
      if (step === 0) this.#take(inputs, encoder);
    };
    if (!device.features.has('timestamp-query') || 2 * steps > TIMESTAMPS) {
      const times = [];
      for (let step = 0; step < steps; step++) {
        const [begin, sound] = scoped(device, () => {
          const begin = performance.now();
          this.#submit(take(step), () => {}, [this.#steps[step]]);
          return begin;
        });
        await Promise.all([sound, this.#soon(device.queue.onSubmittedWorkDone())]);
        times.push({ step, ms: performance.now() - begin });
      }
      return times;
    }
    const bytes = 16 * steps;
    const querySet = device.createQuerySet({ type: 'timestamp', count: 2 * steps });
    const resolved = this.#buffer(bytes, QUERY_RESOLVE | COPY_SRC);
    try {
      return await this.#read(bytes, (staging) => {
        for (let step = 0; step < steps; step++) {
          const writes = { querySet, beginningOfPassWriteIndex: 2 * step, endOfPassWriteIndex: 2 * step + 1 };
          this.#submit(take(step), (encoder) => {
            if (step < steps - 1) return;
            encoder.resolveQuerySet(querySet, 0, 2 * steps, resolved, 0);
            encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
          }, [this.#steps[step]], writes);
        }
      }, (range) => {
        const nanoseconds = new BigUint64Array(range);
        const at = (/** @type {number} */ i) => nanoseconds[i];
        return Array.from({ length: steps }, (_, step) => ({ step, ms: Number(at(2 * step + 1) - at(2 * step)) / 1e6 }));
      });
    } finally {
      querySet.destroy();
      resolved.destroy();
    }
  }

  /** @type {Core['checked']} */
  checked() {
    return {
      write: (buffer, byte, words) => this.#device.queue.writeBuffer(this.#arenas[buffer], byte, words),
      run: (step, [begin, end]) => {
        const { dispatches } = this.#steps[step];
        this.#submit(() => {}, () => {}, [{ count: 1, dispatches: dispatches.slice(begin, end) }]);
      },
      predict: () => this.#submit(() => {}, () => {}),
      read: (buffer, bytes) => this.#read(4 * bytes.length, (staging) => {
        const encoder = this.#device.createCommandEncoder();
        bytes.forEach((byte, i) => encoder.copyBufferToBuffer(this.#arenas[buffer], byte, staging, 4 * i, 4));
        this.#device.queue.submit([encoder.finish()]);
      }, (range) => new Uint32Array(range.slice(0, 4 * bytes.length))),
    };
  }

  destroy() {
    this.#destroyed = true;
    [this.#weights, ...this.#arenas, ...this.#parameters, ...this.#staging].forEach((buffer) => buffer.destroy());
    if (this.#own) this.#device.destroy();
  }
}
