// SPDX-License-Identifier: BSD-3-Clause
// --reflect: the far end, until Ctrl-C or --duration.
import { setTimeout as sleep } from 'node:timers/promises';
import { oneLine } from '../../src/errors.ts';
import type { Port, PortListener } from '../../src/ethdev/port.ts';
import { launch } from '../../src/lcore/launch.ts';
import type { Lcore } from '../../src/lcore/lcore.ts';
import { requireWritable } from '../../src/user-file.ts';
import { print, printed, tell } from '../run/output.ts';
import { captureFor, cpusOf, openPortFor } from './bench-port.ts';
import type { Capture } from './capture.ts';
import type { GapLogMemory } from './engine/gap-log.ts';
import { newReflectMemory, type ReflectMemory } from './engine/layout.ts';
import { REFLECTED, REHEARSED, type ReflectPlan } from './engine/reflect-lcore.ts';
import { deliver, deliverable, figuresOnStdout, jsonText, requireFigures } from './files.ts';
import { gapLogFor, gapsCsv } from './gaps-file.ts';
import { answeringMac, parseHost } from './host.ts';
import type { Interrupt } from './interrupt.ts';
import type { OpenedPort } from './opened-port.ts';
import type { Options } from './options.ts';
import { rateText } from './plan/rate.ts';
import { dropTeller, PortFaults } from './port-faults.ts';
import { type ReflectFigures, reflectFigures, reflectLines } from './reflect-report.ts';
import { loadReplay, type Replay } from './replay.ts';

/** Milliseconds between two looks, which take a CPU from a poll loop; a capture says when it needs one. */
const LOOK_MS = 250;
const FIRST_LOOK_MS = 20;
const REHEARSED_LOOK_MS = 20;

/** Returns the exit status. */
export async function runReflector(options: Options, interrupt: Interrupt): Promise<number> {
  for (const file of [options.json, options.gaps]) requireFigures(file);
  if (options.capture !== undefined) requireWritable(options.capture, 'the capture');
  const { replay: file, loops } = options;
  const load = (of: string) => loadReplay({ file: of, loops, originalGaps: true });
  const replay = file === undefined ? undefined : await interrupt.notDuring(() => load(file));
  const log = replay && options.gaps !== undefined ? gapLogFor(replay.packets * loops) : null;
  const memory = newReflectMemory(log);
  const opened = await openPortFor(options, interrupt);
  let capture: Capture | undefined;
  let lcore: Lcore | undefined;
  try {
    const faults = new PortFaults(opened.port);
    capture = captureFor(options, opened);
    capture?.begin();
    lcore = startReflector(options, opened, memory, replay);
    const gone = await reflectUntilEnd(options, interrupt, lcore, opened, { capture, faults });
    const broken = gone ?? faults.broken();
    await lcore.stop();
    await printed();
    const captured = await capture?.end();
    const is = { host: options.ip !== undefined, replay: replay !== undefined, capture: captured };
    const figures = {
      ...reflectFigures(lcore.stats, memory, is),
      portErrors: faults.counts(),
      failures: broken ? [oneLine(broken.message)] : [],
    };
    const lines = reflectLines(figures, opened.port.info.name);
    const written = deliverAll(options, figures, lines, log && replay ? { log, replay } : undefined);
    if (broken) throw broken;
    return written && !captured?.failure ? 0 : 1;
  } finally {
    await lcore?.stop().catch(() => {});
    await capture?.end();
    await opened.close();
  }
}

function startReflector(
  options: Options,
  { port }: OpenedPort,
  memory: ReflectMemory,
  replay: Replay | undefined,
): Lcore {
  const { ip, hugepages = false, warmUp, speed = 1 } = options;
  const host = ip === undefined ? null : { mac: answeringMac(port.info), ...parseHost(ip) };
  const data: ReflectPlan = {
    ...{ hugepages, host, warmUp, memory, speed },
    ...{ replay: replay?.stream.plan.replay ?? null, largest: replay?.stream.largest ?? 0 },
  };
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const module = new URL(`./engine/reflect-lcore.${extension}`, import.meta.url);
  return launch({ cpu: cpusOf(options)[0], module, ports: [port], data });
}

/** Says when the other end is gone, and when it is back; the returned function ends that. */
function tellLink(port: Port): () => void {
  const onLink: PortListener = ({ up, reason }) => {
    const down = `the link is down${reason === undefined ? '' : `: ${reason}`}; waiting for the other end`;
    tell(`${port.info.name}: ${up ? 'the link is up' : down}`);
  };
  port.on('link', onLink);
  return () => port.off('link', onLink);
}

interface Watched {
  readonly capture: Capture | undefined;
  readonly faults: PortFaults;
}

/**
 * Prints a line per period while the link is up, and what the peer spoils. Returns what broke the port, if
 * that ended it.
 */
async function reflectUntilEnd(
  options: Options,
  interrupt: Interrupt,
  lcore: Lcore,
  opened: OpenedPort,
  { capture, faults }: Watched,
): Promise<Error | undefined> {
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
  const pause = (ms: number) => sleep(ms, undefined, { signal: over.signal }).catch(() => {});
  await lcore.ready;
  while (!ended && !interrupt.raised && lcore.stats[REHEARSED] === 0) await pause(REHEARSED_LOOK_MS);
  const answers = options.ip === undefined ? '' : ` and answering for ${options.ip}`;
  tell(`${opened.port.info.name}, CPU ${cpusOf(options)[0]}: sending frames back${answers}, until Ctrl-C`);
  const stopTelling = tellLink(opened.port);
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  let before = 0;
  const { statsPeriod, duration = Number.POSITIVE_INFINITY } = options;
  const tellDrops = dropTeller(opened.port.info.name, faults, tell);
  const tellBreaks = breakTeller(faults);
  let look = capture ? FIRST_LOOK_MS : LOOK_MS;
  for (let next = statsPeriod; !ended && !interrupt.raised; ) {
    const left = 1000 * (Math.min(next, duration) - elapsed());
    await pause(Math.max(0, Math.min(left, look)));
    look = capture?.poll() ?? look;
    tellDrops();
    tellBreaks();
    if (elapsed() >= duration) break;
    if (elapsed() < next) continue;
    next += statsPeriod;
    const now = lcore.stats[REFLECTED] as number;
    if (now === before && !opened.port.link().up) continue;
    const line = `t=${Math.round(elapsed())} s  sent back ${rateText((now - before) / statsPeriod)}`;
    if (figuresOnStdout(options)) tell(line);
    else print(line);
    before = now;
  }
  stopTelling();
  return broken;
}

/** To be called often: tells when a ring breaks. */
function breakTeller(faults: PortFaults): () => void {
  let said = '';
  return () => {
    const broken = faults.brokenForLong()?.message ?? said;
    if (broken !== said) tell(`${broken}; waiting for another ring of the peer`);
    said = broken;
  };
}

/** False if something went elsewhere. */
function deliverAll(
  options: Options,
  figures: ReflectFigures,
  lines: readonly string[],
  logged: { readonly log: GapLogMemory; readonly replay: Replay } | undefined,
): boolean {
  const { json, gaps, speed = 1 } = options;
  const plan = logged?.replay.stream.plan.replay;
  let written = true;
  if (json !== undefined) written = deliver(jsonText(figures), json, 'json') && written;
  if (gaps !== undefined && logged && plan)
    written = deliver(gapsCsv(logged.log, plan, speed), gaps, 'csv') && written;
  if (figuresOnStdout(options)) for (const line of lines) tell(line);
  else written = deliver(deliverable(lines), '-', 'txt') && written;
  return written;
}
