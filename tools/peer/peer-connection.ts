// SPDX-License-Identifier: BSD-3-Clause
// One connection to a back-end, from negotiation to end: rings in shared memory, driver queues in the addon,
// and the lcores that work them. Everything created is released on every path.
import type { RecordableHistogram } from 'node:perf_hooks';
import { VIRTIO_NET_F_MRG_RXBUF } from '../../src/abi/virtio-net.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_PACKED,
  VRING_PACKED_START,
} from '../../src/abi/virtio-ring.ts';
import type { PmdError } from '../../src/errors.ts';
import { type Lcore, launch } from '../../src/lcore/launch.ts';
import { type DriverQueueHandle, native } from '../../src/native.ts';
import { features, hasFeature } from '../../src/virtio/features.ts';
import { Channel } from './channel.ts';
import { FrontEnd, type Negotiated } from './front-end.ts';
import { writeHostile } from './hostile.ts';
import type { PeerMemory } from './memory.ts';
import {
  buffersPerFrame,
  clearRing,
  MAX_FRAME,
  type MemoryPlan,
  PEER_GPA,
  PEER_USERSPACE,
  planMemory,
  type QueuePlace,
} from './memory-plan.ts';
import type { PeerOptions } from './options.ts';
import { addStats, noStats, type PeerStats, pairStats } from './stats.ts';
import { defaultFlow, frameTemplate } from './traffic.ts';
import {
  CONTROL_DONE,
  CONTROL_DRAIN,
  CONTROL_WORDS,
  expectsBack,
  type PeerMode,
  type TrafficPlan,
} from './traffic-loop.ts';

/** Rings of a virtio-net pair: 2i receives, 2i + 1 transmits (VIRTIO 1.2, 5.1.2). */
interface Ring {
  readonly index: number;
  readonly place: QueuePlace;
  readonly kickFd: number;
  readonly callFd: number;
  readonly queue: DriverQueueHandle;
}

interface Pair {
  readonly rx: Ring;
  readonly tx: Ring;
  mode: PeerMode;
}

interface Worker {
  readonly lcore: Lcore;
  readonly control: Int32Array;
}

export interface ConnectionOptions extends PeerOptions {
  /** Mode 'latency': receives the recorded times. */
  readonly histogram?: RecordableHistogram | undefined;
}

export class PeerConnection {
  readonly negotiated: Negotiated;
  readonly channel: Channel;
  /** Called when an lcore fails. */
  onFailed: (error: PmdError) => void = () => {};
  readonly #options: ConnectionOptions;
  readonly #frontEnd: FrontEnd;
  readonly #memory: PeerMemory;
  readonly #pairs: Pair[] = [];
  #workers: Worker[] = [];
  #final: PeerStats = noStats();

  private constructor(
    channel: Channel,
    frontEnd: FrontEnd,
    negotiated: Negotiated,
    memory: PeerMemory,
    options: ConnectionOptions,
  ) {
    this.channel = channel;
    this.#frontEnd = frontEnd;
    this.negotiated = negotiated;
    this.#memory = memory;
    this.#options = options;
  }

  /**
   * Sets up the back-end and starts the traffic. Owns `fd`. `memoryFor` returns memory of at least the given
   * number of bytes, which remains the caller's but is used exclusively by this connection until its end.
   * `signal` hangs up.
   */
  static async start(
    fd: number,
    options: ConnectionOptions,
    memoryFor: (bytes: number) => PeerMemory,
    signal: AbortSignal,
  ): Promise<PeerConnection> {
    const channel = new Channel(fd, options.path);
    const hangUp = (): void => channel.close();
    signal.addEventListener('abort', hangUp);
    let session: PeerConnection | undefined;
    try {
      const frontEnd = new FrontEnd(channel, options.path);
      const negotiated = await frontEnd.negotiate(wantedFeatures(options), options.pairs, options.legacy);
      const plan = planFor(options, negotiated.features);
      session = new PeerConnection(channel, frontEnd, negotiated, memoryFor(plan.bytes), options);
      session.#createPairs(plan);
      await session.#startRings();
      await session.#startTraffic();
      return session;
    } catch (error) {
      await session?.abandon();
      channel.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', hangUp);
    }
  }

