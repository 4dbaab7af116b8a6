// SPDX-License-Identifier: BSD-3-Clause
// What a peer spoils at a port during a run: rings that it broke, which end traffic, and packets that were
// dropped for what it wrote. Both are counted by the port alone (docs/trust-model.md, "Broken or dropped").
import { PmdError } from '../../src/errors.ts';
import type { Port } from '../../src/ethdev/port.ts';

/** Names of counters and how many were counted since, those of nothing left out. */
export type FaultCounts = Readonly<Record<string, number>>;

/** Milliseconds between two looks at a port; a peer that begins again may have broken its old ring. */
const LOOK_MS = 250;

const DROPPED: Readonly<Record<string, string>> = {
  rx_errors: 'received',
  rx_missed_errors: 'that no queue took',
  tx_errors: 'to be sent',
};
const CAUSE = /_(undersize_errors|oversize_errors|invalid_buffers)$/;
const UNREADABLE = /_(invalid_desc|start_errors)$/;
const VERBS = { rx: 'receives', tx: 'sends' } as const;

export class PortFaults {
  readonly #port: Port;
  readonly #before: FaultCounts;
  #looked = performance.now();
  #wasBroken = false;

  /** Counts from now on. */
  constructor(port: Port) {
    this.#port = port;
    this.#before = this.#totals();
  }

  counts(): FaultCounts {
    const grown = Object.entries(this.#totals()).map(
      ([name, count]) => [name, count - (this.#before[name] ?? 0)] as const,
    );
    return Object.fromEntries(grown.filter(([, count]) => count > 0));
  }

  /** What no packet passes by, while the link is up: a ring of the queues in use that the peer broke. */
  broken(): PmdError | undefined {
    const { info } = this.#port;
    if (!this.#port.link().up) return undefined;
    for (const role of ['rx', 'tx'] as const) {
      if (!`${info.details[`${role.toUpperCase()} engine 0`]}`.startsWith('broken')) continue;
      const name = `${role}_q0_invalid_desc`;
      const cause = `the peer broke the rules of its ring (${name} ${this.#port.xstats().get(name)})`;
      return new PmdError('VPCI_PEER_RING', `${info.name} ${VERBS[role]} no more: ${cause}`);
    }
    return undefined;
  }

  /** broken(), once two looks have found it so: to be called often, and looks rarely. */
  brokenForLong(): PmdError | undefined {
    const now = performance.now();
    if (now - this.#looked < LOOK_MS) return undefined;
    this.#looked = now;
    const broken = this.broken();
    const isSure = this.#wasBroken;
    this.#wasBroken = broken !== undefined;
    return isSure ? broken : undefined;
  }

  #totals(): FaultCounts {
    const xstats = [...this.#port.xstats()];
    return Object.fromEntries(
      xstats.filter(([name]) => Object.hasOwn(DROPPED, name) || CAUSE.test(name) || UNREADABLE.test(name)),
    );
  }
}

/** "net_vhost_pci0 dropped packets: 91 received (rx_errors), rx_q0_oversize_errors 3"; none if it did not. */
function dropLines(port: string, counts: FaultCounts): string[] {
  const drops = Object.entries(counts).flatMap(([name, count]) =>
    Object.hasOwn(DROPPED, name) ? [`${count} ${DROPPED[name]} (${name})`] : [],
  );
  const spoiled = [...drops, ...counted(counts, CAUSE)];
  return spoiled.length > 0 ? [`${port} dropped packets: ${spoiled.join(', ')}`] : [];
}

const counted = (counts: FaultCounts, which: RegExp): string[] =>
  Object.entries(counts)
    .filter(([name]) => which.test(name))
    .map(([name, count]) => `${name} ${count}`);

/** A line for what was dropped, and one for rings that broke. */
export function faultLines(port: string, counts: FaultCounts): string[] {
  const rings = counted(counts, UNREADABLE);
  const broken = rings.length > 0 ? [`${port} met rings that cannot be read: ${rings.join(', ')}`] : [];
  return [...dropLines(port, counts), ...broken];
}

/** To be called often: says once that packets are dropped. */
export function dropTeller(port: string, faults: PortFaults, say: (line: string) => void): () => void {
  let next = performance.now() + LOOK_MS;
  return () => {
    if (performance.now() < next) return;
    next = performance.now() + LOOK_MS;
    const [line] = dropLines(port, faults.counts());
    if (line === undefined) return;
    say(`${line} so far`);
    next = Number.POSITIVE_INFINITY;
  };
}
