// SPDX-License-Identifier: BSD-3-Clause
// The RFC 2.0 session: applies the device's control messages about the peer to the engines. A bad message
// never throws: it is counted, reported in one line and ignored. Only a lost connection throws.

import { VHOST_PCI_F_SESSION, VHOST_PCI_REFERENCE_VRING_SIZE } from '../abi/vhost-pci.ts';
import type { EngineSet } from '../engines/engine-set.ts';
import { DATA_PATH_FEATURES } from '../engines/features.ts';
import type { Link } from '../engines/link.ts';
import type { RemoteQueue } from '../engines/records.ts';
import type { RemoteMemory } from '../engines/remote-memory.ts';
import { isLoss } from '../errors.ts';
import { type FeatureSet, hasFeature } from '../virtio/features.ts';
import { type ControlMessage, encodeQueueStopped } from './control-decode.ts';

export interface SessionHost {
  /** Receives a one-line error report. */
  report(line: string): void;
  /** Sends a reply through the control queue. */
  answer(message: Uint8Array): void;
}

export class VhostPciSession {
  readonly #engines: EngineSet;
  readonly #link: Link;
  readonly #host: SessionHost;
  #memory: RemoteMemory | null = null;
  /** Negotiated with the device. */
  #features: FeatureSet = 0n;
  #peerMtu = 0;
  #invalidMessages = 0;
  #memoryLost = false;
  #reportedUncached = false;

  constructor(engines: EngineSet, link: Link, host: SessionHost) {
    this.#engines = engines;
    this.#link = link;
    this.#host = host;
  }

  /** MTU of the peer's network; 0 if unknown. */
  get peerMtu(): number {
    return this.#peerMtu;
  }

  /** Number of malformed control messages. Survives a reset. */
  get invalidMessages(): number {
    return this.#invalidMessages;
  }

  /** The peer's memory was lost, and the peer has not sent it again. */
  get memoryLost(): boolean {
    return this.#memoryLost;
  }

  /** The peer's memory; null before the first begin(). */
  get memory(): RemoteMemory | null {
    return this.#memory;
  }

  /** The device was initialised with these features; `memory` receives the regions of the peer's memory. */
  begin(memory: RemoteMemory, features: FeatureSet): void {
    this.#memory = memory;
    this.#features = features;
    this.#engines.begin(memory, features & DATA_PATH_FEATURES);
  }

  /** The device was reset: the peer is unknown again. */
  forget(): void {
    this.#peerMtu = 0;
    this.#link.clearReason();
    this.#engines.forget();
  }

  /** Throws VPCI_REMOVED or EINTR if the connection to the device was lost meanwhile. */
  take(message: ControlMessage): void {
    switch (message.type) {
      case 'malformed':
        this.#invalid(message.reason);
        break;
      case 'memory':
        this.#takeMemory(message);
        break;
      case 'queues':
        this.#takeQueues(message.queues);
        break;
      case 'peer-features':
        this.#engines.setFeatures(message.features);
        break;
      case 'peer-mtu':
        this.#peerMtu = message.mtu;
        break;
      case 'peer-announce':
        this.#engines.announce(message.mac);
        break;
      case 'link-reason':
        this.#link.setReason(message.text);
        break;
      case 'queue-stop':
        this.#stopQueue(message.index, message.token);
        break;
    }
  }

  /**
   * The memory of the rings reads as zeros now. Engines stay stopped until the peer sends its memory again.
   */
  loseMemory(reason: string): void {
    if (this.#memoryLost) return;
    this.#memoryLost = true;
    this.#host.report(reason);
    this.#engines.setMemory([]);
    this.#link.set(false);
  }

  #takeMemory(message: ControlMessage & { type: 'memory' }): void {
    if (message.regions.length === 0) this.#peerMtu = 0;
    this.#memoryLost = false;
    try {
      this.#engines.setMemory(message.regions);
      this.#reportReadSpeed();
    } catch (error) {
      // The message is not at fault if the mapping failed because the connection was lost.
      if (isLoss(error)) throw error;
      this.#invalid((error as Error).message);
    }
  }

  /**
   * Without SESSION, the size field holds the queue number, and every ring has 256 entries
   * (docs/device-abi.md).
   */
  #takeQueues(queues: readonly RemoteQueue[]): void {
    const session = hasFeature(this.#features, VHOST_PCI_F_SESSION);
    this.#engines.setQueues(
      session ? queues : queues.map((record) => ({ ...record, num: VHOST_PCI_REFERENCE_VRING_SIZE })),
    );
  }

  /**
   * An engine that did not stop is not reported as stopped: the device will consider this driver gone, and
   * answer the peer.
   */
  #stopQueue(index: number, token: number): void {
    const stoppedAt = this.#engines.stopQueue(index);
    if (stoppedAt !== null) this.#host.answer(encodeQueueStopped(index, stoppedAt, token));
  }

  /** Reports once, with advice for the user. */
  #reportReadSpeed(): void {
    const speed = this.#memory?.readSpeed;
    if (this.#reportedUncached || speed?.cacheType !== 'uncached') return;
    this.#reportedUncached = true;
    const ns = Math.round(speed.nsPerLine);
    this.#host.report(
      `The peer's memory is mapped uncached (${ns} ns to read a line): packets will be slow; see docs/real-guests.md for mem=PATH@OFFSET`,
    );
  }

  #invalid(reason: string): void {
    this.#invalidMessages++;
    this.#host.report(`Ignored a control message: ${reason}`);
  }
}
