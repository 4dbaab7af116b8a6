// SPDX-License-Identifier: BSD-3-Clause
// The built-in peer without its lcores: rings that a test fills and breaks by hand.
import { VIRTIO_NET_F_MRG_RXBUF } from '../../src/abi/virtio-net.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_PACKED,
  VRING_PACKED_START,
  vringUsedBytes,
} from '../../src/abi/virtio-ring.ts';
import { DRIVER_QUEUE_COUNTERS, type DriverQueueHandle, native } from '../../src/native.ts';
import { features } from '../../src/virtio/features.ts';
import { Channel } from '../../tools/peer/channel.ts';
import { FrontEnd } from '../../tools/peer/front-end.ts';
import { writeHostile } from '../../tools/peer/hostile.ts';
import type { RingRole } from '../../tools/peer/hostile-target.ts';
import { PeerMemory } from '../../tools/peer/memory.ts';
import { clearRing, PEER_GPA, PEER_USERSPACE, planMemory } from '../../tools/peer/memory-plan.ts';
import { defaultFlow, frameTemplate } from '../../tools/peer/traffic.ts';

const FRAME = 64;
/** Frames that the peer sends when it starts. */
export const SENT_AT_START = 5;
const ROLES = ['rx', 'tx'] as const;

export interface StillPeerOptions {
  readonly packed: boolean;
  readonly inOrder: boolean;
  readonly eventIdx: boolean;
  /** Entries of a ring; 64. */
  readonly queueSize?: number;
}

export class StillPeer {
  readonly #packed: boolean;
  readonly #channel: Channel;
  readonly #frontEnd: FrontEnd;
  readonly #plan;
  readonly #memory: PeerMemory;
  readonly #fds: number[] = [];
  readonly #queues = new Map<RingRole, DriverQueueHandle>();

  private constructor(fd: number, path: string, { packed, queueSize = 64 }: StillPeerOptions) {
    this.#packed = packed;
    this.#channel = new Channel(fd, path);
    this.#frontEnd = new FrontEnd(this.#channel, path);
    this.#plan = planMemory({ pairs: 1, queueSize, frameSize: FRAME, mergeable: true, packed });
    this.#memory = new PeerMemory(this.#plan.bytes, false);
  }

  /**
   * Connects with one running pair of rings and frames in flight; over `fd`, or over a new connection to
   * `path`.
   */
  static async start(
    path: string,
    options: StillPeerOptions,
    fd = native.unixConnect(path),
  ): Promise<StillPeer> {
    const peer = new StillPeer(fd, path, options);
    const wanted = features(
      VIRTIO_NET_F_MRG_RXBUF,
      ...(options.packed ? [VIRTIO_F_RING_PACKED] : []),
      ...(options.inOrder ? [VIRTIO_F_IN_ORDER] : []),
      ...(options.eventIdx ? [VIRTIO_F_RING_EVENT_IDX] : []),
    );
    try {
      const negotiated = await peer.#frontEnd.negotiate(wanted, 1);
      await peer.#startRings(negotiated.features);
    } catch (error) {
      await peer.close('killed');
      throw error;
    }
    peer.send(SENT_AT_START);
    return peer;
  }

  async #startRings(negotiated: bigint): Promise<void> {
    const { mapping, fd, bytes, view } = this.#memory;
    const [kick, call] = [
      [native.eventfd(), native.eventfd()] as const,
      [native.eventfd(), native.eventfd()],
    ];
    this.#fds.push(...kick, ...call);
    await this.#frontEnd.setCalls(call);
    await this.#frontEnd.configure({ gpa: PEER_GPA, size: bytes, userspace: PEER_USERSPACE, offset: 0, fd });
    for (const [index, role] of ROLES.entries()) {
      const place = this.#place(role);
      const kickFd = kick[index] as number;
      clearRing(view, place);
      const ring = { mapping, gpa: PEER_GPA, features: negotiated, kickFd, ...place };
      this.#queues.set(role, native.driverQueueCreate(role, ring));
      const address = (offset: number): bigint => PEER_USERSPACE + BigInt(offset);
      const [desc, avail, used] = [address(place.desc), address(place.avail), address(place.used)];
      const base = this.#packed ? VRING_PACKED_START : 0;
      await this.#frontEnd.startRing({ index, size: place.size, base, desc, avail, used, kickFd });
    }
    native.driverTemplate(this.#queue('tx'), frameTemplate(FRAME, defaultFlow(0)));
    for (const index of ROLES.keys()) await this.#frontEnd.enableRing(index, true);
    await this.#frontEnd.driverOk();
  }

  send(count: number): void {
    native.driverGenerate(this.#queue('tx'), count);
  }

  /** Frames taken by `receive`. */
  received = 0;

  /**
   * Takes the received frames and makes their buffers available again; throws if one differs from the frame
   * sent.
   */
  receive(): number {
    const rx = this.#queue('rx');
    const taken = native.driverReceive(rx, 64, true);
    const counters = new BigUint64Array(native.driverQueueStats(rx));
    const wrong = ['bad_checksum', 'bad_frame', 'ring_errors'] as const;
    for (const name of wrong) {
      if (counters[DRIVER_QUEUE_COUNTERS.indexOf(name)] !== 0n)
        throw new Error(`a frame came back with ${name}`);
    }
    this.received += taken;
    return taken;
  }

  /** Takes what was received without checking it. */
  receiveAny(): number {
    const taken = native.driverReceive(this.#queue('rx'), 256, false);
    this.received += taken;
    return taken;
  }

  /** Stops a ring; returns the index that the back-end reports. */
  stopRing(role: RingRole): Promise<number> {
    return this.#frontEnd.stopRing(ROLES.indexOf(role));
  }

  /** The memory that a device writes for this ring: its used part (all of a packed ring) and its buffers. */
  image(role: RingRole): Buffer {
    const { desc, used, size, buffers, bufferSize } = this.#place(role);
    const { buffer } = this.#memory.view;
    const ring = this.#packed
      ? Buffer.from(buffer, desc, 16 * size)
      : Buffer.from(buffer, used, vringUsedBytes(size));
    return Buffer.concat([ring, Buffer.from(buffer, buffers, size * bufferSize)]);
  }

  /** Breaks a rule, and sends frames whose echo runs into it. */
  attack(kind: string, role: RingRole): void {
    const target = { view: this.#memory.view, role, gpa: PEER_GPA, memoryBytes: this.#memory.bytes };
    writeHostile(kind, { ...target, ring: this.#place(role) }, this.#packed);
    if (role === 'rx') this.send(5);
  }

  /** Stops its rings, or disconnects as if it had been killed. */
  async close(how: 'stopped' | 'killed'): Promise<void> {
    if (how === 'stopped') for (const index of ROLES.keys()) await this.#frontEnd.stopRing(index);
    this.#channel.close();
    for (const queue of this.#queues.values()) native.driverQueueDestroy(queue);
    for (const fd of this.#fds) native.close(fd);
    this.#memory.close();
  }

  #place(role: RingRole) {
    const [pair] = this.#plan.pairs;
    if (!pair) throw new Error('no pair');
    return pair[role];
  }

  #queue(role: RingRole): DriverQueueHandle {
    return this.#queues.get(role) as DriverQueueHandle;
  }
}
