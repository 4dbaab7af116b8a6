#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-peer: the built-in virtio-net driver as a command. Exit code 0 when all that came back was right, 1 when a check
// or the connection failed, 2 for wrong usage.
import type { Histogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from '@commander-js/extra-typings';
import { VRING_MAX_SIZE } from '../../src/abi/virtio-ring.ts';
import { standardOutput } from '../../src/output/text-writer.ts';
import { seconds, secondsOrNone, usableCpus, wholeNumber } from '../run/arguments.ts';
import { socketAccess, socketMode, socketOwner, socketPath } from '../socket/listening-socket.ts';
import { Peer, type PeerEvent } from './driver.ts';
import { HOSTILE_KINDS, hostileKinds } from './hostile.ts';
import { bucketsOf, latencyLine, summarize } from './latency.ts';
import { MAX_FRAME, MIN_FRAME } from './layout.ts';
import { PEER_DEFAULTS } from './options.ts';
import { faults, type PeerStats, periodLine, totals } from './stats.ts';
import { PEER_MODES } from './traffic-loop.ts';

const POLL_MS = 20;
/** In mode 'latency' this thread must not take the CPU from a poll loop more often than need be. */
const LATENCY_POLL_MS = 250;
const MAX_RATE = 1e9;

const cpuList = (text: string): number[] => usableCpus(text.split(',').map(wholeNumber(0, 1023)));

const program = new Command('vhost-pci-peer')
  .description('A virtio-net driver with a vhost-user front-end: sends, checks and echoes packets.')
  .requiredOption('--vhost-user <path>', "the back-end's socket", socketPath)
  .option('--server', 'listen on the socket instead of connecting')
  .option('--socket-mode <mode>', 'permission bits of the socket of --server, in octal', socketMode)
  .option('--socket-owner <user:group>', 'owner of the socket of --server', socketOwner)
  .addOption(
    new Option(
      '--mode <mode>',
      "'both' sends and checks what comes back, 'latency' at a fixed rate, and times it",
    )
      .choices(PEER_MODES)
      .default('both' as const),
  )
  .option('--size <bytes>', 'frame without FCS', wholeNumber(MIN_FRAME, MAX_FRAME), PEER_DEFAULTS.frameSize)
  .option('--queues <n>', 'queue pairs', wholeNumber(1, 128), PEER_DEFAULTS.pairs)
  .option(
    '--queue-size <n>',
    'entries of each ring; of split rings a power of two',
    wholeNumber(2, VRING_MAX_SIZE),
    PEER_DEFAULTS.queueSize,
  )
  .option('--no-mrg-rxbuf', 'do not offer mergeable receive buffers')
  .option('--no-in-order', 'do not offer in-order rings')
  .option('--packed', 'offer packed rings')
  .option('--event-idx', 'offer event indices')
  .option('--legacy', 'be a driver of before virtio 1.0')
  .option('--hugepages', 'take the memory from hugepages')
  .option('--cpu <list>', 'pin to these CPUs, one thread on each', cpuList)
  .option('--burst <n>', 'frames at a time', wholeNumber(1, 512), PEER_DEFAULTS.burst)
  .option(
    '--window <n>',
    "frames on their way at most in modes 'both' and 'latency' (default: what the receive ring holds)",
    wholeNumber(1, 2 ** 31),
  )
  .option(
    '--count <n>',
    'send so many frames, wait until all came back, end',
    wholeNumber(1, Number.MAX_SAFE_INTEGER),
  )
  .option(
    '--rate <n>',
    `frames a second in mode 'latency' (default: ${PEER_DEFAULTS.rate})`,
    wholeNumber(1, MAX_RATE),
  )
  .option('--warm-up <seconds>', "do not time the first frames in mode 'latency'", secondsOrNone)
  .option(
    '--own-stall <us>',
    "in mode 'latency', forgive stalls of the peer's own loop from this length on: frames on their way are not timed, others due later",
    wholeNumber(1, 1e9),
  )
  .option('--duration <seconds>', 'end this long after the back-end is up', seconds())
  .option('--stats-period <seconds>', 'print statistics this often', seconds())
  .option('--no-check', 'do not check sequence and checksum of what is received')
  .option('--no-reconnect', 'end when the back-end goes away')
  .option('--json', 'print statistics as JSON, one object a line')
  .addOption(
    new Option('--hostile <kind>', 'after the start, break this rule of the ring').choices(HOSTILE_KINDS),
  )
  .addOption(
    new Option('--hostile-ring <ring>', 'in this ring').choices(['rx', 'tx'] as const).default('tx' as const),
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'vhost-pci-peer: ')) });

/** Milliseconds without a frame, with --count. */
const COUNT_PATIENCE_MS = 20_000;

type Options = ReturnType<typeof program.opts>;

function createPeer(options: Options): Peer {
  const { window, rate, warmUp, ownStall } = options;
  return new Peer({
    path: options.vhostUser,
    server: options.server ?? false,
    socketAccess: socketAccess(options),
    mode: options.mode,
    frameSize: options.size,
    pairs: options.queues,
    queueSize: options.queueSize,
    mergeable: options.mrgRxbuf,
    inOrder: options.inOrder,
    packed: options.packed ?? false,
    eventIdx: options.eventIdx ?? false,
    legacy: options.legacy ?? false,
    hugepages: options.hugepages ?? false,
    cpus: options.cpu ?? [],
    burst: options.burst,
    // Who sends so many waits for the last of them: on a machine that is busy they may be long in coming.
    ...(options.count === undefined ? {} : { count: options.count, patienceMs: COUNT_PATIENCE_MS }),
    check: options.check,
    reconnect: options.reconnect,
    ...(window === undefined ? {} : { window }),
    ...(rate === undefined ? {} : { rate }),
    ...(warmUp === undefined ? {} : { warmUp }),
    ...(ownStall === undefined ? {} : { ownStall }),
  });
}

