// SPDX-License-Identifier: BSD-3-Clause
// RFC 2.1 over any carrier: states, negotiation, and the engines of two sections (docs/device-abi.md, "RFC
// 2.1"). It runs on the event loop. The peer is not trusted: what it writes can stop its own queues, or the
// link, and is counted.
import {
  SECTION_STATE_INIT,
  SECTION_STATE_READY,
  SECTION_STATE_RESET,
  SECTION_STATE_RUN,
  SECTION_VECTOR_QUEUES,
} from '../abi/section.ts';
import { VRING_MAX_SIZE } from '../abi/virtio-ring.ts';
import type { EngineRole } from '../engines/carrier.ts';
import type { DeviceEvents, DeviceState, EngineDevice } from '../engines/device.ts';
import { Link } from '../engines/link.ts';
import { isLoss } from '../errors.ts';
import type { FeatureSet } from '../virtio/features.ts';
import type { SectionCarrier } from './carrier.ts';
import type { SectionEngine } from './engine.ts';
import { SectionEngines } from './engines.ts';
import type { SideOffer } from './header.ts';
import { FRAME_OVERHEAD } from './layout.ts';
import { MemoryWatch } from './memory-watch.ts';
import { type Agreement, agree, describeExtensions, ownOffer } from './negotiation.ts';
import { checkSides, Sides } from './sides.ts';
import { nextStates } from './state.ts';

export interface SectionOptions {
  /** Most queue pairs of the port. */
  readonly queuePairs: number;
  /** Offer no extension: plain frames, one queue pair. */
  readonly minimum: boolean;
  readonly mac: Uint8Array;
}

const STATE_NAMES = ['RESET', 'INIT', 'READY', 'RUN'];
/** Without interrupts, the states are looked at in this interval while the two sides find each other. */
const POLL_MS = 10;
/**
 * And once the link is up: each look takes a CPU from a poll loop, where there are not more CPUs than loops.
 */
const UP_POLL_MS = 100;
/** With interrupts: a peer may have no doorbell of ours. */
const SLOW_POLL_MS = 200;
/** A side passes three states between two looks at most; one that makes us do more is looked at later. */
const MAX_STEPS = 4;

export class SectionDevice implements EngineDevice {
  readonly queuePairs: number;
  readonly maxPktLen: number;
  readonly maxDescriptors = VRING_MAX_SIZE;
  readonly #carrier: SectionCarrier;
  readonly #events: DeviceEvents;
  readonly #options: SectionOptions;
  readonly #engines: SectionEngines;
  readonly #sides: Sides;
  readonly #link: Link;
  readonly #memory: MemoryWatch;
  #timer: NodeJS.Timeout | undefined;
  #offer: SideOffer;
  #state: DeviceState = 'live';
  #own = SECTION_STATE_RESET;
  #peer = SECTION_STATE_RESET;
  #peerWord = SECTION_STATE_RESET;
  #port: { readonly rx: number; readonly tx: number } | null = null;
  #agreed: Agreement | null = null;
  #fault = '';
  #resets = 0;
  #illegalStates = 0;
  #repaired = false;
  #badHeaders = 0;

