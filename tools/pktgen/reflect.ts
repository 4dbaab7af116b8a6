// SPDX-License-Identifier: BSD-3-Clause
// --reflect: the far end, until Ctrl-C or --duration.
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from '../../src/lcore/launch.ts';
import { print, printed, tell } from '../run/output.ts';
import { cpusOf, openPortFor } from './bench-port.ts';
import { REFLECTED, REFLECTED_BYTES } from './engine/reflect-lcore.ts';
import { deliver, deliverable } from './files.ts';
import type { Interrupt } from './interrupt.ts';
import type { Options } from './options.ts';
import { rateText } from './plan/rate.ts';

const POLL_MS = 20;

/** Returns the exit status. */
export async function runReflector(options: Options, interrupt: Interrupt): Promise<number> {
  const { port, close } = await openPortFor(options);
  const [cpu] = cpusOf(options);
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const module = new URL(`./engine/reflect-lcore.${extension}`, import.meta.url);
  const lcore = launch({ cpu, module, ports: [port], data: { hugepages: options.hugepages ?? false } });
  let ended = false;
  const exited = lcore.exited.finally(() => {
    ended = true;
  });
  exited.catch(() => {});
  try {
    await lcore.ready;
    tell(`${port.info.name}, CPU ${cpu}: sending frames back, until Ctrl-C`);
    const start = performance.now();
    const elapsed = () => (performance.now() - start) / 1000;
    let before = 0;
    for (let next = options.statsPeriod; !ended && !interrupt.raised; await sleep(POLL_MS)) {
      if (elapsed() > (options.duration ?? Number.POSITIVE_INFINITY)) break;
      if (elapsed() < next) continue;
      const now = lcore.stats[REFLECTED] as number;
      print(`t=${Math.round(elapsed())} s  sent back ${rateText((now - before) / options.statsPeriod)}`);
      before = now;
      next += options.statsPeriod;
    }
    await lcore.stop();
    await printed();
    const total = `sent back ${lcore.stats[REFLECTED]} frames, ${lcore.stats[REFLECTED_BYTES]} bytes`;
    return deliver(deliverable([total]), '-', 'txt') ? 0 : 1;
  } finally {
    await lcore.stop().catch(() => {});
    await close();
  }
}
