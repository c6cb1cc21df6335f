// Hashes of bytes as TensorFlow has them: 64 bits each, in integers of any size.

/** @param {bigint} value */
const u64 = (value) => BigInt.asUintN(64, value);

/** @param {bigint} value @param {bigint} bits To the right. */
const rotated = (value, bits) => u64((value >> bits) | (value << (64n - bits)));

/** @param {bigint} value */
const mixed = (value) => value ^ (value >> 47n);

const [K0, K1, K2] = [0xc3a5c85c97cb3127n, 0xb492b66fbe98f273n, 0x9ae16a3b2f90404fn];

/** @param {bigint} u @param {bigint} v @param {bigint} factor */
function joined(u, v, factor) {
  const a = mixed(u64((u ^ v) * factor));
  return u64(mixed(u64((v ^ a) * factor)) * factor);
}

/** @param {DataView} view @param {number} at @param {bigint} a @param {bigint} b @returns {[bigint, bigint]} */
function weak(view, at, a, b) {
  const [w, x, y, z] = [0, 8, 16, 24].map((byte) => view.getBigUint64(at + byte, true));
  const first = u64(a + /** @type {bigint} */ (w));
  const second = rotated(u64(b + first + /** @type {bigint} */ (z)), 21n);
  const sum = u64(first + /** @type {bigint} */ (x) + /** @type {bigint} */ (y));
  return [u64(sum + /** @type {bigint} */ (z)), u64(second + rotated(sum, 44n) + first)];
}

/** FarmHash of at most 16 bytes. @param {DataView} view */
function short(view) {
  const { byteLength: length } = view;
  const factor = K2 + 2n * BigInt(length);
  if (length >= 8) {
    const a = u64(view.getBigUint64(0, true) + K2);
    const b = view.getBigUint64(length - 8, true);
    return joined(u64(rotated(b, 37n) * factor + a), u64((rotated(a, 25n) + b) * factor), u64(factor));
  }
  if (length >= 4) {
    const [a, b] = [0, length - 4].map((at) => BigInt(view.getUint32(at, true)));
    return joined(BigInt(length) + (/** @type {bigint} */ (a) << 3n), /** @type {bigint} */ (b), u64(factor));
  }
  if (!length) return K2;
  const y = BigInt(view.getUint8(0) + (view.getUint8(length >> 1) << 8));
  const z = BigInt(length + (view.getUint8(length - 1) << 2));
  return u64(mixed(u64(y * K2) ^ u64(z * K0)) * K2);
}

/** FarmHash of 17 to 64 bytes. @param {DataView} view */
function middle(view) {
  const { byteLength: length } = view;
  const factor = u64(K2 + 2n * BigInt(length));
  const read = (/** @type {number} */ at) => view.getBigUint64(at, true);
  const a = u64(read(0) * (length > 32 ? K2 : K1));
  const b = read(8);
  const c = u64(read(length - 8) * factor);
  const d = u64(read(length - 16) * K2);
  const y = u64(rotated(u64(a + b), 43n) + rotated(c, 30n) + d);
  const z = joined(y, u64(a + rotated(u64(b + K2), 18n) + c), factor);
  if (length <= 32) return z;
  const e = u64(read(16) * factor);
  const f = read(24);
  const g = u64((y + read(length - 32)) * factor);
  const h = u64((z + read(length - 24)) * factor);
  return joined(u64(rotated(u64(e + f), 43n) + rotated(g, 30n) + h), u64(e + rotated(u64(f + a), 18n) + g), factor);
}

/**
 * `Fingerprint64` of FarmHash (`farmhashna::Hash64`), by which `tf.strings.to_hash_bucket_fast` hashes.
 * @param {Uint8Array} bytes
 */
export function fingerprint64(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { length } = bytes;
  if (length <= 16) return short(view);
  if (length <= 64) return middle(view);
  const read = (/** @type {number} */ at) => view.getBigUint64(at, true);
  const rest = (length - 1) & 63;
  const end = length - 1 - rest;
  let y = u64(81n * K1 + 113n);
  let z = u64(mixed(u64(y * K2 + 113n)) * K2);
  let x = u64(81n * K2 + read(0));
  /** @type {[bigint, bigint]} */
  let v = [0n, 0n];
  /** @type {[bigint, bigint]} */
  let w = [0n, 0n];
  /** @param {number} at @param {bigint} factor @param {bigint} times */
  const round = (at, factor, times) => {
    x = u64(rotated(u64(x + y + v[0] + read(at + 8)), 37n) * factor);
    y = u64(rotated(u64(y + v[1] + read(at + 48)), 42n) * factor);
    x ^= u64(w[1] * times);
    y = u64(y + v[0] * times + read(at + 40));
    z = u64(rotated(u64(z + w[0]), 33n) * factor);
    v = weak(view, at, u64(v[1] * factor), u64(x + w[0]));
    w = weak(view, at + 32, u64(z + w[1]), u64(y + read(at + 16)));
    [z, x] = [x, z];
  };
  for (let at = 0; at < end; at += 64) round(at, K1, 1n);
  const factor = u64(K1 + ((z & 0xffn) << 1n));
  w[0] = u64(w[0] + BigInt(rest));
  v[0] = u64(v[0] + w[0]);
  w[0] = u64(w[0] + v[0]);
  round(end + rest - 63, factor, 9n);
  const first = u64(joined(v[0], w[0], factor) + mixed(y) * K0 + z);
  return joined(first, u64(joined(v[1], w[1], factor) + x), factor);
}

/** SipHash-2-4, by which `tf.strings.to_hash_bucket_strong` hashes. @param {Uint8Array} bytes @param {readonly [bigint, bigint]} key */
export function sipHash(bytes, [first, second]) {
  let [a, b, c, d] = [
    first ^ 0x736f6d6570736575n, second ^ 0x646f72616e646f6dn, first ^ 0x6c7967656e657261n, second ^ 0x7465646279746573n,
  ];
  const rounds = (/** @type {number} */ count) => {
    for (let i = 0; i < count; i++) {
      a = u64(a + b);
      b = rotated(b, 51n) ^ a;
      a = rotated(a, 32n);
      c = u64(c + d);
      d = rotated(d, 48n) ^ c;
      a = u64(a + d);
      d = rotated(d, 43n) ^ a;
      c = u64(c + b);
      b = rotated(b, 47n) ^ c;
      c = rotated(c, 32n);
    }
  };
  // The last word has the length in its highest byte.
  const padded = new Uint8Array(8 * Math.floor(bytes.length / 8) + 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length;
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = view.getBigUint64(at, true);
    d ^= word;
    rounds(2);
    a ^= word;
  }
  c ^= 0xffn;
  rounds(4);
  return a ^ b ^ c ^ d;
}

/** What `tf.sparse.cross_hashed` begins with, and its factor (`FingerprintCat64`). */
const [BEGIN, CAT] = [0xdecafcaffen, 0xc6a4a7935bd1e995n];

/** The hash of several hashes, one after the other. @param {bigint[]} hashes */
export const crossed = (hashes) =>
  hashes.reduce((all, hash) => {
    const next = u64((all ^ CAT ^ u64(mixed(u64(hash * CAT)) * CAT)) * CAT);
    return mixed(u64(mixed(next) * CAT));
  }, BEGIN);
