// Typed arrays of the caller to and from the views of a backend's memory.

/** @import { DType, GpuTensor, Outputs, TensorData, TensorInfo } from './index.js' */
/** @import { Result, Slot, Stored, Value } from './internal.js' */

/** The array that stands for each of Keras' element types: a typed one, but for strings. */
const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  string: Array,
};

/**
 * Whether an array of that tag holds what an input takes: what stands for its type, or bytes, if they all fit. Integers may
 * come in an `Int32Array` too, and those of 64 bits as plain numbers, whatever they fit.
 */
export const takes = (/** @type {DType} */ dtype, /** @type {string} */ tag) =>
  tag === arrays[dtype].name || (!/^(int8|string)$/.test(dtype) && /^Uint8(Clamped)?Array$/.test(tag)) ||
  (/int/.test(dtype) && (tag === 'Int32Array' || (tag === 'Array' && /64/.test(dtype))));

/** Integers up to this one, of either sign, are floats, so that a network computes with them as they are. */
export const EXACT = 2 ** 24;

/** The least and the largest integer of a type. @param {DType} dtype @returns {[number, number]} */
export function bounds(dtype) {
  const [, unsigned, bits] = /** @type {string[]} */ (/^(u?)int(\d+)$/.exec(dtype) ?? [dtype, '', '64']);
  const half = 2 ** (Number(bits) - 1);
  return unsigned ? [0, 2 * half - 1] : [-half, half - 1];
}

/** Whether a value is what a GPU holds, not an array. @param {Value} value @returns {value is GpuTensor} */
export const isTensor = (value) => !ArrayBuffer.isView(value) && !Array.isArray(value);

/** @param {readonly number[]} shape */
export const count = (shape) => shape.reduce((product, size) => product * size, 1);

/** What an input may be. @param {TensorInfo} info @returns {TensorData} */
export const zeros = ({ dtype, shape }) => /** @type {any} */ (new arrays[dtype](count(shape)));

/** @param {DType} dtype @returns {string} */
export const arrayName = (dtype) => arrays[dtype].name;

/** The array as errors call it. @param {DType} dtype */
export const arrayOf = (dtype) => (dtype === 'string' ? 'Array of strings' : arrays[dtype].name);

/** @param {TensorInfo} info The input, or another `kind`, as errors show it. */
export const describe = ({ name, shape, dtype }, kind = 'input') => `${kind} "${name}" (${dtype} [${shape.join(', ')}])`;

/** @param {ArrayBufferLike} buffer @param {Slot & Stored} slot @param {number} offset */
export const viewAt = (buffer, { storage, shape }, offset) =>
  new (storage === 'f32' ? Float32Array : Int32Array)(/** @type {ArrayBuffer} */ (buffer), offset, count(shape));

/**
 * @param {Float32Array | Int32Array} view
 * @param {TensorData} values As many, of the array type of the slot's dtype.
 * @param {Slot & Stored} slot
 */
export function write(view, values, slot) {
  const { dtype } = slot;
  if (dtype === 'bool') view.set(/** @type {Uint8Array} */ (values).map((value) => +!!value));
  else if (!/64|uint32/.test(dtype) || dtype === 'float64') view.set(/** @type {Float32Array} */ (values));
  else {
    for (let i = 0; i < values.length; i++) {
      view[i] = Number(values[i]);
      // Not strict: one is a number, the other may be a bigint.
      if (view[i] != values[i]) {
        const where = slot.storage === 'i32' ? 'fit 32 bits' : 'fit a float of 32 bits exactly';
        throw new RangeError(`predict: ${describe(slot)} has ${values[i]} at ${i}, which does not ${where}`);
      }
    }
  }
}

/**
 * The outputs by name, in arrays of the caller or in new ones.
 * @param {Result[]} places
 * @param {TensorData[]} [out]
 * @returns {Outputs}
 */
export function readAll(places, out) {
  const read = (/** @type {Result} */ { slot: { dtype }, view }, /** @type {number} */ i) => {
    const target = /** @type {any} */ (out?.[i] ?? new arrays[dtype](view.length));
    target.set(/64$/.test(dtype) && dtype !== 'float64' ? Array.from(view, BigInt) : view);
    return target;
  };
  return /** @type {any} */ (Object.fromEntries(places.map((place, i) => [place.slot.name, read(place, i)])));
}

/** The largest numbers with their places, the largest first, and of equal ones the first. @param {ArrayLike<number>} values @param {number} k */
export const topk = (values, k) =>
  Array.from(values, (value, index) => ({ index, value })).sort((a, b) => b.value - a.value).slice(0, k);

/** The place of the largest number, the first of equal ones. @param {ArrayLike<number>} values */
export const argmax = (values) => topk(values, 1)[0]?.index ?? -1;
