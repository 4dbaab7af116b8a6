// SPDX-License-Identifier: BSD-3-Clause
// Launches a user's module on a pinned worker thread and tracks it until it ends.
//
// The launcher frees the lcore's pools after the thread is gone, so it does not matter whether the module
// returned, threw, called process.exit() or had to be terminated.
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { argumentError } from '../arguments.ts';
import { abandonQueue } from '../drivers/table.ts';
import { codeOf, PmdError } from '../errors.ts';
import { native, type PoolHandle, type WaitSetHandle } from '../native.ts';
import { countStranded } from '../process-end.ts';
import { warnOnce } from '../warnings.ts';
import {
  controlLayout,
  giveUpQueues,
  type LcoreMessage,
  type LcoreStart,
  newOwner,
  queuesOf,
  RUNNING,
  type Slots,
  STATS_WORDS,
  takeQueues,
} from './control.ts';
import { type LaunchOptions, planLaunch } from './launch-options.ts';
import type { Lcore } from './lcore.ts';
import { isTypescript, nodeStripsTypes, typescriptLoader } from './typescript-loader.ts';

export type { Lcore } from './lcore.ts';

/** Time in milliseconds for a terminated thread to end. */
const TERMINATE_MS = 2000;

class LaunchedLcore implements Lcore {
  readonly id: number;
  readonly cpus: readonly number[];
  readonly stats: Float64Array;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  readonly #worker: Worker;
  readonly #control: Int32Array;
  readonly #start: LcoreStart;
  readonly #stopTimeout: number;
  #done = false;
  #gone = false;
  #failure: PmdError | null = null;
  #timer: NodeJS.Timeout | undefined;
  #giveUp: (error: PmdError) => void = () => {};
  #stranded = false;

  constructor(worker: Worker, start: LcoreStart, stopTimeout: number) {
    this.id = start.lcoreId;
    this.cpus = start.cpus;
    this.stats = new Float64Array(start.stats);
    this.#worker = worker;
    this.#control = new Int32Array(start.control);
    this.#start = start;
    this.#stopTimeout = stopTimeout;
    this.exited = new Promise((resolve, reject) => {
      worker.once('exit', (code) => this.#ended(code, resolve, reject));
      this.#giveUp = reject;
    });
    this.ready = new Promise((resolve, reject) => {
      worker.on('message', (message: LcoreMessage) => this.#heard(message, resolve));
      this.exited.then(resolve, reject);
    });
    worker.on('error', (error) => this.#fail(error as NodeJS.ErrnoException));
    // A caller that ignores one of the two promises learns of a failure from the other or from stop().
    this.exited.catch(() => {});
    this.ready.catch(() => {});
  }

  stop(): Promise<void> {
    Atomics.store(this.#control, RUNNING, 0);
    // Signal only after clearing the word, which the woken thread checks.
    if (!this.#gone) native.eventfdSignal(this.#start.wakeFd);
    this.#timer ??= setTimeout(() => this.#terminate(), this.#stopTimeout).unref();
    return this.exited;
  }

  #terminate(): void {
    this.#failure ??= new PmdError(
      'VPCI_LCORE_STUCK',
      `Failed to stop lcore ${this.id}: its module did not return within ${this.#stopTimeout} ms after running() became false`,
    );
    void this.#worker.terminate();
    this.#timer = setTimeout(() => this.#strand(), TERMINATE_MS);
  }

  /**
   * The thread does not end even when terminated: it is stuck in the kernel or in a call that never returns.
   * It keeps its resources, but no longer owns its queues.
   */
  #strand(): void {
    this.#stranded = true;
    countStranded(1);
    giveUpQueues(this.#start);
    this.#worker.unref();
    this.#giveUp(this.#failure as PmdError);
  }

  #heard(message: LcoreMessage, ready: () => void): void {
    if (message.kind === 'ready') ready();
    if (message.kind === 'done') this.#done = true;
    if (message.kind === 'warning') warnOnce(message.warning);
    if (message.kind === 'failed') this.#fail(message);
  }

  #fail(cause: { code?: string; message: string; stack?: string }): void {
    const code = codeOf(cause, 'VPCI_LCORE_FAILED');
    this.#failure ??= new PmdError(code, `Lcore ${this.id} failed: ${cause.message}`, { cause: cause.stack });
  }

  #ended(code: number, resolve: () => void, reject: (error: PmdError) => void): void {
    clearTimeout(this.#timer);
    if (this.#stranded) countStranded(-1);
    Atomics.store(this.#control, RUNNING, 0);
    this.#gone = true;
    this.#free();
    if (!this.#failure && !this.#done) {
      this.#failure = new PmdError(
        'VPCI_LCORE_EXITED',
        `Lcore ${this.id} exited with code ${code} before its module returned`,
      );
    }
    if (this.#failure) reject(this.#failure);
    else resolve();
  }

  /** Frees the thread's addon resources that it did not free itself. */
  #free(): void {
    for (const spec of takeQueues(this.#start)) abandonQueue(spec);
    const { pools, sleepers } = controlLayout(this.#start.ports);
    for (const handle of this.#takeHandles(pools)) native.poolDestroy(handle as PoolHandle);
    for (const handle of this.#takeHandles(sleepers)) native.waitSetDestroy(handle as WaitSetHandle);
    native.close(this.#start.wakeFd);
  }

  #takeHandles({ first, count }: Slots): number[] {
    const handles = Array.from(
      { length: count },
      (_, i) => Atomics.exchange(this.#control, first + i, 0) - 1,
    );
    return handles.filter((handle) => handle >= 0);
  }
}

/**
 * Starts a module on an lcore. It runs until it returns, fails, or `stop()` is called. Throws VPCI_ARGUMENT,
 * VPCI_NO_CPU, VPCI_LCORE_MODULE (no such file) or VPCI_CLOSED; later errors reject `exited`.
 */
export function launch(options: LaunchOptions): Lcore {
  const { lcoreId, cpus, module, stopTimeout, ports: given } = planLaunch(options);
  const ports = given.map(queuesOf);
  const start: LcoreStart = {
    lcoreId,
    owner: newOwner(lcoreId),
    cpus,
    module,
    control: new SharedArrayBuffer(controlLayout(ports).words * 4),
    stats: new SharedArrayBuffer(STATS_WORDS * 8),
    ports,
    data: options.data,
    wakeFd: native.eventfd(),
  };
  Atomics.store(new Int32Array(start.control), RUNNING, 1);
  try {
    return new LaunchedLcore(newWorker(start), start, stopTimeout);
  } catch (error) {
    native.close(start.wakeFd);
    if ((error as Error).name !== 'DataCloneError') throw error;
    throw argumentError('launch()', 'data', 'something that postMessage can carry', options.data);
  }
}

/** Creates a worker that starts with worker.ts here or worker.js in dist. */
function newWorker(start: LcoreStart): Worker {
  const extension = extname(new URL(import.meta.url).pathname);
  const entry = new URL(`./worker${extension}`, import.meta.url);
  const options = { workerData: start, execArgv: [], name: `lcore ${start.lcoreId}` };
  const typescript = [start.module, entry.href].find(isTypescript);
  if (typescript === undefined) return new Worker(entry, options);
  const places = [start.module, pathToFileURL(`${process.cwd()}/`).href, import.meta.url];
  const files = places.filter((place) => place.startsWith('file:'));
  const loader = typescriptLoader(typescript, files, nodeStripsTypes());
  if (loader === '') return new Worker(entry, options);
  // Node 20 does not apply --import to a worker's first module, only to later ones, so this line is the first
  // module.
  const code = `${loader} await import(${JSON.stringify(entry.href)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), options);
}
