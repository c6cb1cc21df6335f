// The WebGL backend: every tensor in a texture, a draw for what a kernel computes.

import { Lasting, placeAll, SPARE, splitShaders, until, upload } from './gpu.js';
import { listOf, object, optional, plainName, text, whole } from './manifest.js';
import { because, BundleError, Unfit } from './source.js';
import { isTensor, readAll, viewAt } from './tensor.js';
import { contextFor, link, release } from './webgl-context.js';

/** @import { LoadOptions } from './index.js' */
/** @import { Backend, Bundle, Core, Draw, DrawProgram, GpuInput, WebGLSection } from './internal.js' */

const textures = listOf(object({ storage: text, texture: whole, offset: whole }));

/** What the section of the manifest is made of. */
export const checkWebGL = object({
  code: object({ program: plainName, shaders: plainName, check: optional(plainName) }),
  inputs: textures,
  outputs: textures,
});

/** Draws between which the browser may send them to the GPU. */
const DRAWS_AT_ONCE = 128;

/** Most bytes of a buffer of parameters. */
const BLOCK = 1 << 22;

/** What is wrong where nothing works any more. */
const LOST = 'the context was lost';

/** What a texel holds that is read after all results. A context that is lost gives zeros, and may say only later that it is lost. */
const MARK = 0x6b657261;

/** Texels of a side of the largest texture that every device has, as a power of two. What has more is an array of textures. */
const SIDE = 11;

/**
 * A texture of 32-bit words, four in a texel, perhaps with a twin that takes turns with it.
 * @typedef {object} Texture
 * @property {number} width
 * @property {number} height
 * @property {number} layers
 * @property {number} filled Texels of a layer that hold elements before the next does.
 * @property {number} target
 * @property {WebGLTexture[]} pair
 * @property {WebGLFramebuffer[][]} frames Of each: one for every layer, or one for all that are drawn at once.
 * @property {number} current Which of the pair holds the tensor.
 */

/** @type {Backend['open']} */
export async function openWebGL(bundle, options, automatic) {
  const section = /** @type {WebGLSection} */ (bundle.manifest.backends.webgl);
  const core = await openContext(bundle, section, options, automatic);
  const again = () => openContext(bundle.again(), section, options, automatic);
  const { check } = section.code;
  const describe = check === undefined ? undefined : () => bundle.json(check);
  return new Lasting(core, again, placeAll(bundle.manifest.inputs, section.inputs), describe);
}

/**
 * @param {Bundle} bundle
 * @param {WebGLSection} section
 * @param {LoadOptions} options
 * @param {boolean} automatic
 * @returns {Promise<Core>}
 */
async function openContext(bundle, section, { profile }, automatic) {
  const { manifest } = bundle;
  const { code } = section;
  const { gl, lost } = contextFor(automatic);
  try {
    bundle.expect([code.program, code.shaders, ...manifest.weights.shards]);
    const shaders = bundle.text(code.shaders).then((shaders) => link(gl, splitShaders(shaders)));
    // Whoever awaits something else first must not be called careless.
    shaders.catch(() => {});
    const program = JSON.parse(await bundle.text(code.program));
    const core = new OnContext(gl, lost, manifest, section, program, profile);
    const uploads = upload(bundle, 16, (at, bytes) => core.upload(at, bytes));
// keras-compile: early {
    if (bundle.arrival) {
      const early = shaders.then(async (programs) => {
        core.adopt(programs, program);
        await core.rehearse();
        return core;
      });
      return await bundle.arrival.wait(early, Promise.all([early, uploads]));
    }
// keras-compile: early }
    const [programs] = await Promise.all([shaders, uploads]);
    core.adopt(programs, program);
    await core.rehearse();
    return core;
  } catch (error) {
    release(gl);
    throw error instanceof BundleError ? error : new Unfit(because(error), error);
  }
}

