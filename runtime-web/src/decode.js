// Weights that stand in their files in fewer bits: each file is decoded as it arrives, where its numbers belong.
//
// Backends see files of numbers: what stands here lies between them and the bundle. A file is read into the end of the memory that
// its numbers will fill, and decoded from the beginning on. No part of it has more bytes than its numbers, so that what is
// written never reaches what is still to be read.

import { isObject, listOf, object, whole } from './manifest.js';

/** @import { Bundle, Check, EncodedPart, Manifest } from './internal.js' */

/** Bits of a code. @type {Record<string, number>} */
const BITS = { f16: 16, int8: 8, int4: 4 };

/** Levels of four bits. */
const LEVELS = 16;

/** So much fits into memory, and products of two are still exact enough to be told from it. @type {Check} */
const some = (value) => whole(value) && value > 0 && value < 2 ** 31;

/** @type {Check} */
const isPart = object({
  from: whole, bytes: whole, to: whole, elements: some, first: whole, block: some, lanes: some, rows: some,
  encoding: (value) => typeof value === 'string' && Object.hasOwn(BITS, value),
  head: (value) => typeof value === 'boolean',
});

/** Floats before the codes: plain elements, scales and levels. @param {EncodedPart} part */
function floatsOf({ encoding, elements, first, block, lanes, rows, head }) {
  const blocks = Math.ceil((first + elements) / block);
  const perBlock = Math.ceil((block / lanes - Number(head)) / rows);
  return {
    perBlock,
    plain: head ? blocks * lanes : 0,
    scales: encoding === 'f16' ? 0 : blocks * perBlock * lanes,
    levels: encoding === 'int4' ? LEVELS : 0,
  };
}

/** Bytes that a part takes in its file. @param {EncodedPart} part */
function sizeOf(part) {
  const { encoding, elements, first, block, lanes, head } = part;
  const { plain, scales, levels } = floatsOf(part);
  const plainBefore = (/** @type {number} */ end) => (head ? Math.floor(end / block) * lanes + Math.min(lanes, end % block) : 0);
  const codes = elements - plainBefore(first + elements) + plainBefore(first);
  return 4 * (plain + scales + levels + Math.ceil((codes * BITS[encoding]) / 32));
}

/** Whether a part makes sense by itself. @param {EncodedPart} part */
const isSound = (part) => {
  const { bytes, elements, first, block, lanes, head } = part;
  return block % lanes === 0 && block / lanes > Number(head) && first < block && bytes === sizeOf(part) && bytes <= 4 * elements;
};

/** Bytes of a file's numbers. @param {number} bytes @param {EncodedPart[]} parts */
const decodedBytes = (bytes, parts) => parts.reduce((sum, part) => sum + 4 * part.elements - part.bytes, bytes);

/**
 * Whether what a manifest says of encoded weights makes sense: that parts follow each other in their files and among all
 * weights, with as much between them here as there, and take what they say.
 * @type {(manifest: Manifest) => boolean}
 */
export function checkEncoded({ weights: { bytes: all, shards, encoded }, files }) {
  if (!listOf(listOf(isPart))(encoded) || encoded?.length !== shards.length || new Set(shards).size !== shards.length) return false;
  let at = 0;
  for (const [i, parts] of encoded.entries()) {
    const { bytes } = files[shards[i]] ?? {};
    if (bytes === undefined || bytes % 4) return false;
    let [from, to] = [0, at];
    for (const part of parts) {
      const gap = part.from - from;
      if (gap < 0 || gap % 4 || part.to !== to + gap || !isSound(part)) return false;
      [from, to] = [part.from + part.bytes, part.to + 4 * part.elements];
    }
    if (from > bytes) return false;
    at += decodedBytes(bytes, parts);
  }
  return at === all;
}

/** The same bundle with files of numbers. @param {Bundle} bundle @returns {Bundle} */
export function decoding(bundle) {
  const { manifest } = bundle;
  const { shards, encoded } = manifest.weights;
  if (!isObject(manifest.files) || !encoded) return bundle;
  const parts = new Map(shards.map((name, i) => [name, encoded[i] ?? []]));
  const files = { ...manifest.files };
  for (const [name, own] of parts) {
    const file = files[name];
    if (file) files[name] = { ...file, bytes: decodedBytes(file.bytes, own) };
  }
  return {
    ...bundle,
    manifest: { ...manifest, files },
    again: () => decoding(bundle.again()),
    async fill(name, target) {
      const own = parts.get(name);
      if (!own) return bundle.fill(name, target);
      const begin = target.length - (manifest.files[name]?.bytes ?? 0);
      await bundle.fill(name, target.subarray(begin));
      decodeFile(own, target, begin);
    },
  };
}

/** Decodes a file that lies at the end of its numbers. @param {EncodedPart[]} parts @param {Uint8Array} target @param {number} begin Where it lies. */
function decodeFile(parts, target, begin) {
  let [from, to] = [begin, 0];
  for (const part of parts) {
    const start = begin + part.from;
    target.copyWithin(to, from, start);
    to += start - from;
    decodePart(part, target, start, to);
    [from, to] = [start + part.bytes, to + 4 * part.elements];
  }
}

