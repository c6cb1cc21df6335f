// Pictures as inputs: their pixels, in the size of the network, as the channels that it takes.

import { object, optional, whole } from './manifest.js';
import { BundleError } from './source.js';
import { count, describe } from './tensor.js';

/** @import { Model } from './index.js' */
/** @import { Check, Filter, Fit, Manifest, Picture, Pixels, Slot } from './internal.js' */

/** By tag, since `instanceof` fails for objects of another frame. @param {unknown} value */
const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);

const isBytes = (/** @type {unknown} */ value) => /^Uint8(Clamped)?Array$/.test(tagOf(value));

/** What can be drawn, and where its size stands. @type {Record<string, [string, string] | undefined>} */
const drawn = {
  HTMLImageElement: ['naturalWidth', 'naturalHeight'],
  HTMLVideoElement: ['videoWidth', 'videoHeight'],
  VideoFrame: ['displayWidth', 'displayHeight'],
  ImageBitmap: ['width', 'height'],
  HTMLCanvasElement: ['width', 'height'],
  OffscreenCanvas: ['width', 'height'],
};

const isBlob = (/** @type {unknown} */ value) => /^(Blob|File)$/.test(tagOf(value));

/** Pixels as they are. @param {any} value */
const isPixels = (value) => tagOf(value) === 'ImageData' || (tagOf(value) === 'Object' && isBytes(value.data) && 'width' in value && 'height' in value);

/** @param {unknown} value */
const isPicture = (value) => Boolean(drawn[tagOf(value)]) || isBlob(value) || isPixels(value);

/** What is drawn on, for as long as pictures have one size. @type {any} */
let context;

/** @param {any} source @param {number} width @param {number} height @returns {Pixels} */
function draw(source, width, height) {
  if (context?.canvas.width !== width || context.canvas.height !== height) {
    const canvas = typeof OffscreenCanvas === 'undefined' ? document.createElement('canvas') : new OffscreenCanvas(width, height);
    canvas.width = width;
    canvas.height = height;
    context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
    // Nothing of the picture before shines through.
    context.globalCompositeOperation = 'copy';
  }
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height, { colorSpace: 'srgb' });
}

/** @param {any} picture @param {string} what The input. @returns {Pixels | Promise<Pixels>} */
function pixelsOf(picture, what) {
  if (isBlob(picture)) return decoded(picture, what);
  const size = drawn[tagOf(picture)];
  const [width, height] = size ? size.map((name) => picture[name]) : [picture.width, picture.height];
  if (size) {
    if (!(width && height)) throw new TypeError(`predict: ${what} got a ${tagOf(picture)} without pixels; wait until it is loaded`);
    return draw(picture, width, height);
  }
  const { data } = picture;
  if (!(isBytes(data) && data.length && data.length === 4 * width * height)) {
    const found = isBytes(data) ? `${data.length} bytes` : tagOf(data);
    throw new RangeError(`predict: ${what} got pixels of ${width} x ${height} with ${found}; they have 4 bytes each, red, green, blue, alpha`);
  }
  return picture;
}