/** A model in one context. @implements {Core} */
class OnContext {
  buffers = false;
  /** @type {WebGLProgram[]} */
  #programs = [];
  #gl;
  #inputs;
  #outputs;
  #textures;
  #weights;
  /** The texture of the mark, among the others. */
  #mark;
  #steps;
  /** @type {WebGLBuffer[]} */
  #parameters = [];
  /** Bytes of the parameters of a draw. */
  #slice = 0;
  /** For results that are read, those that nobody uses. @type {{ buffer: WebGLBuffer, words: Uint32Array<ArrayBuffer> }[]} */
  #spare = [];
  #timer;

  /**
   * @param {WebGL2RenderingContext} gl
   * @param {Promise<string>} lost
   * @param {Bundle['manifest']} manifest
   * @param {WebGLSection} section
   * @param {DrawProgram} program
   * @param {boolean} [profile]
   */
  constructor(gl, lost, manifest, section, { textures, steps }, profile) {
    this.module = /** @type {Core['module']} */ (/** @type {string} */ ('f32'));
    this.lost = lost;
    this.#gl = gl;
    this.#inputs = placeAll(manifest.inputs, section.inputs);
    this.#outputs = placeAll(manifest.outputs, section.outputs);
    const kept = new Set(steps.flatMap(({ draws }) => draws.flatMap(({ previous, out }) => (previous ? [out] : []))));
    this.#textures = textures.map((texture, i) => this.#texture(texture, kept.has(i) ? 2 : 1));
    this.#mark = this.#textures.push(this.#texture({ texels: 1, shift: 0 }, 1)) - 1;
    this.#write(this.#textures[this.#mark], Uint32Array.of(MARK, 0, 0, 0), 0);
    this.#weights = this.#texture({ texels: Math.ceil(manifest.weights.bytes / 16), shift: SIDE }, 1);
    this.#steps = steps.map(({ count, draws }) => ({ count, draws: draws.map((draw) => ({ ...draw, first: 0 })) }));
    this.#timer = profile && gl.getExtension('EXT_disjoint_timer_query_webgl2');
  }

