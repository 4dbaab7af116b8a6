// SPDX-License-Identifier: BSD-3-Clause
// The built-in peer: a virtio-net driver in a process, with a vhost-user front-end. It starts a session with
// a back-end, starts a new one when the connection is lost, and keeps memory and totals across sessions.
import type { RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { PmdError } from '../../src/errors.ts';
import { type Connector, createConnector } from './connector.ts';
import { latencyHistogram } from './latency.ts';
import { PeerMemory } from './memory.ts';
import { PEER_DEFAULTS, type PeerOptions } from './options.ts';
import { PeerConnection } from './peer-connection.ts';
import { addStats, noStats, type PeerStats } from './stats.ts';

const RETRY_MS = 200;
const POLL_MS = 5;

export type PeerEvent =
  /** As a server: back-ends can connect from now on. */
  | { readonly kind: 'listening' }
  /** Traffic flows; `features` are the negotiated ones. */
  | { readonly kind: 'up'; readonly features: bigint }
  /** The back-end went away. */
  | { readonly kind: 'down'; readonly reason: PmdError }
  /** The back-end is not up, or not back: reported once for each new reason. */
  | { readonly kind: 'waiting'; readonly reason: PmdError };

export class Peer {
  readonly options: PeerOptions;
  onEvent: (event: PeerEvent) => void = () => {};
  /** Why the peer ended by itself: an lcore failed, or the back-end went away and reconnecting is off. */
  failure: PmdError | undefined;
  /** Mode 'latency': latencies recorded since the start, over all sessions. */
  readonly histogram: RecordableHistogram | undefined;
  readonly #abort = new AbortController();
  readonly #past = noStats();
  #connector: Connector | undefined;
  #memory: PeerMemory | undefined;
  #session: PeerConnection | undefined;
  /** The attempt that may create a session: stop() waits for its end. */
  #connecting: Promise<void> | undefined;

  constructor(options: Partial<PeerOptions> & Pick<PeerOptions, 'path'>) {
    this.options = { ...PEER_DEFAULTS, ...options };
    this.histogram = this.options.mode === 'latency' ? latencyHistogram() : undefined;
  }

  /**
   * Connects (as a server: waits for the back-end) and starts the traffic. Rejects when there is no back-end
   * or it cannot do what was requested; one that hangs up during the negotiation is tried again if
   * reconnecting is on. After a rejection the peer holds no resources. After stop() it returns without a
   * session.
   */
  async start(): Promise<void> {
    this.#connecting = this.#begin();
    await this.#connecting;
  }

  get up(): boolean {
    return this.#session !== undefined;
  }

  /** True when all `count` frames were sent, and each came back or was given up. */
  get done(): boolean {
    return this.#session?.done ?? false;
  }

  /** Totals since the start, over all sessions. */
  stats(): PeerStats {
    const sum = addStats(noStats(), this.#past);
    return this.#session ? addStats(sum, this.#session.stats()) : sum;
  }

  /** Stops sending and waits until the frames in flight have come back or are given up. */
  async drain(): Promise<void> {
    this.#session?.drain();
    while (this.#session && !this.#session.done && !this.failure) await sleep(POLL_MS);
  }

  /**
   * Breaks a rule of the ring on purpose, see hostile.ts. Throws VPCI_PEER_DOWN without a back-end,
   * VPCI_HOSTILE when rings of this kind have no such rule.
   */
  async attack(kind: string, role: 'rx' | 'tx'): Promise<void> {
    if (!this.#session)
      throw new PmdError('VPCI_PEER_DOWN', `Failed to attack ${this.options.path}: no back-end is connected`);
    await this.#session.attack(kind, role);
  }

  /** Stops the rings in order, disconnects, and frees everything. Safe to call twice. */
  async stop(): Promise<void> {
    this.#abort.abort(new PmdError('VPCI_PEER_STOPPED', 'The peer was stopped'));
    await this.#connecting?.catch(() => {}); // start() has reported it.
    const session = this.#session;
    this.#session = undefined;
    try {
      if (session) this.#keep(await session.stop());
    } finally {
      this.#free();
    }
  }

  /** The totals of a connection that has ended. */
  #keep(totals: PeerStats): void {
    addStats(this.#past, { ...totals, lost: totals.missing });
  }

  #free(): void {
    this.#memory?.close();
    this.#memory = undefined;
    this.#connector?.close();
    this.#connector = undefined;
  }

  async #begin(): Promise<void> {
    try {
      this.#connector = createConnector(this.options.path, this.options.server, this.options.socketAccess);
      if (this.options.server) this.onEvent({ kind: 'listening' });
      await this.#connect();
    } catch (error) {
      if (this.#mayRetry(error)) {
        this.onEvent({ kind: 'waiting', reason: error });
        return this.#reconnect(error);
      }
      this.#free();
      throw error;
    }
  }

  async #connect(): Promise<void> {
    const { signal } = this.#abort;
    const fd = await (this.#connector as Connector).connect(signal);
    const options = { ...this.options, histogram: this.histogram };
    const session = await PeerConnection.start(fd, options, (bytes) => this.#memoryFor(bytes), signal);
    if (!session.channel.open || signal.aborted) {
      this.#keep(await session.abandon());
      throw new PmdError(
        'VPCI_BACKEND_GONE',
        `vhost-user back-end at ${this.options.path} closed the connection`,
      );
    }
    this.#session = session;
    session.channel.onClosed = (reason) => void this.#lose(session, reason);
    session.onFailed = (reason) => void this.#fail(session, reason);
    this.onEvent({ kind: 'up', features: session.negotiated.features });
  }

  /** Reuses the memory of earlier sessions if it is large enough. */
  #memoryFor(bytes: number): PeerMemory {
    if (this.#memory && this.#memory.bytes < bytes) {
      this.#memory.close();
      this.#memory = undefined;
    }
    this.#memory ??= new PeerMemory(bytes, this.options.hugepages);
    return this.#memory;
  }

  async #lose(session: PeerConnection, reason: PmdError): Promise<void> {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#connecting = (async () => {
      this.#keep(await session.abandon());
      this.onEvent({ kind: 'down', reason });
      if (!this.options.reconnect) this.failure = reason;
      else await this.#reconnect(reason);
    })();
    await this.#connecting;
  }

  /** An lcore ended by itself. */
  async #fail(session: PeerConnection, reason: PmdError): Promise<void> {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.failure = reason;
    this.#keep(await session.abandon());
  }

  #mayRetry(error: unknown): error is PmdError {
    return this.options.reconnect && error instanceof PmdError && error.code === 'VPCI_BACKEND_GONE';
  }

  async #reconnect(because: PmdError): Promise<void> {
    let reported = because.message;
    while (!this.#abort.signal.aborted) {
      await sleep(RETRY_MS, undefined, { signal: this.#abort.signal }).catch(() => {});
      if (this.#abort.signal.aborted) return;
      try {
        return await this.#connect();
      } catch (error) {
        const reason = error as PmdError;
        if (this.#abort.signal.aborted) return;
        if (reason.message !== reported) this.onEvent({ kind: 'waiting', reason });
        reported = reason.message;
      }
    }
  }
}
