// Programs made by hand for the backends on a GPU.

import { filler } from '../../../runtime-web/src/check.js';

/** What WebGPU promises everywhere. */
export const defaults = {
  maxBufferSize: 1 << 28,
  maxStorageBufferBindingSize: 1 << 27,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
};

const bits = (value) => new Uint32Array(new Float32Array([value]).buffer)[0];

const params = (words) => `@group(0) @binding(0) var<uniform> params: array<vec4<u32>, ${words}>;\n`;

const affineShaders = `// module 0: twice
${params(1)}@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < params[0].x) { y[id.x] = bitcast<f32>(params[0].y) * x[id.x]; }
}
// module 1: sum
${params(1)}@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() {
  let i = params[0].x;
  y[params[0].y + i] = x[i] + w[i];
}
`;

/** What `y = 2 x + w` is checked with, where `y` begins at a byte of buffer 2. @param {number} start */
function affineCheck(start) {
  const fill = filler();
  const weights = [10, 20, 30, 40];
  const numbers = (buffer, seed) => Array.from(new Float32Array(fill([buffer, 0, 16, 'unit', 0], seed).buffer));
  const samples = (values, first = 0) => values.map((value, i) => [first + 4 * i, bits(value), 1e-5]);
  const kernel = (step, name, from, buffer, results, parts = [[0, 16]]) => (
    { step, dispatches: [0, 1], name, buffer, fills: parts.map(([first, bytes]) => [from, first, bytes, 'unit', 0]), patterns: [1, 2].map((seed) => ({ seed, samples: results(numbers(from, seed)) })) }
  );
  return JSON.stringify({
    kernels: [
      kernel(0, 'twice', 0, 1, (x) => samples(x.map((value) => 2 * value))),
      // Of the loop, the first round. What is filled may begin and end anywhere.
      kernel(1, 'sum', 1, 2, ([x]) => samples([x + weights[0]], start), [[0, 16], [4, 8]]),
    ],
    network: {
      seed: 1,
      inputs: [[0, 0, 16, 'unit', 0]],
      outputs: [{ buffer: 2, samples: samples(numbers(0, 1).map((value, i) => 2 * value + weights[i]), start) }],
    },
  });
}

/**
 * `y = 2 x + w`, a loop over the elements for the sum. The output lies behind what another program would put there.
 * @param {{ shaders?: (text: string) => string, limits?: object, features?: string[], check?: boolean }} [change]
 */
export const affineWebGPU = ({ shaders = (text) => text, limits, features, check } = {}) => ({
  code: {
    program: JSON.stringify({
      arenas: [16, 16, 48],
      pipelines: [{ module: 0, bindings: 'rw' }, { module: 1, bindings: 'rrw' }],
      steps: [
        { count: 1, dispatches: [{ pipeline: 0, groups: [1, 1, 1], buffers: [0, 1], params: [4, bits(2)] }] },
        { count: 4, dispatches: [{ pipeline: 1, groups: [1, 1, 1], buffers: [-1, 1, 2], params: [0, 8], advance: [[0, 1]] }] },
      ],
    }),
    shaders: shaders(affineShaders),
    ...(check && { check: affineCheck(32) }),
  },
  section: {
    inputs: [{ storage: 'f32', arena: 0, offset: 0 }],
    outputs: [{ storage: 'f32', arena: 2, offset: 32 }],
    limits: { ...defaults, ...limits },
    ...(features && { features }),
  },
  steps: 2,
});

const copyShader = `// module 0: copy
${params(1)}@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < params[0].x) { y[params[0].y + id.x] = x[params[0].y + id.x]; }
}
`;

/** Every input to the output of the same name, element by element in a loop of many rounds. @param {{ storage: string, elements: number }[]} slots */
export const echoWebGPU = (slots) => {
  let offset = 0;
  const places = slots.map(({ storage, elements }) => ({ storage, offset: (offset += 4 * elements) - 4 * elements }));
  return {
    code: {
      program: JSON.stringify({
        arenas: [offset, offset],
        pipelines: [{ module: 0, bindings: 'rw' }],
        steps: [{ count: offset / 4, dispatches: [{ pipeline: 0, groups: [1, 1, 1], buffers: [0, 1], params: [1, 0], advance: [[1, 1]] }] }],
      }),
      shaders: copyShader,
    },
    section: {
      inputs: places.map((place) => ({ ...place, arena: 0 })),
      outputs: places.map((place) => ({ ...place, arena: 1 })),
      limits: defaults,
    },
    steps: 1,
  };
};

/** As naga writes them. */
const fragment = (samplers, words, body) => `#version 300 es
precision highp float;
precision highp int;
${words ? `layout(std140) uniform Params_block_0Fragment { uvec4 _group_0_binding_0_fs[${words}]; };\n` : ''}${samplers
  .map((type, i) => `uniform highp ${type} _group_0_binding_${i + 1}_fs;\n`).join('')}
layout(location = 0) out uvec4 _fs2p_location0;
void main() {
${body}
}
`;
const sampler = (i) => `_group_0_binding_${i + 1}_fs`;
const uniform = 'Params_block_0Fragment';
const param = (i) => `_group_0_binding_0_fs[${i >> 2}].${'xyzw'[i & 3]}`;

