// SPDX-License-Identifier: BSD-3-Clause
// The interfaces of a port of net_pcap: their sockets, from the port's beginning to its end.
import { failedTo, PmdError } from '../../errors.ts';
import { native } from '../../native.ts';
import { macText } from '../../packet/mac.ts';
import type { InterfaceArg, PcapDevargs } from './devargs.ts';

/** An IP packet of 64 KiB, its Ethernet header, and tags. */
export const FRAME_ROOM = 65_536 + 64;
/** A sender may be faster than we are. */
const MOST_STALE = 1 << 17;

const FAULTS = {
  down: 'is down',
  'no carrier': 'has no carrier',
  gone: 'is gone: detach the port and attach it again',
} as const;

interface Opened {
  readonly name: string;
  readonly fd: number;
  readonly mac: Uint8Array;
}

export class Interfaces {
  /** Descriptor of each queue; none for a direction with files. */
  readonly rx: readonly number[];
  readonly tx: readonly number[];
  /** Of the first interface, for phy_mac=1. */
  readonly mac: string | null;
  readonly #opened: Opened[] = [];
  #missed = 0;
  #closed = false;

  /** Throws a PmdError in one line. */
  constructor({ rxInterfaces, txInterfaces, both }: PcapDevargs) {
    try {
      const pair = both === null ? [] : [this.#open(both)];
      const rx = [...pair, ...rxInterfaces.map((one) => this.#open(one))];
      const tx = [...pair, ...txInterfaces.map((one) => this.#open(one))];
      this.rx = rx.map(({ fd }) => fd);
      this.tx = tx.map(({ fd }) => fd);
      const [first] = [...rx, ...tx];
      this.mac = first ? macText(first.mac) : null;
    } catch (error) {
      this.#closeAll();
      throw error;
    }
  }

  /** The interface without which the link is down, in words; null if all are up. */
  fault(): string | null {
    for (const { name, fd } of this.#opened) {
      const link = native.packetLink(fd);
      if (link !== 'up') return `interface ${name} ${FAULTS[link]}`;
    }
    return null;
  }

  /** The same of one that will not come back. */
  lost(): string | null {
    const lost = this.#opened.find(({ fd }) => native.packetLink(fd) === 'gone');
    return lost ? `interface ${lost.name} ${FAULTS.gone}` : null;
  }

  /** Frames that found the sockets full, since the beginning. */
  missed(): number {
    if (!this.#closed) for (const fd of this.rx) this.#missed += native.packetDropped(fd);
    return this.#missed;
  }

  /** Throws away what has come before the port is started. */
  drain(): void {
    const bytes = new Uint8Array(FRAME_ROOM);
    for (const fd of this.rx) for (let i = 0; i < MOST_STALE && native.packetReceive(fd, bytes) > 0; i++);
  }

  /** Once no burst can be running; with `stuck` the descriptors stay open, since one may be. */
  close(stuck: boolean): void {
    if (this.#closed) return;
    this.missed();
    this.#closed = true;
    if (!stuck) this.#closeAll();
  }

  #open({ name, onlyIncoming }: InterfaceArg): Opened {
    try {
      const opened = { name, ...native.packetOpen(name, onlyIncoming) };
      this.#opened.push(opened);
      return opened;
    } catch (error) {
      throw inWords(name, error);
    }
  }

  #closeAll(): void {
    for (const { fd } of this.#opened.splice(0)) native.close(fd);
  }
}

function inWords(name: string, error: unknown): PmdError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EPERM')
    return new PmdError('EPERM', `Failed to open interface ${name}: EPERM: it takes root, or CAP_NET_RAW`);
  if (code === 'EPROTOTYPE')
    return new PmdError('EPROTOTYPE', `Failed to open interface ${name}: its frames are not of Ethernet`);
  return failedTo(`open interface ${name}`, error);
}
