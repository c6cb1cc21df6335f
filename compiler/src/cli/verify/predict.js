// Predicts for one sample after the other and sends all results back, in a page or in Node.

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, bool: Uint8Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
  int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};

/**
 * What the engine asks for: a line of JSON, and behind it the results of all predictions, each of its outputs in order, as doubles. `samples`
 * are the elements of all predictions, each of its inputs in order, as the machine has them.
 */
export async function answer(load, { backend, inputs, outputs, predictions }, samples) {
  try {
    const model = await load(undefined, { backend, threads: 1 });
    let at = 0;
    const next = ({ dtype, count }) => {
      const bytes = count * ARRAYS[dtype].BYTES_PER_ELEMENT;
      return new ARRAYS[dtype](samples.slice(at, (at += bytes)).buffer);
    };
    const found = [];
    for (let i = 0; i < predictions; i++) {
      const given = Object.fromEntries(inputs.map((input) => [input.name, next(input)]));
      const results = await model.predict(given);
      for (const name of outputs) found.push(new Uint8Array(Float64Array.from(results[name]).buffer));
    }
    const head = new TextEncoder().encode(`${JSON.stringify({ backend: model.backend, module: model.module })}\n`);
    const all = new Uint8Array([head, ...found].reduce((sum, { length }) => sum + length, 0));
    [head, ...found].reduce((to, part) => (all.set(part, to), to + part.length), 0);
    return all;
  } catch (error) {
    return JSON.stringify({ error: String(error) });
  }
}
