// SPDX-License-Identifier: BSD-3-Clause
// The first code on an lcore's thread: names and pins the thread, runs the user's module and reports how it
// ended.
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { codeOf, failedTo, PmdError, type PmdErrorCode } from '../errors.ts';
import { native } from '../native.ts';
import { setWarningSink } from '../warnings.ts';
import { type LcoreMain, WorkerContext } from './context.ts';
import type { LcoreMessage, LcoreStart } from './control.ts';

const start = workerData as LcoreStart;

function say(message: LcoreMessage): void {
  parentPort?.postMessage(message);
}

/** What can be said of a thrown value, which may be no Error. */
function described(value: unknown): { code: PmdErrorCode; message: string; stack?: string } {
  if (value instanceof Error)
    return { code: codeOf(value, 'VPCI_LCORE_FAILED'), message: value.message, stack: value.stack };
  const text = inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY });
  return { code: 'VPCI_LCORE_FAILED', message: `its module threw ${text}` };
}

setWarningSink((warning) => say({ kind: 'warning', warning }));

/**
 * A CommonJS module is the default export of its namespace: the function itself, or an object with the
 * function as `default`, which is how compilers write `export default`.
 */
function defaultExport(namespace: { default?: unknown }): LcoreMain {
  const exported = namespace.default;
  const main = typeof exported === 'function' ? exported : (exported as typeof namespace | null)?.default;
  if (typeof main === 'function') return main as LcoreMain;
  throw new PmdError('VPCI_LCORE_MODULE', `${start.module} has no function as its default export`);
}

/** The module; the message of what its loading throws names it, as that of a syntax error does not. */
async function load(): Promise<LcoreMain> {
  try {
    return defaultExport(await import(start.module));
  } catch (error) {
    if (error instanceof PmdError) throw error;
    const { message, ...rest } = described(error);
    throw Object.assign(new Error(), rest, { message: `module ${fileURLToPath(start.module)}: ${message}` });
  }
}

async function run(): Promise<void> {
  native.setThreadName(`vpci-lcore${start.lcoreId}`);
  try {
    native.setAffinity(start.cpus);
  } catch (error) {
    const action = `pin lcore ${start.lcoreId} to CPU ${start.cpus.join(', ')}`;
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw failedTo(action, error);
    throw new PmdError('VPCI_NO_CPU', `Failed to ${action}: the cpuset of this process does not allow it`);
  }
  const main = await load();
  const context = new WorkerContext(start);
  process.once('exit', () => context.abandonQueues());
  say({ kind: 'ready' });
  await main(context);
}

try {
  await run();
  say({ kind: 'done' });
} catch (error) {
  const { code, message, stack } = described(error);
  say({ kind: 'failed', code, message, stack: stack ?? '' });
}
// Timers or handles left by the module must not keep the thread alive.
process.exit(0);