  /**
   * Takes ownership of the carrier, and closes it on error. Throws VPCI_BAD_MEMORY if its sections are too
   * small, or VPCI_QUEUE_COUNT if they are for this number of queue pairs.
   */
  constructor(carrier: SectionCarrier, events: DeviceEvents, options: SectionOptions) {
    this.#carrier = carrier;
    this.#events = events;
    this.#options = options;
    this.#sides = new Sides(carrier);
    this.queuePairs = options.queuePairs;
    this.#offer = this.#offerFor(options.queuePairs);
    try {
      this.maxPktLen = checkSides(carrier, this.#offer);
      this.#memory = new MemoryWatch([carrier.own.mapping, carrier.peer.mapping], (why) =>
        this.#removed(why),
      );
    } catch (error) {
      carrier.close();
      throw error;
    }
    this.#engines = new SectionEngines(carrier, options.queuePairs, (line) => events.report(line));
    this.#link = new Link(() => this.#engines.wakeAll(), events);
    try {
      carrier.onRemoved((reason) => this.#removed(reason));
      carrier.onState(() => this.poll());
      carrier.enableInterrupts();
      this.#enter(SECTION_STATE_RESET);
      this.poll();
      this.#pollLater();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get name(): string {
    return this.#carrier.name;
  }

  get state(): DeviceState {
    return this.#state;
  }

  get linkUp(): boolean {
    return this.#link.up;
  }

  get linkReason(): string {
    if (this.#link.up) return '';
    if (this.#state !== 'live') return `the device is ${this.#state}`;
    return this.#link.reason;
  }

  get peerFeatures(): FeatureSet {
    return this.#agreed?.features ?? 0n;
  }

  get peerMtu(): number {
    return this.#agreed === null ? 0 : this.#agreed.maxFrame - FRAME_OVERHEAD;
  }

  get interrupts(): 'eventfd' | 'polled' {
    return this.#carrier.vectors >= SECTION_VECTOR_QUEUES + this.queuePairs ? 'eventfd' : 'polled';
  }

  engine(role: EngineRole, pair: number): SectionEngine {
    return this.#engines.engine(role, pair);
  }

  interruptFd(pair: number): number {
    return this.interrupts === 'polled' ? -1 : this.#engines.interruptFd(pair);
  }

  /** A peer may send on every pair that both offer, so we offer those that the port receives on. */
  startPort(queues: { readonly rx: number; readonly tx: number }): void {
    this.#port = queues;
    const offer = this.#offerFor(Math.max(1, queues.rx || queues.tx));
    if (offer.queuePairs !== this.#offer.queuePairs) {
      this.#offer = offer;
      this.#enter(SECTION_STATE_RESET);
    }
    this.poll();
  }

  stopPort(): void {
    this.#port = null;
    if (this.#own === SECTION_STATE_RUN) this.#enter(SECTION_STATE_RESET);
    this.poll();
  }

  /** Looks at the states now, and does what follows. Never throws. */
  poll(): void {
    if (this.#state !== 'live') return;
    try {
      if (!this.#repair()) return;
      for (let step = 0; step < MAX_STEPS && this.#step(); step++);
      this.#settle();
    } catch (error) {
      // A bus that fails reports the removal as well.
      if (!isLoss(error)) this.#events.report((error as Error).message);
    }
  }

  #pollLater(): void {
    const polled = this.#link.up ? UP_POLL_MS : POLL_MS;
    const poll = () => {
      this.poll();
      if (this.#state === 'live') this.#pollLater();
    };
    this.#timer = setTimeout(poll, this.#carrier.vectors === 0 ? polled : SLOW_POLL_MS).unref();
  }

  details(): [string, string | number][] {
    const agreed = this.#agreed;
    return [
      ...this.#carrier.details(),
      ['Device state', this.#state],
      ...(this.linkUp ? [] : [['No link', this.linkReason] as [string, string]]),
      ['Own state', STATE_NAMES[this.#own] ?? ''],
      ['Peer state', STATE_NAMES[this.#peer] ?? ''],
      ['Extensions', agreed === null ? 'none' : describeExtensions(agreed.extensions)],
      ['Queue pairs', agreed?.queuePairs ?? this.queuePairs],
      ['Interrupts', this.interrupts],
      ['Section (bytes)', this.#sides.sectionBytes],
      ['Largest frame (bytes)', agreed?.maxFrame ?? this.maxPktLen],
    ];
  }

  counters(): [string, number][] {
    return [
      ['section_resets', this.#resets],
      ['section_illegal_states', this.#illegalStates],
      ['section_bad_headers', this.#badHeaders],
    ];
  }

  /** Tells the peer by RESET, and releases everything. Idempotent. */
  close(): void {
    if (this.#state === 'closed') return;
    const alive = this.#state === 'live';
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#link.drop();
    this.#engines.quiesceAll();
    try {
      if (alive) this.#publish(SECTION_STATE_RESET);
    } catch {
      // The device is released anyway.
    }
    this.#engines.wakeAll();
    this.#engines.destroy();
    this.#memory.close();
    this.#carrier.close();
  }

  #offerFor(pairs: number): SideOffer {
    return ownOffer(pairs, this.#options.minimum || this.#carrier.states === 'table');
  }

  /**
   * What the peer, or another program, has written to our header would keep the peer away for good. False if
   * nobody wrote to it, and it is zero because the memory is lost.
   */
  #repair(): boolean {
    if (!this.#sides.repair(this.#offer, this.#options.mac, this.#own)) return true;
    if (this.#memory.lost()) return false;
    if (!this.#repaired)
      this.#events.report(`${this.name}: somebody wrote to our header; it is written again`);
    this.#repaired = true;
    return true;
  }

  /** True if our state changed. */
  #step(): boolean {
    const peerWord = this.#sides.peerState();
    const started = this.#port !== null;
    const next = nextStates({ own: this.#own, peerBefore: this.#peer, peerWord, started });
    if (next.illegal && peerWord !== this.#peerWord) this.#illegalStates++;
    this.#peerWord = peerWord;
    this.#peer = next.peer;
    return next.own !== this.#own && this.#enter(next.own);
  }

  /** False if the state cannot be entered yet. */
  #enter(state: number): boolean {
    if (state === SECTION_STATE_RESET) this.#leaveEpoch();
    if (state === SECTION_STATE_READY && !this.#clearSection()) return false;
    this.#publish(state);
    return true;
  }

  #leaveEpoch(): void {
    if (this.#own !== SECTION_STATE_RESET) this.#resets++;
    this.#engines.quiesceAll();
    this.#agreed = null;
    this.#fault = '';
    this.#sides.begin(this.#offer, this.#options.mac);
  }

  /** A burst that has not returned may still write to it. */
  #clearSection(): boolean {
    if (!this.#engines.quiesceAll()) return false;
    this.#sides.clear();
    return true;
  }

  #publish(state: number): void {
    this.#own = state;
    this.#sides.publish(state);
  }

  /** Brings engines and link in line with the states. */
  #settle(): void {
    const both = this.#own === SECTION_STATE_RUN && this.#peer === SECTION_STATE_RUN;
    if (both && this.#agreed === null && this.#fault === '') this.#negotiate();
    const up = both && this.#agreed !== null;
    if (up && this.#agreed !== null && this.#port !== null) this.#engines.start(this.#agreed, this.#port);
    else this.#engines.quiesceAll();
    if (!up) this.#link.setReason(this.#reason());
    this.#link.set(up);
  }

  /**
   * Our READY keeps a peer that restarts in RESET, so its header is that of this epoch if its state still is.
   */
  #negotiate(): void {
    try {
      const agreed = agree(this.#sides.sectionBytes, this.#offer, this.#sides.peerOffer() ?? this.#offer);
      if (this.#sides.peerState() === SECTION_STATE_RUN) this.#agreed = agreed;
    } catch (error) {
      this.#badHeaders++;
      this.#fault = (error as Error).message;
    }
  }

  #reason(): string {
    if (this.#fault !== '') return `the peer cannot be used: ${this.#fault}`;
    const fault = this.#sides.peerFault();
    if (fault !== null) return `no peer: ${fault}`;
    if (this.#peerWord > SECTION_STATE_RUN) return `no peer: its state is ${this.#peerWord}`;
    if (this.#own === SECTION_STATE_RESET)
      return "the peer's side still says RUN: its driver has not noticed our restart, or was killed";
    if (this.#peer === SECTION_STATE_RESET) return 'no peer: its driver is not running';
    if (this.#peer === SECTION_STATE_INIT || this.#own === SECTION_STATE_INIT) return 'the peer is starting';
    return this.#port === null ? 'the port is stopped' : "the peer's port is not started";
  }

  #removed(reason: string): void {
    if (this.#state !== 'live') return;
    this.#state = 'removed';
    clearTimeout(this.#timer);
    this.#engines.quiesceAll();
    this.#events.report(`The device ${this.name} is gone: ${reason}`);
    this.#link.set(false);
    this.#events.onRemoved();
  }
}