/**
 * `y = 2 x + w`: a draw for the product, a loop over the elements for the sum, each of which keeps what others wrote.
 * @param {{ shaders?: (text: string) => string, check?: boolean }} [change]
 */
export const affineWebGL = ({ shaders = (text) => text, check } = {}) => ({
  code: {
    program: JSON.stringify({
      textures: [1, 1, 1].map((texels) => ({ texels, shift: 0 })),
      programs: [
        { uniform, samplers: [sampler(0)] },
        { uniform, samplers: [sampler(0), sampler(1), sampler(2)] },
      ],
      steps: [
        { count: 1, draws: [{ program: 0, inputs: [0], out: 1, params: [0, bits(2)] }] },
        { count: 4, draws: [{ program: 1, inputs: [-1, 1], out: 2, params: [0, 0], advance: [[1, 1]], previous: true }] },
      ],
    }),
    shaders: shaders(`// program 0: twice
${fragment(['usampler2D'], 1, `  vec4 x = uintBitsToFloat(texelFetch(${sampler(0)}, ivec2(gl_FragCoord.xy), 0));
  _fs2p_location0 = floatBitsToUint(uintBitsToFloat(${param(1)}) * x);`)}// program 1: sum
${fragment(['usampler2D', 'usampler2D', 'usampler2D'], 1, `  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 w = uintBitsToFloat(texelFetch(${sampler(0)}, at, 0));
  vec4 x = uintBitsToFloat(texelFetch(${sampler(1)}, at, 0));
  uvec4 y = texelFetch(${sampler(2)}, at, 0);
  int i = int(${param(1)});
  y[i] = floatBitsToUint(x[i] + w[i]);
  _fs2p_location0 = y;`)}`),
    ...(check && { check: affineCheck(0) }),
  },
  section: { inputs: [{ storage: 'f32', texture: 0, offset: 0 }], outputs: [{ storage: 'f32', texture: 2, offset: 0 }] },
  steps: 2,
});

/** Every input to the output of the same name. @param {{ storage: string, elements: number }[]} slots */
export const echoWebGL = (slots) => ({
  code: {
    program: JSON.stringify({
      textures: [...slots, ...slots].map(({ elements }) => ({ texels: Math.ceil(elements / 4), shift: 0 })),
      programs: [{ samplers: [sampler(0)] }],
      steps: [{ count: 1, draws: slots.map((_, i) => ({ program: 0, inputs: [i], out: slots.length + i, params: [] })) }],
    }),
    shaders: `// program 0: copy\n${fragment(['usampler2D'], 0, `  _fs2p_location0 = texelFetch(${sampler(0)}, ivec2(gl_FragCoord.xy), 0);`)}`,
  },
  section: {
    inputs: slots.map(({ storage }, i) => ({ storage, texture: i, offset: 0 })),
    outputs: slots.map(({ storage }, i) => ({ storage, texture: slots.length + i, offset: 0 })),
  },
  steps: 1,
});

/**
 * `y = x + w + e % 1024` for element e, of tensors that have several layers, and weights that have several rows and repeat. In a loop
 * of two rounds, each of which keeps every other texel.
 * @param {{ elements: number, weights: number }} sizes
 */
export const layeredWebGL = ({ elements, weights }) => {
  const texels = Math.ceil(elements / 4);
  return {
    code: {
      program: JSON.stringify({
        textures: [{ texels, shift: 11 }, { texels, shift: 11 }],
        programs: [{ uniform, samplers: [sampler(0), sampler(1), sampler(2)] }],
        steps: [{ count: 2, draws: [{ program: 0, inputs: [-1, 0], out: 1, params: [0, 0], advance: [[1, 1]], previous: true }] }],
      }),
      shaders: `// program 0: add\n${fragment(['usampler2D', 'usampler2DArray', 'usampler2DArray'], 1, `  ivec2 at = ivec2(gl_FragCoord.xy);
  int texel = int(${param(0)}) + at.y * 2048 + at.x;
  int layer = texel >> 22;
  int i = texel % ${weights / 4};
  vec4 x = uintBitsToFloat(texelFetch(${sampler(1)}, ivec3(at, layer), 0));
  vec4 w = uintBitsToFloat(texelFetch(${sampler(0)}, ivec2(i & 2047, i >> 11), 0));
  vec4 y = x + w + float((4 * texel) & 1023) + vec4(0., 1., 2., 3.);
  _fs2p_location0 = (texel & 1) == int(${param(1)}) ? floatBitsToUint(y) : texelFetch(${sampler(2)}, ivec3(at, layer), 0);`)}`,
    },
    section: { inputs: [{ storage: 'f32', texture: 0, offset: 0 }], outputs: [{ storage: 'f32', texture: 1, offset: 0 }] },
    steps: 1,
  };
};
