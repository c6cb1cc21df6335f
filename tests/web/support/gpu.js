// Programs made by hand for the backends on a GPU.

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

/**
 * `y = 2 x + w`, a loop over the elements for the sum. The output lies behind what another program would put there.
 * @param {{ shaders?: (text: string) => string, limits?: object, features?: string[] }} [change]
 */
export const affineWebGPU = ({ shaders = (text) => text, limits, features } = {}) => ({
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
