// A context of WebGL 2 that suffices, and programs in it.

import { isSoftware, until } from './gpu.js';
import { because, Unfit } from './source.js';

/** Covers everything with one triangle. */
const VERTICES = `#version 300 es
void main() {
  gl_Position = vec4(float(gl_VertexID & 1) * 4. - 1., float(gl_VertexID & 2) * 2. - 1., 0., 1.);
}`;

/** Browsers keep few contexts, and collect them late. @param {WebGL2RenderingContext} gl */
export const release = (gl) => gl.getExtension('WEBGL_lose_context')?.loseContext();

/** @param {boolean} automatic @returns {{ gl: WebGL2RenderingContext, lost: Promise<string> }} */
export function contextFor(automatic) {
  const inPage = typeof document !== 'undefined';
  // Documents that are made believe have canvases that only complain.
  if (typeof WebGL2RenderingContext === 'undefined' || (!inPage && typeof OffscreenCanvas === 'undefined')) {
    throw new Unfit('there is no WebGL 2 here');
  }
  const canvas = inPage ? document.createElement('canvas') : new OffscreenCanvas(1, 1);
  /** @type {Promise<string>} */
  const lost = new Promise((resolve) => {
    canvas.addEventListener('webglcontextlost', (event) => {
      event.preventDefault();
      resolve(/** @type {WebGLContextEvent} */ (event).statusMessage || 'its context was taken away');
    });
  });
  const attributes = { alpha: false, antialias: false, depth: false, powerPreference: 'high-performance' };
  const gl = /** @type {WebGL2RenderingContext | null} */ (canvas.getContext('webgl2', attributes));
  if (!gl) throw new Unfit('WebGL 2 has no context here');
  // Firefox tells the name at once.
  const masked = gl.getParameter(gl.RENDERER);
  const unmask = /^(WebKit|Mozilla)/.test(masked) && gl.getExtension('WEBGL_debug_renderer_info');
  const name = unmask ? gl.getParameter(unmask.UNMASKED_RENDERER_WEBGL) : masked;
  const { precision = 0 } = gl.getShaderPrecisionFormat(gl.FRAGMENT_SHADER, gl.HIGH_FLOAT) ?? {};
  const why = automatic && isSoftware(name)
    ? `it draws by software (${name}), which is slower; name the backend to use it all the same`
    : precision < 23 ? `its numbers have ${precision} bits, not 23` : undefined;
  if (why === undefined) return { gl, lost };
  release(gl);
  throw new Unfit(why);
}

/** @param {WebGL2RenderingContext} gl @param {{ name: string, code: string }[]} shaders */
export async function link(gl, shaders) {
  const compile = (/** @type {number} */ type, /** @type {string} */ code) => {
    const shader = /** @type {WebGLShader} */ (gl.createShader(type));
    gl.shaderSource(shader, code);
    gl.compileShader(shader);
    return shader;
  };
  // All of them before anything is asked: browsers compile several at a time, and asking waits.
  const vertex = compile(gl.VERTEX_SHADER, VERTICES);
  const fragments = shaders.map(({ code }) => compile(gl.FRAGMENT_SHADER, code));
  const programs = fragments.map((fragment) => {
    const program = gl.createProgram();
    gl.attachShader(program, vertex);
    gl.attachShader(program, fragment);
    gl.linkProgram(program);
    return program;
  });
  const parallel = gl.getExtension('KHR_parallel_shader_compile');
  if (parallel) await until(() => programs.every((program) => gl.getProgramParameter(program, parallel.COMPLETION_STATUS_KHR)));
  programs.forEach((program, i) => {
    if (gl.getProgramParameter(program, gl.LINK_STATUS) || gl.isContextLost()) return;
    const why = gl.getShaderInfoLog(fragments[i]) || gl.getProgramInfoLog(program);
    throw new Error(`the browser refuses ${shaders[i].name} (${because(why)})`);
  });
  [vertex, ...fragments].forEach((shader) => gl.deleteShader(shader));
  return programs;
}
