#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-peer: the built-in virtio-net driver as a command. Exit code 0 when everything that came back was
// correct, 1 when a check or the connection failed, 2 for wrong usage.
import type { Histogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from '@commander-js/extra-typings';
import { VRING_MAX_SIZE } from '../../src/abi/virtio-ring.ts';
import { oneLine } from '../../src/errors.ts';
import { standardOutput } from '../../src/output/text-writer.ts';
import { packageVersion } from '../../src/package-root.ts';
import { seconds, secondsOrNone, usableCpus, wholeNumber } from '../run/arguments.ts';
import { newCommand, optionsWith } from '../run/command.ts';
import { socketAccess, socketMode, socketOwner, socketPath } from '../socket/listening-socket.ts';
import { Peer, type PeerEvent } from './driver.ts';
import { HOSTILE_KINDS, hostileKinds } from './hostile.ts';
import { bucketsOf, latencyLine, summarize } from './latency.ts';
import { MAX_FRAME, MIN_FRAME } from './memory-plan.ts';
import { PEER_DEFAULTS } from './options.ts';
import { faults, type PeerStats, periodLine, totals } from './stats.ts';
import { PEER_MODES } from './traffic-loop.ts';

const POLL_MS = 20;
/** In mode 'latency' this thread must not take the CPU from a poll loop more often than necessary. */
const LATENCY_POLL_MS = 250;
const MAX_RATE = 1e9;

const cpuList = (text: string): number[] => usableCpus(text.split(',').map(wholeNumber(0, 1023)));

const program = newCommand('vhost-pci-peer')
  .version(`vhost-pci-peer ${packageVersion()}`)
  .description('A virtio-net driver with a vhost-user front-end: sends, checks and echoes packets.')
  .option('--vhost-user <path>', "the back-end's socket", socketPath)
  .option('--server', 'listen on the socket instead of connecting')
  .option('--socket-mode <mode>', 'permission bits of the socket of --server, in octal', socketMode)
  .option('--socket-owner <user:group>', 'owner of the socket of --server', socketOwner)
  .addOption(
    new Option(
      '--mode <mode>',
      "'both' sends frames and checks those that come back; 'latency' also times them, at a fixed rate; 'generate' only sends; 'sink' only receives; 'echo' sends back what it receives",
    )
      .choices(PEER_MODES)
      .default('both' as const),
  )
  .option(
    '--size <bytes>',
    'frame size without FCS',
    wholeNumber(MIN_FRAME, MAX_FRAME),
    PEER_DEFAULTS.frameSize,
  )
  .option('--queues <n>', 'queue pairs', wholeNumber(1, 128), PEER_DEFAULTS.pairs)
  .option(
    '--queue-size <n>',
    'entries of each ring; a power of two for split rings',
    wholeNumber(2, VRING_MAX_SIZE),
    PEER_DEFAULTS.queueSize,
  )
  .option('--no-mrg-rxbuf', 'do not offer mergeable receive buffers')
  .option('--no-in-order', 'do not offer in-order rings')
  .option('--packed', 'offer packed rings')
  .option('--event-idx', 'offer event indices')
  .option('--legacy', 'act as a legacy driver (before virtio 1.0)')
  .option('--hugepages', 'allocate the memory from hugepages')
  .option('--cpu <list>', 'pin one thread to each of these CPUs', cpuList)
  .option('--burst <n>', 'frames per burst', wholeNumber(1, 512), PEER_DEFAULTS.burst)
  .option(
    '--window <n>',
    "most frames in flight in modes 'both' and 'latency' (default: what the receive ring holds)",
    wholeNumber(1, 2 ** 31),
  )
  .option(
    '--count <n>',
    'send this many frames, wait until all have come back, and exit',
    wholeNumber(1, Number.MAX_SAFE_INTEGER),
  )
  .option(
    '--rate <n>',
    `frames per second in mode 'latency' (default: ${PEER_DEFAULTS.rate})`,
    wholeNumber(1, MAX_RATE),
  )
  .option('--warm-up <seconds>', "do not time frames of the first seconds in mode 'latency'", secondsOrNone)
  .option(
    '--own-stall <us>',
    "in mode 'latency', exclude stalls of the peer's own loop of at least this length from the timing: frames in flight are not timed, later ones are postponed",
    wholeNumber(1, 1e9),
  )
  .option('--duration <seconds>', 'exit this long after the back-end is up', seconds())
  .option('--stats-period <seconds>', 'print statistics at this interval', seconds())
  .option('--no-check', 'do not check sequence and checksum of received frames')
  .option('--no-reconnect', 'exit when the back-end goes away')
  .option('--json', 'print statistics as JSON, one object per line')
  .addOption(new Option('--hostile <kind>', 'violate this ring rule after start-up').choices(HOSTILE_KINDS))
  .addOption(
    new Option('--hostile-ring <ring>', 'ring in which --hostile violates the rule')
      .choices(['rx', 'tx'] as const)
      .default('tx' as const),
  );

/** With --count: milliseconds without a frame after which those in flight are given up. */
const COUNT_PATIENCE_MS = 20_000;

type Options = ReturnType<typeof options>;

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
    // With --count the peer waits for the last frame, which may take long on a busy machine.
    ...(options.count === undefined ? {} : { count: options.count, patienceMs: COUNT_PATIENCE_MS }),
    check: options.check,
    reconnect: options.reconnect,
    ...(window === undefined ? {} : { window }),
    ...(rate === undefined ? {} : { rate }),
    ...(warmUp === undefined ? {} : { warmUp }),
    ...(ownStall === undefined ? {} : { ownStall }),
  });
}

