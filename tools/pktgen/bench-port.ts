// SPDX-License-Identifier: BSD-3-Clause
// A port with a generator on it, from the options of the command line.
import { PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { tell } from '../run/output.ts';
import { heardSignals, twoCpus } from '../run/workspace.ts';
import { Capture } from './capture.ts';
import type { GapLogMemory } from './engine/gap-log.ts';
import { Generator } from './generator.ts';
import type { Interrupt } from './interrupt.ts';
import { openDevice, startLocal } from './local-peer.ts';
import { reflects } from './modes.ts';
import type { OpenedPort } from './opened-port.ts';
import type { Options } from './options.ts';
import { fault } from './plan/fault.ts';
import { parseLine } from './plan/rate.ts';
import type { Stream } from './plan/stream.ts';
import type { Replay } from './replay.ts';
import { Workload } from './workload.ts';

/** Where the peer's receiver is, if that is not said; the built-in peer takes any. */
const DEFAULT_MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };
/** Seconds of the run that measures the maximum. */
const MEASURE_SECONDS = 1;
const DEFAULT_RATE = '100kpps';
const LINK_WAIT_MS = 10_000;
/** Node's longest timer. */
const LONGEST_MS = 2 ** 31 - 1;

/** The user's device, if one is named. */
export const deviceOf = ({ allow, vdev }: Options): string | undefined => allow ?? vdev;

/** CPU of the generator's loop and, with the built-in peer, of the peer's. */
export function cpusOf(options: Options): readonly [number, number | undefined] {
  const [first, second] = twoCpus(native.getAffinity());
  const cpu = options.cpu ?? (options.peerCpu === first ? second : first);
  if (deviceOf(options) !== undefined) return [cpu, undefined];
  return [cpu, options.peerCpu ?? (cpu === second ? first : second)];
}

/** Throws EINTR if the interrupt was raised meanwhile, whatever else that has led to. */
export async function openPortFor(options: Options, interrupt: Interrupt): Promise<OpenedPort> {
  const over = new AbortController();
  interrupt.onInterrupt(() => over.abort());
  const opened = await open(options, over.signal).catch(async (error: PmdError) => {
    await heardSignals();
    if (interrupt.raised && error.code !== 'EINTR') throw interrupted(error);
    throw error;
  });
  if (!interrupt.raised) return opened;
  await opened.close();
  throw interrupted();
}

export const interrupted = (cause?: Error): PmdError =>
  new PmdError('EINTR', 'interrupted before anything was measured', { cause });

async function open(options: Options, over: AbortSignal): Promise<OpenedPort> {
  const device = deviceOf(options);
  // A far end may be started long before the other.
  if (device !== undefined && reflects(options))
    return openDevice(device, Number.POSITIVE_INFINITY, over, (reason) =>
      tell(`waiting for the link of ${device}, until Ctrl-C${reason}`),
    );
  if (device !== undefined) return openDevice(device, LINK_WAIT_MS, over);
  const { peer: mode, queueSize, hugepages = false, dropAbove } = options;
  const cpu = cpusOf(options)[1] as number;
  return startLocal({ cpu, mode, queueSize, hugepages, dropAbove, maxRunMs: LONGEST_MS, over });
}

export function workloadOf(options: Options, streams: readonly Stream[]): Workload {
  const workload = Workload.of(streams, {
    rate: options.ping ? 'max' : (options.rate ?? DEFAULT_RATE),
    line: parseLine(options.lineRate),
    where: options.streams ?? '',
    macs: DEFAULT_MACS,
    seed: options.seed,
  });
  if (options.rate !== undefined && workload.sharing.length === 0)
    throw fault('--rate', `every stream of ${options.streams} has a rate of its own, so it has no effect`);
  return workload;
}

/** What a replay sends: at a rate, if one is given, else with the capture's own gaps. */
export function replayWorkload(options: Options, { stream }: Replay): Workload {
  const line = parseLine(options.lineRate);
  const rate = options.rate ?? options.speed ?? 1;
  return new Workload([stream], [undefined], { where: '', line, rate });
}

/** Starts the generator on the port. Throws as launch() does. */
export async function startGenerator(
  options: Options,
  opened: OpenedPort,
  { streams }: Workload,
  log?: GapLogMemory,
): Promise<Generator> {
  const hugepages = options.hugepages ?? false;
  const { port, broken } = opened;
  const generator = new Generator({ port, streams, cpu: cpusOf(options)[0], hugepages, log });
  void broken.then((error) => generator.break(error));
  await generator.ready;
  return generator;
}

/** Undefined if none is wanted. */
export function captureFor(options: Options, { port }: OpenedPort): Capture | undefined {
  const { capture: file, captureSize: size, captureFilter: filter = '', snaplen } = options;
  if (file === undefined) return undefined;
  const of = options.captureOf ?? (reflects(options) ? 'received' : 'both');
  return new Capture({ port, file, of, size, snaplen, filter });
}

/** How trials treat frames that are late, and those in flight at the end. */
export const trialHabits = ({ drain, maxLag }: Options) => ({ drain: drain / 1000, maxLag: maxLag / 1000 });

/** The most frames per second that were sent, in a short trial of their own. */
export async function measureMaximum(options: Options, generator: Generator, pps: number[]): Promise<number> {
  const habits = trialHabits(options);
  await generator.run({ ...habits, seconds: MEASURE_SECONDS / 4, pps });
  const { sent, seconds } = await generator.run({ ...habits, seconds: MEASURE_SECONDS, pps });
  return sent / seconds;
}