/** Prints statistics each period, in the form that was asked for. */
class Reporter {
  readonly #json: boolean;
  readonly #periodMs: number;
  readonly #histogram: Histogram | undefined;
  #before: PeerStats;
  #last = performance.now();

  constructor(options: Options, stats: PeerStats, histogram: Histogram | undefined) {
    this.#histogram = histogram;
    this.#json = options.json ?? false;
    this.#periodMs = 1000 * (options.statsPeriod ?? Number.POSITIVE_INFINITY);
    this.#before = stats;
  }

  poll(read: () => PeerStats): void {
    const now = performance.now();
    if (now - this.#last < this.#periodMs) return;
    const stats = read();
    const elapsed = (now - this.#last) / 1000;
    this.#print({ seconds: elapsed, ...stats }, periodLine(stats, this.#before, elapsed));
    this.#before = stats;
    this.#last = now;
  }

  summary(stats: PeerStats): void {
    const buckets = this.#histogram ? { latencyBuckets: bucketsOf(this.#histogram) } : {};
    this.#print({ final: true, ...stats, ...buckets }, `total   ${totals(stats)}`);
  }

  #print(stats: object, text: string): void {
    const histogram = this.#histogram;
    const latency = histogram ? summarize(histogram) : null;
    const { stdout } = standardOutput();
    if (!this.#json) stdout.line(histogram ? `${text}\n${latencyLine(latency)}` : text);
    else stdout.line(JSON.stringify(histogram ? { ...stats, latency } : stats));
  }
}

/** Events go to stderr: stdout is statistics only. */
function teller(): (event: PeerEvent) => void {
  const { stderr } = standardOutput();
  let wasUp = false;
  return (event) => {
    if (event.kind === 'up') {
      wasUp = true;
      stderr.line(`The back-end is up, features 0x${event.features.toString(16)}`);
      return;
    }
    const waiting = wasUp ? 'not back, trying again' : 'not up, trying again';
    stderr.line(`The back-end is ${event.kind === 'down' ? 'gone' : waiting}: ${event.reason.message}`);
  };
}

async function run(options: Options): Promise<number> {
  const peer = createPeer(options);
  peer.onEvent = teller();
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
    if (!peer.up) void peer.stop(); // It may be waiting for a back-end that never comes.
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  process.once('SIGHUP', interrupt);
  standardOutput().stdout.onReaderGone(interrupt);
  try {
    await peer.start();
  } catch (error) {
    if (interrupted) return 0;
    throw error;
  }
  if (options.hostile) await peer.attack(options.hostile, options.hostileRing);
  const reporter = new Reporter(options, peer.stats(), peer.histogram);
  const end = performance.now() + 1000 * (options.duration ?? Number.POSITIVE_INFINITY);
  const pollMs = pollInterval(options);
  while (!interrupted && !peer.done && !peer.failure && performance.now() < end) {
    reporter.poll(() => peer.stats());
    await sleep(Math.max(0, Math.min(pollMs, end - performance.now())));
  }
  await peer.drain();
  await peer.stop();
  const stats = peer.stats();
  reporter.summary(stats);
  return verdict(peer, options, stats);
}

function pollInterval({ mode, statsPeriod }: Options): number {
  return mode === 'latency' ? Math.min(LATENCY_POLL_MS, 1000 * (statsPeriod ?? LATENCY_POLL_MS)) : POLL_MS;
}

function verdict(peer: Peer, options: Options, stats: PeerStats): number {
  if (peer.failure) throw peer.failure;
  const wrong = options.check ? faults(stats) : undefined;
  if (wrong) throw new Error(`The check failed: ${wrong}`);
  if (options.count !== undefined && stats.missing > 0) {
    throw new Error(`The check failed: ${stats.missing} of ${stats.txPackets} frames did not come back`);
  }
  return 0;
}

function options(): Options {
  const given = program.parse().opts();
  if (!given.packed && (given.queueSize & (given.queueSize - 1)) !== 0)
    program.error(`error: --queue-size ${given.queueSize}: a split ring has a power of two of entries`);
  if (given.legacy && given.packed) program.error('error: --legacy: a legacy driver has no --packed rings');
  if (given.mode !== 'latency' && (given.rate ?? given.warmUp ?? given.ownStall) !== undefined)
    program.error('error: --rate, --warm-up and --own-stall are for --mode latency');
  if (given.warmUp && given.duration && given.warmUp >= given.duration)
    program.error(`error: --warm-up ${given.warmUp}: no frame is timed in a --duration of ${given.duration}`);
  if (!given.server && (given.socketMode ?? given.socketOwner) !== undefined)
    program.error('error: --socket-mode and --socket-owner are for --server');
  if (given.hostile && !hostileKinds(given.packed ?? false).includes(given.hostile))
    program.error(`error: --hostile ${given.hostile}: no rule of ${given.packed ? 'packed' : 'split'} rings`);
  return given;
}

try {
  process.exitCode = await run(options());
} catch (error) {
  standardOutput().stderr.line(`vhost-pci-peer: ${(error as Error).message}`);
  process.exitCode = 1;
}