  /** Totals of this connection. */
  stats(): PeerStats {
    const sum = noStats();
    for (const { rx, tx } of this.#pairs)
      addStats(sum, pairStats(rx.queue, tx.queue, expectsBack(this.#options.mode)));
    return sum;
  }

  /** True when nothing is left to send and all sent frames have come back or been given up. */
  get done(): boolean {
    return (
      this.#workers.length > 0 &&
      this.#workers.every(({ control }) => Atomics.load(control, CONTROL_DONE) === 1)
    );
  }

  /** Stops sending. `done` becomes true when the frames in flight have come back or been given up. */
  drain(): void {
    for (const { control } of this.#workers) Atomics.store(control, CONTROL_DRAIN, 1);
  }

  /** Takes the rings back in order, as a driver does when it is unloaded; returns the totals. */
  async stop(): Promise<PeerStats> {
    await this.#stopTraffic();
    try {
      for (const { index } of this.#rings()) {
        await this.#frontEnd.enableRing(index, false);
        await this.#frontEnd.stopRing(index);
      }
    } catch (error) {
      // The rings end with the connection in any case.
      if (this.channel.open) throw error;
    } finally {
      this.channel.close();
      this.#free();
    }
    return this.#final;
  }

  /** Frees everything without notifying the back-end, which is gone or unusable; returns the totals. */
  async abandon(): Promise<PeerStats> {
    await this.#stopTraffic().catch(() => {}); // onFailed has received an lcore's error.
    this.channel.close();
    this.#free();
    return this.#final;
  }

  /**
   * Breaks a rule in the first pair's ring, as a hostile driver would. This side no longer uses that ring;
   * everything else goes on.
   */
  async attack(kind: string, role: 'rx' | 'tx'): Promise<void> {
    const pair = this.#pairs[0] as Pair;
    await this.#stopTraffic();
    pair.mode = role === 'tx' ? 'sink' : 'generate';
    const target = { view: this.#memory.view, role, gpa: PEER_GPA, memoryBytes: this.#memory.bytes };
    writeHostile(kind, { ...target, ring: pair[role].place }, this.#packed);
    native.eventfdSignal(pair[role].kickFd);
    await this.#startTraffic();
  }

  get #packed(): boolean {
    return hasFeature(this.negotiated.features, VIRTIO_F_RING_PACKED);
  }

  #rings(): Ring[] {
    return this.#pairs.flatMap(({ rx, tx }) => [rx, tx]);
  }

  #createPairs(plan: MemoryPlan): void {
    const { mode, frameSize } = this.#options;
    plan.pairs.forEach((place, index) => {
      const rx = this.#createRing('rx', 2 * index, place.rx);
      try {
        const tx = this.#createRing('tx', 2 * index + 1, place.tx);
        this.#pairs.push({ rx, tx, mode });
        native.driverTemplate(tx.queue, frameTemplate(frameSize, defaultFlow(index)));
      } catch (error) {
        if (this.#pairs.length === index) freeRing(rx);
        throw error;
      }
    });
  }

  #createRing(role: 'rx' | 'tx', index: number, place: QueuePlace): Ring {
    clearRing(this.#memory.view, place);
    const kickFd = native.eventfd();
    const callFd = native.eventfd();
    try {
      const { mapping } = this.#memory;
      const { features } = this.negotiated;
      const queue = native.driverQueueCreate(role, { mapping, gpa: PEER_GPA, features, kickFd, ...place });
      return { index, place, kickFd, callFd, queue };
    } catch (error) {
      native.close(kickFd);
      native.close(callFd);
      throw error;
    }
  }

  async #startRings(): Promise<void> {
    const rings = this.#rings();
    const { fd, bytes } = this.#memory;
    await this.#frontEnd.setCalls(rings.map(({ callFd }) => callFd));
    await this.#frontEnd.configure({ gpa: PEER_GPA, size: bytes, userspace: PEER_USERSPACE, offset: 0, fd });
    const base = this.#packed ? VRING_PACKED_START : 0;
    for (const { index, place, kickFd } of rings) {
      const address = (offset: number): bigint => PEER_USERSPACE + BigInt(offset);
      const [desc, avail, used] = [address(place.desc), address(place.avail), address(place.used)];
      await this.#frontEnd.startRing({ index, size: place.size, base, desc, avail, used, kickFd });
    }
    for (const { index } of rings) await this.#frontEnd.enableRing(index, true);
    await this.#frontEnd.driverOk();
  }

  /** Starts one lcore per given CPU and distributes the pairs over them in turn. */
  async #startTraffic(): Promise<void> {
    const cpus = this.#options.cpus;
    const count = Math.min(Math.max(1, cpus.length), this.#pairs.length);
    for (let worker = 0; worker < count; worker++) {
      const control = new SharedArrayBuffer(4 * CONTROL_WORDS);
      const pairs = this.#pairs.filter((_, index) => index % count === worker);
      const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
      const lcore = launch({
        lcore: worker,
        cpu: cpus[worker] ?? native.getAffinity(),
        module: new URL(`./traffic-loop.${extension}`, import.meta.url),
        data: this.#trafficPlan(pairs, control),
      });
      lcore.exited.catch((error: PmdError) => this.onFailed(error));
      this.#workers.push({ lcore, control: new Int32Array(control) });
    }
    await Promise.all(this.#workers.map(({ lcore }) => lcore.ready));
  }

  #trafficPlan(pairs: readonly Pair[], control: SharedArrayBuffer): TrafficPlan {
    const { count, window, frameSize, burst, check, patienceMs, rate, warmUp, ownStall, histogram } =
      this.#options;
    const { dropAbove } = this.#options;
    const place = (this.#pairs[0] as Pair).rx.place;
    const share = Math.ceil(count / this.#pairs.length);
    return {
      pairs: pairs.map(({ rx, tx, mode }) => ({ rx: rx.queue, tx: tx.queue, mode, count: share })),
      burst,
      check,
      window: window ?? Math.floor(place.size / buffersPerFrame(place, frameSize)),
      patienceMs,
      ...(histogram ? { latency: { rate: rate / this.#pairs.length, warmUp, ownStall, histogram } } : {}),
      // Each loop has its part, as it has of the pairs.
      ...(dropAbove === undefined ? {} : { dropAbove: (dropAbove * pairs.length) / this.#pairs.length }),
      control,
    };
  }

  async #stopTraffic(): Promise<void> {
    const workers = this.#workers;
    this.#workers = [];
    await Promise.all(workers.map(({ lcore }) => lcore.stop()));
  }

  #free(): void {
    if (this.#pairs.length === 0) return;
    this.#final = this.stats();
    for (const ring of this.#rings()) freeRing(ring);
    this.#pairs.length = 0;
  }
}

function freeRing(ring: Ring): void {
  native.driverQueueDestroy(ring.queue);
  native.close(ring.kickFd);
  native.close(ring.callFd);
}

function wantedFeatures(options: PeerOptions): bigint {
  const wanted: [boolean, number][] = [
    [options.mergeable, VIRTIO_NET_F_MRG_RXBUF],
    [options.inOrder, VIRTIO_F_IN_ORDER],
    [options.packed, VIRTIO_F_RING_PACKED],
    [options.eventIdx, VIRTIO_F_RING_EVENT_IDX],
  ];
  return features(...wanted.flatMap(([on, feature]) => (on ? [feature] : [])));
}

/** A generating mode knows the length of its frames; 'echo' and 'sink' must accept frames of any length. */
function planFor(options: PeerOptions, negotiated: bigint): MemoryPlan {
  const foreign = options.mode === 'echo' || options.mode === 'sink';
  return planMemory({
    pairs: options.pairs,
    queueSize: options.queueSize,
    frameSize: foreign ? MAX_FRAME : options.frameSize,
    mergeable: hasFeature(negotiated, VIRTIO_NET_F_MRG_RXBUF),
    packed: hasFeature(negotiated, VIRTIO_F_RING_PACKED),
  });
}
