/** @param {{ bundle: string, backend: string, threads: number }} place */
export async function open({ bundle, backend, threads }) {
  const { load } = await import(`${bundle}index.js`);
  const model = await load(undefined, { backend, threads });
  const named = (values) => Object.fromEntries(model.inputs.map(({ name }, i) => [name, values[i]]));
  return {
    about: [model.backend, model.module].filter(Boolean).join(', '),
    threads: model.threads ?? 1,
    async predict(values) {
      const outputs = await model.predict(named(values));
      return model.outputs.map(({ name }) => outputs[name]);
    },
  };
}
