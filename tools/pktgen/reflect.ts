// SPDX-License-Identifier: BSD-3-Clause
// --reflect: the far end, until Ctrl-C or --duration.
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from '../../src/lcore/launch.ts';
import { requireWritable } from '../../src/user-file.ts';
import { print, printed, tell } from '../run/output.ts';
import { captureFor, cpusOf, openPortFor } from './bench-port.ts';
import { captureLines } from './capture.ts';
import { ANSWERED, REFLECTED, REFLECTED_BYTES, type ReflectPlan } from './engine/reflect-lcore.ts';
import { deliver, deliverable } from './files.ts';
import { answeringMac, parseHost } from './host.ts';
import type { Interrupt } from './interrupt.ts';
import type { Options } from './options.ts';
import { rateText } from './plan/rate.ts';

/** Milliseconds between two looks, which take a CPU from a poll loop; a capture says when it needs one. */
const LOOK_MS = 250;
const FIRST_LOOK_MS = 20;

/** Returns the exit status. */
export async function runReflector(options: Options, interrupt: Interrupt): Promise<number> {
  if (options.capture !== undefined) requireWritable(options.capture, 'the capture');
  const opened = await openPortFor(options);
  const { port, close } = opened;
  const [cpu] = cpusOf(options);
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const module = new URL(`./engine/reflect-lcore.${extension}`, import.meta.url);
  const capture = captureFor(options, opened);
  const host = options.ip === undefined ? null : { mac: answeringMac(port.info), ...parseHost(options.ip) };
  const data: ReflectPlan = { hugepages: options.hugepages ?? false, host };
  capture?.begin();
  const lcore = launch({ cpu, module, ports: [port], data });
  let ended = false;
  const over = new AbortController();
  interrupt.onInterrupt(() => over.abort());
  const exited = lcore.exited.finally(() => {
    ended = true;
    over.abort();
  });
  exited.catch(() => {});
  let broken: Error | undefined;
  void opened.broken.then((error) => {
    broken = error;
    ended = true;
    over.abort();
  });
  try {
    await lcore.ready;
    tell(
      `${port.info.name}, CPU ${cpu}: sending frames back${options.ip === undefined ? '' : ` and answering for ${options.ip}`}, until Ctrl-C`,
    );
    const start = performance.now();
    const elapsed = () => (performance.now() - start) / 1000;
    let before = 0;
    const { duration = Number.POSITIVE_INFINITY } = options;
    let look = capture ? FIRST_LOOK_MS : LOOK_MS;
    for (let next = options.statsPeriod; !ended && !interrupt.raised; ) {
      const left = 1000 * (Math.min(next, duration) - elapsed());
      const pause = Math.max(0, Math.min(left, look));
      await sleep(pause, undefined, { signal: over.signal }).catch(() => {});
      look = capture?.poll() ?? look;
      if (elapsed() >= duration) break;
      if (elapsed() < next) continue;
      const now = lcore.stats[REFLECTED] as number;
      print(`t=${Math.round(elapsed())} s  sent back ${rateText((now - before) / options.statsPeriod)}`);
      before = now;
      next += options.statsPeriod;
    }
    await lcore.stop();
    await printed();
    const captured = await capture?.end();
    const answers = host === null ? '' : `; ${lcore.stats[ANSWERED]} of them are answers`;
    const total = `sent back ${lcore.stats[REFLECTED]} frames, ${lcore.stats[REFLECTED_BYTES]} bytes${answers}`;
    const lines = [total, ...(captured ? captureLines(captured) : [])];
    const written = deliver(deliverable(lines), '-', 'txt');
    if (broken) throw broken;
    return written && !captured?.failure ? 0 : 1;
  } finally {
    await lcore.stop().catch(() => {});
    await close();
  }
}
