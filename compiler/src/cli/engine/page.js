// The end of the script for a page: what it is to know lies at the server, to which the answer is sent.

const send = (body) => fetch('/', { method: 'POST', body });
try {
  const settings = await (await fetch('/run/settings')).json();
  const samples = new Uint8Array(await (await fetch('/run/samples')).arrayBuffer());
  const { load } = await import('/index.js');
  await send(await answer(load, settings, samples));
} catch (error) {
  await send(JSON.stringify({ error: String(error?.stack ?? error) }));
}
