// Workers that compute together: started, given work and ended together.

import { because } from './source.js';

/** @import { Setup, Thread, ThreadMessage } from './internal.js' */

/** How long workers may take from when they are needed until all run their script, in milliseconds. */
const START = 20_000;

/** Workers that run ranges of steps, one range at a time. */
export class Pool {
  /** @type {Thread[]} */
  #workers = [];
  /** Of the first worker: a count of commands, begin, end, the last command. */
  #words;
  /** Of all others: a count of calls, how many sleep, whether they are to end. */
  #calls;
  /** @type {(ms: number) => void} */
  #done = () => {};
  /** @type {(error: unknown) => void} */
  #fail = () => {};
  #here;
  #ready = false;
  /** Why it has ended, if it has. @type {unknown} */
  ended;

  /** @param {() => Thread} spawn @param {WebAssembly.Memory} memory @param {number} command @param {number} threads */
  constructor(spawn, memory, command, threads) {
    this.memory = memory;
    this.#words = new Int32Array(memory.buffer, command, 4);
    this.#calls = new Int32Array(memory.buffer, command - 64, 3);
    // What other threads left there and in the words of their jobs, which lie below.
    new Int32Array(memory.buffer, 0, command / 4 + 4).fill(0);
    let absent = threads;
    let here = () => {};
    /** Every worker runs its script. @type {Promise<void>} */
    this.#here = new Promise((resolve) => (here = resolve));
    /** Every worker has its instance. @type {Promise<unknown>} */
    this.started = new Promise((resolve, reject) => {
      this.#fail = reject;
      let missing = threads;
      for (let i = 0; i < threads; i++) {
        const worker = spawn();
        this.#workers.push(worker);
        this.#listen(worker, (message) => {
          if ('error' in message) this.#lose(message.error);
          else if ('ms' in message) this.#done(message.ms);
          else if ('here' in message) {
            if (--absent === 0) here();
          } else if (--missing === 0) resolve((this.#ready = true));
        });
      }
    });
    // Node ends when only idle threads are left.
    this.started.then(() => this.#workers.forEach((worker) => worker.unref?.()), (error) => this.end(error));
  }

  /** @param {Setup[]} setups What to tell each worker at first. */
  async setUp(setups) {
    // A worker that never starts says nothing: its script is still on the way, or the engine has forgotten it. No model may
    // wait for it for ever. Until all are there, none is told anything: so none is at work in a memory that is given up.
    const late = setTimeout(() => this.#lose(`one did not start within ${START / 1000} s`), START);
    await Promise.race([this.#here, this.started]).finally(() => clearTimeout(late));
    this.#workers.forEach((worker, i) => worker.postMessage(setups[i]));
    return this.started;
  }

  /** @param {number} begin @param {number} end @returns {Promise<number>} The milliseconds it took. */
  async run(begin, end) {
    if (this.ended) throw this.ended;
    const first = this.#workers[0];
    first?.ref?.();
    try {
      return await new Promise((resolve, reject) => {
        [this.#done, this.#fail] = [resolve, reject];
        this.#send(begin, end);
      });
    } finally {
      first?.unref?.();
    }
  }

  /** @param {number} begin @param {number} end */
  #send(begin, end) {
    this.#words.set([begin, end], 1);
    this.#wake();
  }

  #wake() {
    Atomics.add(this.#words, 0, 1);
    Atomics.notify(this.#words, 0);
    // The first worker calls the others, too, but systems like to put who is woken on the core of who wakes or where he was
    // before: those who once shared a core with the first would stay there. This thread goes to sleep and leaves them its core.
    if (Atomics.exchange(this.#calls, 1, 0)) {
      Atomics.add(this.#calls, 0, 1);
      Atomics.notify(this.#calls, 0, 1);
    }
  }

  /** Ends all workers. @param {unknown} error Why what is under way is not finished. */
  end(error) {
    if (this.ended) return;
    this.ended = error;
    this.#fail(error);
    // Who waits goes by itself: browsers terminate what is busy only after seconds.
    Atomics.store(this.#words, 3, Atomics.load(this.#words, 0) + 1);
    this.#wake();
    Atomics.store(this.#calls, 2, 1);
    Atomics.add(this.#calls, 0, 1);
    Atomics.notify(this.#calls, 0);
    this.#workers.forEach((worker) => worker.terminate());
  }

  /** One thread alone cannot be replaced: the others wait for it. @param {string} why */
  #lose(why) {
    if (this.ended) return;
    this.end(new Error(this.#ready ? `a thread of the model ended (${why}); try again, new threads will be started` : why));
  }

  /** @param {Thread} worker @param {(message: ThreadMessage) => void} hear */
  #listen(worker, hear) {
    if ('on' in worker) {
      worker.on('message', hear);
      worker.on('error', (error) => this.#lose(because(error)));
      worker.on('exit', (code) => this.#lose(`exit code ${code}`));
    } else {
      worker.onmessage = ({ data }) => hear(data);
      worker.onerror = (event) => {
        event.preventDefault();
        this.#lose(event.message ?? 'its script cannot be loaded');
      };
    }
  }
}