/** Prints statistics every period, in the requested form. */
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

/** Reports events on stderr, because stdout is for statistics only. */
function eventReporter(path: string): (event: PeerEvent) => void {
  const { stderr } = standardOutput();
  let wasUp = false;
  return (event) => {
    if (event.kind === 'listening') {
      stderr.line(`Waiting for a back-end to connect to ${path}`);
      return;
    }
    if (event.kind === 'up') {
      wasUp = true;
      stderr.line(`The back-end is up, features 0x${event.features.toString(16)}`);
      return;
    }
    const waiting = wasUp ? 'Back-end still unavailable' : 'Back-end not available yet';
    const what = event.kind === 'down' ? 'The back-end is gone' : `${waiting}, retrying`;
    stderr.line(`${what}: ${event.reason.message}`);
  };
}

async function run(options: Options): Promise<number> {
  const peer = createPeer(options);
  peer.onEvent = eventReporter(options.vhostUser);
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
    if (!peer.up) void peer.stop(); // It may be waiting for a back-end that never connects.
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

function options() {
  const given = optionsWith(program.parse(), 'vhostUser');
  if (!given.packed && (given.queueSize & (given.queueSize - 1)) !== 0)
    program.error(
      `error: --queue-size ${given.queueSize}: the number of entries of a split ring must be a power of two`,
    );
  if (given.legacy && given.packed)
    program.error('error: --legacy: a legacy driver does not support --packed rings');
  if (given.mode !== 'latency' && (given.rate ?? given.warmUp ?? given.ownStall) !== undefined)
    program.error('error: --rate, --warm-up and --own-stall require --mode latency');
  if (given.warmUp && given.duration && given.warmUp >= given.duration)
    program.error(
      `error: --warm-up ${given.warmUp}: no frame would be timed in a --duration of ${given.duration}`,
    );
  if (!given.server && (given.socketMode ?? given.socketOwner) !== undefined)
    program.error('error: --socket-mode and --socket-owner require --server');
  if (given.hostile && !hostileKinds(given.packed ?? false).includes(given.hostile))
    program.error(
      `error: --hostile ${given.hostile}: not a rule of ${given.packed ? 'packed' : 'split'} rings`,
    );
  return given;
}

try {
  process.exitCode = await run(options());
} catch (error) {
  standardOutput().stderr.line(oneLine(`vhost-pci-peer: ${(error as Error).message}`));
  process.exitCode = 1;
}
