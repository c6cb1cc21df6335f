import type { CompileOptions } from './index.js';

/** A plugin for Vite, without its types, which differ from version to version. */
export interface Plugin {
  name: string;
  enforce: 'pre';
  [hook: string]: any;
}

/**
 * Compiles models that are imported, as in `import { load } from './model.h5?shape=1,224,224,3'`, once for what they hold.
 *
 * @param defaults Options for all models; the query of an import goes before them.
 */
export default function kerasCompile(defaults?: Omit<CompileOptions, 'model' | 'weights' | 'out' | 'cwd' | 'force' | 'signal' | 'onProgress'>): Plugin;
