// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-peer: the built-in virtio-net driver as a command. Exit code 0 when everything that came back was
// correct, 1 when a check or the connection failed, 2 for wrong usage.
import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from '@commander-js/extra-typings';
import { VRING_MAX_SIZE } from '../../src/abi/virtio-ring.ts';
import { oneLine } from '../../src/errors.ts';
import { standardOutput } from '../../src/output/text-writer.ts';
import { packageVersion } from '../../src/package-root.ts';
import { exitProcess } from '../../src/process-end.ts';
import { seconds, secondsOrNone, usableCpus, wholeNumber } from '../run/arguments.ts';
import { HELP_OPTION, newCommand, optionsWith } from '../run/command.ts';
import { socketAccess, socketMode, socketOwner, socketPath } from '../socket/listening-socket.ts';
import { Peer, type PeerEvent } from './driver.ts';
import { HOSTILE_KINDS, hostileKinds } from './hostile.ts';
import { MAX_FRAME, MIN_FRAME } from './memory-plan.ts';
import { PEER_DEFAULTS } from './options.ts';
import { Reporter } from './reporter.ts';
import { faults, type PeerStats } from './stats.ts';
import { PEER_MODES } from './traffic-loop.ts';

/** Milliseconds between two looks at frames that are counted. */
const COUNT_POLL_MS = 20;
/** Else: this thread must not take the CPU from a poll loop more often than necessary. */
const POLL_MS = 250;
const MAX_RATE = 1e9;

const cpuList = (text: string): number[] => usableCpus(text.split(',').map(wholeNumber(0, 1023)));

const program = newCommand('vhost-pci-peer')
  .version(`vhost-pci-peer ${packageVersion()}`)
  .description('A virtio-net driver with a vhost-user front-end that sends, checks and echoes frames.')
  .optionsGroup('Connection:')
  .option('--vhost-user <path>', "the back-end's UNIX socket (required)", socketPath)
  .option('--server', 'listen on the socket; the back-end connects')
  .option('--socket-mode <mode>', 'with --server: permission bits in octal, such as 0660', socketMode)
  .option('--socket-owner <owner>', 'with --server: USER, USER:GROUP or :GROUP', socketOwner)
  .option('--no-reconnect', 'exit when the back-end goes away')
  .optionsGroup('Traffic:')
  .addOption(
    new Option(
      '--mode <mode>',
      'both: send, and check what comes back; latency: the same at a fixed rate, timed; generate: send only; sink: receive only; echo: send back what is received',
    )
      .choices(PEER_MODES)
      .default('both' as const),
  )
  .option(
    '--size <bytes>',
    `frame size without FCS, ${MIN_FRAME} to ${MAX_FRAME}`,
    wholeNumber(MIN_FRAME, MAX_FRAME),
    PEER_DEFAULTS.frameSize,
  )
  .option('--burst <n>', 'frames per burst', wholeNumber(1, 512), PEER_DEFAULTS.burst)
  .option(
    '--window <n>',
    'both, latency: most frames posted and not back yet, per queue pair (default: what its receive ring holds)',
    wholeNumber(1, 2 ** 31),
  )
  .option(
    '--count <n>',
    'send this many frames, wait until all are back, and exit',
    wholeNumber(1, Number.MAX_SAFE_INTEGER),
  )
  .option(
    '--duration <seconds>',
    'exit this long after the back-end first came up, connected or not',
    seconds(),
  )
  .option(
    '--drop-above <n>',
    'echo: drop what comes above this many frames per second',
    wholeNumber(1, MAX_RATE),
  )
  .option('--no-check', 'do not check sequence and checksum of received frames')
  .option('--cpu <list>', 'CPUs such as 1,2, each for one thread; the queue pairs are dealt out', cpuList)
  .optionsGroup('Mode latency:')
  .option(
    '--rate <n>',
    `frames per second, over all queue pairs (default: ${PEER_DEFAULTS.rate})`,
    wholeNumber(1, MAX_RATE),
  )
  .option('--warm-up <seconds>', 'do not time the frames of the first seconds (default: 0)', secondsOrNone)
  .option(
    '--own-stall <us>',
    "forgive stalls of the peer's own loop from this length on: frames in flight are not timed, later ones are postponed",
    wholeNumber(1, 1e9),
  )
  .optionsGroup('Rings:')
  .option('--queues <n>', 'queue pairs', wholeNumber(1, 128), PEER_DEFAULTS.pairs)
  .option(
    '--queue-size <n>',
    'entries of each ring; a power of two for split rings',
    wholeNumber(2, VRING_MAX_SIZE),
    PEER_DEFAULTS.queueSize,
  )
  .option('--packed', 'offer packed rings (VIRTIO_F_RING_PACKED)')
  .option('--event-idx', 'offer VIRTIO_F_EVENT_IDX')
  .option('--no-in-order', 'do not offer VIRTIO_F_IN_ORDER')
  .option('--no-mrg-rxbuf', 'do not offer VIRTIO_NET_F_MRG_RXBUF')
  .option('--legacy', 'act as a driver from before virtio 1.0')
  .option('--hugepages', 'allocate the memory from hugepages')
  .addOption(new Option('--hostile <kind>', 'violate this ring rule after start-up').choices(HOSTILE_KINDS))
  .addOption(
    new Option('--hostile-ring <ring>', 'the ring in which --hostile violates it')
      .choices(['rx', 'tx'] as const)
      .default('tx' as const),
  )
  .optionsGroup('Output:')
  .helpOption(...HELP_OPTION)
  .option('--stats-period <seconds>', 'print statistics at this interval', seconds())
  .option('--json', 'print statistics as JSON, one object per line')
  .addHelpText(
    'after',
    `
Example: ten seconds of traffic through a driver that forwards it back
  vhost-pci-peer --vhost-user /tmp/vhost.sock --cpu 1 --stats-period 1 --duration 10

Statistics go to stdout, everything else to stderr. Exit status: 0 if all that
came back was correct, 1 if a check or the connection failed, 2 for a wrong
option. SIGINT ends it in order, with the totals.`,
  );

/** With --count: milliseconds without a frame after which those in flight are given up. */
const COUNT_PATIENCE_MS = 20_000;

type Options = ReturnType<typeof options>;

function createPeer(options: Options): Peer {
  const { window, rate, warmUp, ownStall, dropAbove } = options;
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
    ...(dropAbove === undefined ? {} : { dropAbove }),
  });
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
  const over = new AbortController();
  const interrupt = (): void => {
    interrupted = true;
    over.abort();
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
  const pollMs = options.count === undefined ? POLL_MS : COUNT_POLL_MS;
  while (!interrupted && !peer.done && !peer.failure && performance.now() < end) {
    reporter.poll(() => peer.stats(), peer.up);
    const pause = Math.max(0, Math.min(pollMs, reporter.dueIn, end - performance.now()));
    await sleep(pause, undefined, { signal: over.signal }).catch(() => {});
  }
  await peer.drain();
  await peer.stop();
  const stats = peer.stats();
  reporter.summary(stats);
  return verdict(peer, options, stats);
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
  if (given.mode !== 'echo' && given.dropAbove !== undefined)
    program.error('error: --drop-above requires --mode echo');
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
  exitProcess(await run(options()));
} catch (error) {
  standardOutput().stderr.line(oneLine(`vhost-pci-peer: ${(error as Error).message}`));
  exitProcess(1);
}