/**
 * @param {EncodedPart} part
 * @param {Uint8Array} target
 * @param {number} from The byte where it lies.
 * @param {number} to The byte where its numbers begin.
 */
function decodePart(part, target, from, to) {
  const { elements, first, block, lanes, rows } = part;
  const { perBlock, plain, scales, levels } = floatsOf(part);
  const head = Number(part.head);
  const { buffer, byteOffset } = target;
  const codesAt = from + 4 * (plain + scales + levels);
  // Numbers will lie over these.
  const floats = new Float32Array(target.slice(from, codesAt).buffer);
  const own = floats.subarray(plain, plain + scales);
  const out = new Float32Array(buffer, byteOffset + to, elements);
  const decode = decoderOf(part, out, buffer, byteOffset + codesAt, floats.subarray(plain + scales), own);
  const end = first + elements;
  let code = 0;
  for (let i = first; i < end; ) {
    const inBlock = i % block;
    const lane = i % lanes;
    const row = (inBlock - lane) / lanes - head;
    const which = (i - inBlock) / block;
    if (row < 0) {
      const length = Math.min(lanes - lane, end - i);
      out.set(floats.subarray(which * lanes + lane, which * lanes + lane + length), i - first);
      i += length;
      continue;
    }
    const group = Math.floor(row / rows);
    const rowsLeft = Math.min((group + 1) * rows + head, block / lanes) - row - head;
    const full = lane ? 0 : Math.min(rowsLeft, Math.floor((end - i) / lanes));
    // Rows of one lane share a scale, and so are as one row.
    const [count, width] = lanes === 1 ? [1, full] : full ? [full, lanes] : [1, Math.min(lanes - lane, end - i)];
    decode(i - first, code, count, width, (which * perBlock + group) * lanes + lane, lanes === 1);
    code += count * width;
    i += count * width;
  }
}

/**
 * What decodes rows of codes: the places of the first number and code, rows, codes of a row, the place of a row's first scale, and
 * whether all have that one.
 * @param {EncodedPart} part
 * @param {Float32Array} out
 * @param {ArrayBufferLike} buffer
 * @param {number} at Where its codes begin.
 * @param {Float32Array} table
 * @param {Float32Array} scales
 * @returns {(to: number, code: number, count: number, width: number, scale: number, shared: boolean) => void}
 */
function decoderOf({ encoding }, out, buffer, at, table, scales) {
  if (encoding === 'int8') {
    const codes = new Int8Array(buffer, at);
    return (to, code, count, width, scale, shared) => {
      if (shared) {
        const one = scales[scale];
        for (const end = to + width; to < end; to++) out[to] = codes[code++] * one;
        return;
      }
      for (let row = 0; row < count; row++) {
        const end = scale + width;
        let s = scale;
        // Panels have four columns or a multiple of that.
        for (; s + 4 <= end; s += 4, to += 4, code += 4) {
          out[to] = codes[code] * scales[s];
          out[to + 1] = codes[code + 1] * scales[s + 1];
          out[to + 2] = codes[code + 2] * scales[s + 2];
          out[to + 3] = codes[code + 3] * scales[s + 3];
        }
        for (; s < end; s++) out[to++] = codes[code++] * scales[s];
      }
    };
  }
  if (encoding === 'int4') {
    const codes = new Uint8Array(buffer, at);
    const level = (/** @type {number} */ code) => table[(codes[code >> 1] >> (4 * (code & 1))) & 15];
    return (to, code, count, width, scale, shared) => {
      if (shared) {
        const one = scales[scale];
        for (const end = to + width; to < end; to++) out[to] = level(code++) * one;
        return;
      }
      for (let row = 0; row < count; row++) {
        const end = scale + width;
        let s = scale;
        if (code & 1) out[to++] = level(code++) * scales[s++];
        for (; s + 2 <= end; s += 2, to += 2, code += 2) {
          const both = codes[code >> 1];
          out[to] = table[both & 15] * scales[s];
          out[to + 1] = table[both >> 4] * scales[s + 1];
        }
        if (s < end) out[to++] = level(code++) * scales[s];
      }
    };
  }
  const codes = new Uint16Array(buffer, at, (buffer.byteLength - at) >> 1);
  const halves = (everyHalf ??= allHalves());
  return (to, code, count, width) => {
    for (const end = to + count * width; to < end; to++) out[to] = halves[codes[code++]];
  };
}

/** What each half is, when one was needed. @type {Float32Array | undefined} */
let everyHalf;

/** The exponent of a half begins 112 below that of a float, and so does that of what is below its normal numbers. */
function allHalves() {
  const halves = new Float32Array(1 << 16);
  const bits = new Uint32Array(halves.buffer);
  for (let half = 0; half < 1 << 15; half++) {
    bits[half] = half << 13;
    halves[half] *= 2 ** 112;
    halves[half + (1 << 15)] = -halves[half];
  }
  return halves;
}
