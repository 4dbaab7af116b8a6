// SPDX-License-Identifier: BSD-3-Clause
// The demo: starts device model, PMD and peer as child processes, in this order, and stops them in reverse
// order.
import { PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import type { Child } from '../run/child.ts';
import { DeviceProcess, SymmetricProcess } from '../run/device-model.ts';
import { OurTestpmd } from '../run/our-testpmd.ts';
import { stopAll, twoCpus, type Workspace } from '../run/workspace.ts';
import { CpuWaits } from './cpu-waits.ts';
import type { DemoOptions } from './options.ts';
import { picture, pmdTotals, type SummaryContext, secondLine, sharedCpu, summary } from './text.ts';
import { maxRunMs, mbufsFor, type Sample, startTraffic, type Traffic } from './traffic.ts';

const START_MS = 20_000;
/** Seconds without packets after which the demo gives up: a loaded machine may be slow to start. */
const SILENT_SECONDS = 10;
const NOTHING_YET: Sample = { seconds: 0, sent: 0, received: 0 };

interface Sockets {
  /** The peer's; with --symmetric the second driver's. */
  readonly vhostUser: string;
  readonly vfioUser: string;
}

/**
 * Runs the demo to its end; `say` prints a line. Once packets are to flow, `interruptible` is given what ends
 * the traffic early. Throws a PmdError when a part failed, or when the check of the received packets failed.
 */
export async function runDemo(
  options: DemoOptions,
  workspace: Workspace,
  say: (line: string) => void,
  interruptible: (finish: () => void) => void,
): Promise<void> {
  const cpus = twoCpus(native.getAffinity());
  const sockets = { vhostUser: workspace.path('u'), vfioUser: workspace.path('f') };
  const children: Child[] = [];
  const halts = new Halts(children);
  let showAll = options.verbose;
  try {
    say(picture(options, cpus));
    for (const line of sharedCpu(cpus)) say(line);
    const device = await startDevice(options, sockets, children);
    const pmd = await startPmd(options, sockets, cpus[0], children);
    const traffic = startTraffic(options, sockets.vhostUser, cpus[1], workspace);
    children.push(traffic.child);
    const waits = { pmd: new CpuWaits(pmd.pid), peer: new CpuWaits(traffic.child.pid) };
    let interrupted = false;
    if (options.interactive) await Promise.race([pmd.gone, failsWith(device)]);
    else {
      const early = new Promise<void>((resolve) => interruptible(resolve)).then(() => {
        interrupted = true;
      });
      await Promise.race([watch(options, traffic, halts, say), early, failsWith(device), failsWith(pmd)]);
    }
    const disturbed =
      cpus[0] === cpus[1]
        ? []
        : [...waits.pmd.lines('the PMD', cpus[0]), ...waits.peer.lines('the peer', cpus[1])];
    const totals = await traffic.finish();
    halts.look();
    await pmd.stop();
    for (const line of summary(totals, pmdTotals(pmd.output), contextOf(options))) say(line);
    for (const line of disturbed) say(line);
    try {
      judge(options, totals, interrupted);
    } catch (error) {
      // No single part knows why packets do not arrive.
      showAll = true;
      throw error;
    }
  } catch (error) {
    // Must come before stop(), which resumes the children.
    halts.look();
    throw halts.explain(error as PmdError);
  } finally {
    await stopAll([...children].reverse());
    if (showAll) for (const child of children) showOutput(child, say);
  }
}

async function startDevice(options: DemoOptions, sockets: Sockets, children: Child[]): Promise<Child> {
  const { queues, verbose } = options;
  const common = { queues, verbose, maxRunMs: maxRunMs(options) };
  const { vhostUser: other, vfioUser } = sockets;
  const device = options.symmetric
    ? new SymmetricProcess({ ...common, vfioUser: [vfioUser, other], unidirectional: options.unidirectional })
    : new DeviceProcess({ ...sockets, ...common });
  children.push(device);
  await device.ready(START_MS);
  return device;
}

async function startPmd(
  options: DemoOptions,
  { vfioUser }: Sockets,
  cpu: number,
  children: Child[],
): Promise<OurTestpmd> {
  const { forwardMode, burst, size, queues, interactive } = options;
  const pmd = new OurTestpmd({
    ...{ vfioUser: [vfioUser], cpu, hugepages: false },
    ...{ forwardMode, burst, frameSize: size, queues, interactive, autoStart: true },
    more: [...mbufsFor(size), '--record-core-cycles'],
    terminal: interactive,
    maxRunMs: maxRunMs(options),
  });
  children.push(pmd);
  if (!interactive) await pmd.forwarding(START_MS);
  return pmd;
}

/** Prints a line per second, from the first second in which packets flow. */
async function watch(
  options: DemoOptions,
  traffic: Traffic,
  halts: Halts,
  say: (line: string) => void,
): Promise<void> {
  let before = NOTHING_YET;
  let now = await traffic.next();
  for (let silent = 0; !flows(options, now) && silent < SILENT_SECONDS; silent++) now = await traffic.next();
  for (let t = 1; t <= options.duration; t++) {
    if (t > 1) now = await traffic.next();
    halts.look();
    say(secondLine(t, now, before));
    before = now;
  }
}

/**
 * Records children that were stopped by a signal from outside: their packets wait or are lost, which no
 * counter explains.
 */
class Halts {
  readonly #children: readonly Child[];
  readonly #halted = new Set<string>();

  constructor(children: readonly Child[]) {
    this.#children = children;
  }

  /** Records which children are stopped now. */
  look(): void {
    for (const { halted, name } of this.#children) if (halted) this.#halted.add(name);
  }

  /** Returns `error` with the recorded children added to its message. */
  explain(error: PmdError): PmdError {
    const names = [...this.#halted];
    const verb = names.length === 1 ? 'was' : 'were';
    if (names.length > 0)
      error.message += `; ${names.join(' and ')} ${verb} stopped (SIGSTOP or SIGTSTP) while packets flowed`;
    return error;
  }
}

/** Packets received by rxonly do not come back. */
const flows = ({ forwardMode }: DemoOptions, { sent, received }: Sample): boolean =>
  forwardMode === 'rxonly' ? sent > 0 : received > 0;

/** Rejects when a child ends that should keep running. */
async function failsWith(child: Child): Promise<never> {
  await child.gone;
  throw child.failure(`ended (${child.exit}) while packets flowed`);
}

/** The built-in peer checks what comes back; of a testpmd as the peer, nothing is checked. */
const contextOf = ({ interactive, peer, symmetric, forwardMode }: DemoOptions): SummaryContext => ({
  interactive,
  oneWay: peer === 'builtin' && !symmetric && ['rxonly', 'txonly'].includes(forwardMode),
});

function judge(options: DemoOptions, { sent, received, checks }: Sample, interrupted: boolean): void {
  // The user at the prompt may have stopped the PMD, cleared its counters or made it drop: not a failure.
  if (options.interactive) return;
  const early = interrupted && received === 0;
  if (sent === 0 && received === 0 && !early) throw new PmdError('VPCI_NO_TRAFFIC', 'no packets passed');
  if (checks && checks.lost + checks.bad > 0) {
    throw new PmdError(
      'VPCI_CHECK',
      `the check failed: ${checks.lost} frames did not come back, ${checks.bad} were corrupt (see the output of each part above)`,
    );
  }
  if (checks && received === 0 && !early) throw new PmdError('VPCI_NO_TRAFFIC', 'no packets came back');
}

function showOutput(child: Child, say: (line: string) => void): void {
  for (const line of `${child.errors}\n${child.output}`.split('\n').filter(Boolean))
    say(`${child.name}| ${line}`);
}