  /** @param {DrawProgram['textures'][number]} texture @param {number} copies @returns {Texture} */
  #texture({ texels, shift, quarter }, copies) {
    const gl = this.#gl;
    const width = 1 << shift;
    const rows = Math.max(1, Math.ceil((quarter ?? texels) / width));
    const height = Math.min(rows, 1 << SIDE);
    const layers = quarter ? 4 : Math.ceil(rows / height);
    const target = quarter || texels > 1 << (2 * SIDE) ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D;
    const pair = Array.from({ length: copies }, () => {
      const texture = gl.createTexture();
      gl.bindTexture(target, texture);
      if (target === gl.TEXTURE_2D_ARRAY) gl.texStorage3D(target, 1, gl.RGBA32UI, width, height, layers);
      else gl.texStorage2D(target, 1, gl.RGBA32UI, width, height);
      // Textures of integers are not filtered.
      gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
      return texture;
    });
    const all = Array.from({ length: layers }, (_, layer) => layer);
    const frames = pair.map((texture) => (quarter ? [all] : all.map((layer) => [layer])).map((drawn) => {
      const frame = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
      const points = drawn.map((_, i) => gl.COLOR_ATTACHMENT0 + i);
      drawn.forEach((layer, i) => {
        if (target === gl.TEXTURE_2D_ARRAY) gl.framebufferTextureLayer(gl.FRAMEBUFFER, points[i], texture, 0, layer);
        else gl.framebufferTexture2D(gl.FRAMEBUFFER, points[i], target, texture, 0);
      });
      gl.drawBuffers(points);
      return frame;
    }));
    return { width, height, layers, filled: quarter ?? width * height, target, pair, frames, current: 0 };
  }

  /** Takes the shaders, and writes the parameters of every draw in every round of its loop. @param {WebGLProgram[]} programs @param {DrawProgram} program */
  adopt(programs, { programs: infos }) {
    const gl = this.#gl;
    this.#live();
    this.#programs = programs;
    let bytes = 16;
    infos.forEach(({ uniform, samplers }, i) => {
      const program = programs[i];
      gl.useProgram(program);
      samplers.forEach((name, unit) => name && gl.uniform1i(gl.getUniformLocation(program, name), unit));
      if (!uniform) return;
      const block = gl.getUniformBlockIndex(program, uniform);
      gl.uniformBlockBinding(program, block, 0);
      bytes = Math.max(bytes, gl.getActiveUniformBlockParameter(program, block, gl.UNIFORM_BLOCK_DATA_SIZE));
    });
    const draws = this.#steps.flatMap(({ count, draws }) => draws.map((draw) => ({ draw, count })));
    for (const { draw } of draws) bytes = Math.max(bytes, 4 * draw.params.length);
    const unit = gl.getParameter(gl.UNIFORM_BUFFER_OFFSET_ALIGNMENT);
    this.#slice = Math.ceil(bytes / unit) * unit;
    let total = 0;
    for (const { draw, count } of draws) {
      draw.first = total;
      total += count * this.#textures[draw.out].frames[0].length;
    }
    const words = this.#slice / 4;
    const perBuffer = this.#perBuffer();
    let at = 0;
    let content = new Uint32Array();
    for (const { draw, count } of draws) {
      const { filled, frames: [{ length }] } = this.#textures[draw.out];
      for (let round = 0; round < count; round++) {
        for (let layer = 0; layer < length; layer++, at++) {
          const first = (at % perBuffer) * words;
          if (first === 0) content = new Uint32Array(Math.min(total - at, perBuffer) * words);
          content.set(draw.params, first);
          for (const [which, delta] of draw.advance ?? []) content[first + which] += Math.imul(round, delta);
          if (layer) content[first] += layer * filled;
          if (first + words < content.length) continue;
          const buffer = gl.createBuffer();
          gl.bindBuffer(gl.UNIFORM_BUFFER, buffer);
          gl.bufferData(gl.UNIFORM_BUFFER, content, gl.STATIC_DRAW);
          this.#parameters.push(buffer);
        }
      }
    }
  }

  #perBuffer() {
    return Math.max(1, Math.floor(BLOCK / this.#slice));
  }

  /** A part of the weights. @param {number} at In bytes. @param {Uint8Array<ArrayBuffer>} bytes */
  upload(at, bytes) {
    this.#write(this.#weights, new Uint32Array(bytes.buffer, 0, bytes.length / 4), at / 16);
  }

  /** Writes texels, row by row where they are whole. @param {Texture} texture @param {Uint32Array<ArrayBuffer>} words @param {number} texel The first. */
  #write({ width, filled, target, pair, current }, words, texel) {
    const gl = this.#gl;
    gl.bindTexture(target, pair[current]);
    const texels = words.length / 4;
    for (let done = 0; done < texels; ) {
      const layer = Math.floor((texel + done) / filled);
      const at = texel + done - layer * filled;
      const [x, y] = [at % width, Math.floor(at / width)];
      const left = Math.min(texels - done, filled - at);
      const rows = x ? 0 : Math.floor(left / width);
      const [w, h] = rows ? [width, rows] : [Math.min(left, width - x), 1];
      const part = words.subarray(4 * done, 4 * (done + w * h));
      if (target === gl.TEXTURE_2D_ARRAY) gl.texSubImage3D(target, 0, x, y, layer, w, h, 1, gl.RGBA_INTEGER, gl.UNSIGNED_INT, part);
      else gl.texSubImage2D(target, 0, x, y, w, h, gl.RGBA_INTEGER, gl.UNSIGNED_INT, part);
      done += w * h;
    }
  }

  /** @param {GpuInput[]} inputs */
  #take(inputs) {
    this.#inputs.forEach(({ texture, offset }, i) => {
      const input = inputs[i];
      if (!isTensor(input)) this.#write(this.#textures[texture], new Uint32Array(input.buffer), offset / 16);
    });
  }

  /** @param {number} [begin] The first step. @param {number} [end] */
  #draw(begin = 0, end = this.#steps.length) {
    let drawn = 0;
    for (const { count, draws } of this.#steps.slice(begin, end)) {
      for (let round = 0; round < count; round++) {
        for (const draw of draws) {
          this.#drawOne(draw, round);
          if (++drawn % DRAWS_AT_ONCE === 0) this.#gl.flush();
        }
      }
    }
  }

  /** @param {Draw & { first: number }} draw @param {number} round */
  #drawOne(draw, round) {
    const gl = this.#gl;
    const { program, inputs, out, previous, first } = draw;
    const target = this.#textures[out];
    const next = previous ? 1 - target.current : target.current;
    gl.useProgram(this.#programs[program]);
    (previous ? [...inputs, out] : inputs).forEach((index, unit) => {
      const { target, pair, current } = index < 0 ? this.#weights : this.#textures[index];
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(target, pair[current]);
    });
    gl.viewport(0, 0, target.width, target.height);
    target.frames[next].forEach((frame, layer, { length }) => {
      const slice = first + round * length + layer;
      const perBuffer = this.#perBuffer();
      const offset = (slice % perBuffer) * this.#slice;
      gl.bindBufferRange(gl.UNIFORM_BUFFER, 0, this.#parameters[Math.floor(slice / perBuffer)], offset, this.#slice);
      gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
    target.current = next;
    gl.activeTexture(gl.TEXTURE0);
  }

  /** Whether the browser accepts all that a prediction is made of. */
  async rehearse() {
    const gl = this.#gl;
    this.#live();
    for (const { frames: [[frame]] } of this.#textures) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
      const status = gl.checkFramebufferStatus(gl.FRAMEBUFFER);
      if (status !== gl.FRAMEBUFFER_COMPLETE) throw new Error(`it cannot draw into its textures (0x${status.toString(16)})`);
    }
    // A pixel of each tells as much as all.
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(0, 0, 1, 1);
    this.#draw();
    gl.disable(gl.SCISSOR_TEST);
    const error = gl.getError();
    if (error === gl.OUT_OF_MEMORY) throw new Error('its memory is too small for the model');
    if (error) throw new Error(`it refuses what a prediction is made of (0x${error.toString(16)})`);
  }

// keras-compile: early {
  /** @type {Core['part']} */
  async part(inputs, begin, end) {
    if (!begin) this.#take(inputs);
    this.#draw(begin, end);
    this.#gl.flush();
  }

// keras-compile: early }
  /** @type {Core['predict']} */
  async predict(inputs, out, _, from = 0) {
    if (!from) this.#take(inputs);
    this.#draw(from);
    const regions = this.#outputs.flatMap(({ texture }) => {
      const { width, height, layers } = this.#textures[texture];
      return Array.from({ length: layers }, (_, layer) => ({ texture, layer, x: 0, y: 0, width, height }));
    });
    return this.#read(regions, (words) => {
      let at = 0;
      const results = this.#outputs.map((slot) => {
        const view = viewAt(words.buffer, slot, at + slot.offset);
        const { width, height, layers } = this.#textures[slot.texture];
        at += 16 * width * height * layers;
        return { slot, view };
      });
      return readAll(results, out);
    });
  }

  /**
   * Reads texels, one region after the other. A page does not wait for the GPU, a worker may.
   * @template T
   * @param {{ texture: number, layer: number, x: number, y: number, width: number, height: number }[]} regions
   * @param {(words: Uint32Array<ArrayBuffer>) => T} use
   */
  async #read(regions, use) {
    const gl = this.#gl;
    const all = [...regions, { texture: this.#mark, layer: 0, x: 0, y: 0, width: 1, height: 1 }];
    const size = all.reduce((sum, { width, height }) => sum + 4 * width * height, 0);
    const waits = typeof document === 'undefined';
    const kept = this.#spare.findIndex(({ words }) => words.length === size);
    const [spare = { buffer: gl.createBuffer(), words: new Uint32Array(size) }] = kept < 0 ? [] : this.#spare.splice(kept, 1);
    const { buffer, words } = spare;
    words[size - 4] = 0;
    if (!waits) {
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
      // Anew each time: Chromium warns where one that was read is written.
      gl.bufferData(gl.PIXEL_PACK_BUFFER, 4 * size, gl.STREAM_READ);
    }
    let at = 0;
    for (const { texture, layer, x, y, width, height } of all) {
      const { frames, current } = this.#textures[texture];
      const ofLayers = frames[current];
      // Either each layer has a frame of its own or all lie in one.
      const drawn = Math.min(layer, ofLayers.length - 1);
      gl.bindFramebuffer(gl.FRAMEBUFFER, ofLayers[drawn]);
      gl.readBuffer(gl.COLOR_ATTACHMENT0 + layer - drawn);
      if (waits) gl.readPixels(x, y, width, height, gl.RGBA_INTEGER, gl.UNSIGNED_INT, words, at);
      else gl.readPixels(x, y, width, height, gl.RGBA_INTEGER, gl.UNSIGNED_INT, 4 * at);
      at += 4 * width * height;
    }
    if (!waits) {
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
      await this.#done();
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
      gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, words);
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    }
    if (words[size - 4] !== MARK) throw new Error(LOST);
    const result = use(words);
    if (this.#spare.length < SPARE) this.#spare.push(spare);
    else gl.deleteBuffer(buffer);
    return result;
  }

  /** Resolves when the GPU has done all. */
  async #done() {
    const gl = this.#gl;
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    await until(() => !fence || gl.isContextLost() || gl.clientWaitSync(fence, 0, 0) !== gl.TIMEOUT_EXPIRED);
    gl.deleteSync(fence);
    this.#live();
  }

  #live() {
    if (this.#gl.isContextLost()) throw new Error(LOST);
  }

  /** @type {Core['profile']} */
  async profile(inputs) {
    const gl = this.#gl;
    const timer = this.#timer;
    this.#take(inputs);
    const times = [];
    for (let step = 0; step < this.#steps.length; step++) {
      const begin = performance.now();
      const query = timer && gl.createQuery();
      if (query) gl.beginQuery(timer.TIME_ELAPSED_EXT, query);
      this.#draw(step, step + 1);
      if (query) gl.endQuery(timer.TIME_ELAPSED_EXT);
      await this.#done();
      let ms = performance.now() - begin;
      if (query) {
        await until(() => gl.isContextLost() || gl.getQueryParameter(query, gl.QUERY_RESULT_AVAILABLE));
        if (!gl.getParameter(timer.GPU_DISJOINT_EXT)) ms = gl.getQueryParameter(query, gl.QUERY_RESULT) / 1e6;
        gl.deleteQuery(query);
      }
      times.push({ step, ms });
    }
    this.#live();
    return times;
  }

  /** @type {Core['checked']} */
  checked() {
    /** What was written to each texture: texels are written whole. @type {Map<number, Uint32Array<ArrayBuffer>>} */
    const written = new Map();
    return {
      write: (buffer, byte, words) => {
        const texture = this.#textures[buffer];
        const all = written.get(buffer) ?? new Uint32Array(4 * texture.width * texture.height * texture.layers);
        written.set(buffer, all);
        all.set(words, byte / 4);
        const first = Math.floor(byte / 16);
        this.#write(texture, all.subarray(4 * first, 4 * Math.ceil(byte / 16 + words.length / 4)), first);
      },
      run: (step, [begin, end]) => this.#steps[step].draws.slice(begin, end).forEach((draw) => this.#drawOne(draw, 0)),
      predict: () => this.#draw(),
      read: (buffer, bytes) => {
        const { width, filled } = this.#textures[buffer];
        const regions = bytes.map((byte) => {
          const texel = Math.floor(byte / 16);
          const [layer, at] = [Math.floor(texel / filled), texel % filled];
          return { texture: buffer, layer, x: at % width, y: Math.floor(at / width), width: 1, height: 1 };
        });
        return this.#read(regions, (words) => bytes.map((byte, i) => words[4 * i + ((byte / 4) & 3)]));
      },
    };
  }

  destroy() {
    release(this.#gl);
  }
}
