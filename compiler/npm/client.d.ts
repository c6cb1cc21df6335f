// Types of imports of models without a query: add `/// <reference types="keras-compile/client" />`. TypeScript cannot tell what a query
// means; a module is declared by its name as in `declare module '*/model.h5?shape=1,4' { … }`.

declare module '*.h5' {
  /** Loads the model; README.md of the project has the options. */
  export function load(where?: string | URL, options?: object): Promise<any>;
}
declare module '*.keras' {
  export function load(where?: string | URL, options?: object): Promise<any>;
}