/** What is in a file, upright. @param {Blob} blob @param {string} what */
async function decoded(blob, what) {
  if (typeof createImageBitmap === 'undefined') {
    throw new TypeError(`predict: ${what} got a Blob, which nothing decodes here; pass { data, width, height } with its RGBA bytes`);
  }
  const bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image', premultiplyAlpha: 'none' });
  try {
    return draw(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/** Channels of a picture, without alpha. Grey is Pillow's, as `load_img` has it. @param {Pixels} pixels @param {number} channels */
function channelsOf({ data, width, height }, channels) {
  const to = new Uint8Array(width * height * channels);
  for (let i = 0, at = 0; at < to.length; i += 4) {
    const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
    if (channels === 1) to[at++] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else {
      to[at++] = r;
      to[at++] = g;
      to[at++] = b;
    }
  }
  return to;
}

const sinc = (/** @type {number} */ x) => (x ? Math.sin(x * Math.PI) / (x * Math.PI) : 1);

/** Pillow's filters: how far each reaches, and what it weighs at a distance. @type {Record<string, [number, (x: number) => number]>} */
const filters = {
  box: [0.5, (x) => +(x > -0.5 && x <= 0.5)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  hamming: [1, (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(x * Math.PI)))],
  bicubic: [2, (x) => {
    x = Math.abs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
  }],
  lanczos: [3, (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

/**
 * Of each element of a new axis the first that it is made of, and their weights: Pillow's, as integers of 22 bits (`Resample.c`).
 * @param {Filter} name @param {number} length @param {number} start @param {number} end The part of the old axis. @param {number} size
 * @returns {[number, number[]][]}
 */
function taps(name, length, start, end, size) {
  const scale = (end - start) / size;
  const wide = Math.max(scale, 1);
  if (name === 'nearest') {
    // Its rounding errors add up as they do there.
    let at = start + scale * 0.5;
    return Array.from({ length: size }, () => {
      const from = Math.trunc(at);
      at += scale;
      return [from, [1]];
    });
  }
  if (name === 'ops-nearest') return Array.from({ length: size }, (_, i) => [start + Math.min(Math.floor(Math.fround((i + 0.5) * Math.fround(scale))), end - start - 1), [1]]);
  if (name === 'ops-bilinear') {
    return Array.from({ length: size }, (_, i) => {
      const at = Math.fround(Math.fround((i + 0.5) * Math.fround(scale)) - 0.5);
      const below = Math.floor(at);
      const from = Math.max(below, 0);
      const share = Math.fround(at - below);
      return [start + from, Math.min(below + 1, end - start - 1) > from ? [1 - share, share] : [1]];
    });
  }
  const [reach, weigh] = /** @type {[number, (x: number) => number]} */ (filters[name]);
  const support = reach * wide;
  return Array.from({ length: size }, (_, i) => {
    const center = start + (i + 0.5) * scale;
    const from = Math.max(Math.trunc(center - support + 0.5), 0);
    const to = Math.min(Math.trunc(center + support + 0.5), length);
    const weights = Array.from({ length: to - from }, (_, x) => weigh((x + from - center + 0.5) / wide));
    const sum = weights.reduce((all, weight) => all + weight, 0) || 1;
    return [from, weights.map((weight) => {
      const share = (weight / sum) * (1 << 22);
      return Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    })];
  });
}

/**
 * The middle axis in another length.
 * @param {Uint8Array | Float32Array} from `[outer, length, inner]` @param {number} length @param {number} inner @param {[number, number[]][]} taps
 * @param {Filter} filter
 */
function along(from, length, inner, taps, filter) {
  const outer = from.length / (length * inner);
  const to = filter === 'ops-bilinear' ? new Float32Array(outer * taps.length * inner) : new Uint8ClampedArray(outer * taps.length * inner);
  const fixed = filter in filters;
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const [first, weights] of taps) {
      const begin = (o * length + first) * inner;
      for (let i = 0; i < inner; i++) {
        let sum = fixed ? 1 << 21 : 0;
        for (let k = 0, place = begin + i; k < weights.length; k++, place += inner) sum += /** @type {number} */ (from[place]) * /** @type {number} */ (weights[k]);
        to[at++] = fixed ? sum >> 22 : sum;
      }
    }
  }
  return to;
}

/**
 * The part of a picture that is shown, and the frame around it, as `load_img` and `ops.image.resize` count them.
 * @param {number} width @param {number} height @param {Picture} picture @param {Fit} fit
 */
function frame(width, height, picture, fit) {
  const across = Math.trunc((height * picture.width) / picture.height);
  const down = Math.trunc((width * picture.height) / picture.width);
  const half = (/** @type {number} */ difference) => Math.trunc(Math.max(difference, 0) / 2);
  if (fit === 'pad') return { left: 0, top: 0, wide: width, high: height, frameX: half(across - width), frameY: half(down - height) };
  if (fit === 'stretch') return { left: 0, top: 0, wide: width, high: height, frameX: 0, frameY: 0 };
  const [wide, high] = [Math.max(Math.min(across, width), 1), Math.max(Math.min(down, height), 1)];
  return { left: half(width - wide), top: half(height - high), wide, high, frameX: 0, frameY: 0 };
}

/** A picture with black around it. @param {Uint8Array} data @param {number} row Bytes of a row. @param {number} x Bytes on each side. @param {number} y Rows. */
function framed(data, row, x, y) {
  const rows = data.length / row;
  const to = new Uint8Array((rows + 2 * y) * (row + 2 * x));
  for (let i = 0; i < rows; i++) to.set(data.subarray(i * row, (i + 1) * row), (i + y) * (row + 2 * x) + x);
  return to;
}

/** The channels of a picture in the size of the network. @param {Pixels} pixels @param {Picture} picture @param {string} what */
function fitted(pixels, picture, what) {
  const { channels, resize } = picture;
  let { width, height } = pixels;
  /** @type {any} */
  let data = channelsOf(pixels, channels);
  if (width === picture.width && height === picture.height) return data;
  if (!resize) {
    throw new RangeError(`predict: ${what} got a picture of ${width} x ${height}, and takes ${picture.width} x ${picture.height}; ` +
      'compile the model with --image …,resize=bilinear');
  }
  const { filter, fit } = resize;
  const { left, top, wide, high, frameX, frameY } = frame(width, height, picture, fit);
  data = framed(data, width * channels, frameX * channels, frameY);
  [width, height] = [width + 2 * frameX, height + 2 * frameY];
  const [endX, endY] = [left + wide + 2 * frameX, top + high + 2 * frameY];
  // An axis that keeps its length stays as it is.
  if (width !== picture.width || left || endX !== width) data = along(data, width, channels, taps(filter, width, left, endX, picture.width), filter);
  if (height !== picture.height || top || endY !== height) data = along(data, height, picture.width * channels, taps(filter, height, top, endY, picture.height), filter);
  return data;
}

/** What an input takes for pictures. @param {Slot} slot @param {Pixels[]} all */
function batched(slot, all) {
  const picture = /** @type {Picture} */ (slot.picture);
  const { channels, first, width, height, resize } = picture;
  const size = channels * width * height;
  const values = resize?.filter === 'ops-bilinear' ? new Float32Array(size * all.length) : new Uint8Array(size * all.length);
  all.forEach((pixels, n) => {
    const data = fitted(pixels, picture, describe(slot));
    if (!first) values.set(data, n * size);
    else for (let i = 0; i < size; i++) values[n * size + (i % channels) * width * height + Math.trunc(i / channels)] = data[i];
  });
  return values;
}

/** What an input takes for what a page passed, which may be no pictures. @param {Slot} slot @param {any} value */
function read(slot, value) {
  const all = Array.isArray(value) ? value : [value];
  const what = describe(slot);
  if (!all.length || !all.some(isPicture)) {
    if (ArrayBuffer.isView(value) || tagOf(value) === 'GPUBuffer' || tagOf(value?.buffer) === 'GPUBuffer' || value === undefined) return value;
    throw new TypeError(`predict: ${what} takes a picture, got ${Array.isArray(value) ? `an Array of ${tagOf(value[0])}` : tagOf(value)}; ` +
      'pass an image, video, canvas, ImageData, Blob or { data, width, height }, or a typed array');
  }
  const wrong = all.findIndex((one) => !isPicture(one));
  if (wrong >= 0) throw new TypeError(`predict: ${what} got ${tagOf(all[wrong])} at ${wrong}, where a picture belongs`);
  const { channels, width, height } = /** @type {Picture} */ (slot.picture);
  const batch = count(slot.shape) / (channels * width * height);
  if (all.length !== batch) throw new RangeError(`predict: ${what} takes ${batch} picture${batch > 1 ? 's' : ''}, got ${all.length}`);
  const pixels = all.map((picture) => pixelsOf(picture, what));
  const later = pixels.some((one) => one instanceof Promise);
  return later ? Promise.all(pixels).then((all) => batched(slot, all)) : batched(slot, /** @type {Pixels[]} */ (pixels));
}

/** What a manifest says of pictures. @type {Check} */
const sound = object({
  height: whole,
  width: whole,
  channels: (value) => value === 1 || value === 3,
  first: optional((value) => typeof value === 'boolean'),
  resize: optional(object({
    filter: (value) => Object.hasOwn(filters, value) || /^((ops-)?nearest|ops-bilinear)$/.test(value),
    fit: (value) => /^(stretch|crop|pad)$/.test(value),
  })),
});

/**
 * Lets a model take pictures wherever it takes inputs. They are read before its methods return, as arrays are.
 * @param {Model} model @param {Manifest} manifest @param {URL} url Where that lies, for messages.
 */
export function takePictures(model, manifest, url) {
  const passed = (manifest.strings?.inputs ?? manifest.inputs).filter(({ state }) => state === undefined);
  const slots = passed.filter(({ picture }) => picture);
  const fits = (/** @type {any} */ { picture, shape }) => sound(picture) && count(shape) % (picture.height * picture.width * picture.channels) === 0;
  if (!slots.every(fits)) {
    model.dispose();
    throw new BundleError(url, 'has a "picture" that makes no sense; compile the model anew');
  }
  /** @param {any} x */
  const given = (x) => {
    const [only] = passed.length === 1 ? slots : [];
    const bare = only && tagOf(x) !== 'Undefined' && (isPicture(x) || Array.isArray(x));
    if (bare) x = { [only.name]: x };
    if (tagOf(x) !== 'Object') return x;
    const values = { ...x };
    const waits = slots.flatMap((slot) => {
      if (!(slot.name in x)) return [];
      const value = read(slot, x[slot.name]);
      if (!(value instanceof Promise)) values[slot.name] = value;
      return value instanceof Promise ? [value.then((numbers) => (values[slot.name] = numbers))] : [];
    });
    if (!waits.length) return values;
    // Whoever passed arrays beside what is still decoded may use them again by then.
    for (const [name, value] of Object.entries(values)) if (ArrayBuffer.isView(value) || Array.isArray(value)) values[name] = /** @type {any} */ (value).slice();
    return Promise.all(waits).then(() => values);
  };
  const { predict, profile, verify } = /** @type {any} */ (model);
  const some = /** @type {any} */ (model);
  const ready = async (/** @type {any} */ x, /** @type {(x: any) => any} */ go) => {
    const values = given(x);
    return go(values instanceof Promise ? await values : values);
  };
  some.predict = (/** @type {any} */ x, /** @type {any} */ options) => ready(x, (values) => predict.call(model, values, options));
  some.profile = (/** @type {any} */ x) => ready(x, (values) => profile.call(model, values));
  some.verify = (/** @type {any} */ { against, inputs } = {}) => ready(inputs, (values) => verify.call(model, { against, inputs: values }));
}
