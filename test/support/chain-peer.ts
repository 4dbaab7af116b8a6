// SPDX-License-Identifier: BSD-3-Clause
// A virtio-net driver that sends a test's bytes by hand in chains of any shape, over the built-in peer's own
// front-end, and therefore to any vhost-user back-end.
import { native } from '../../src/native.ts';
import { Channel } from '../../tools/peer/channel.ts';
import { FrontEnd } from '../../tools/peer/front-end.ts';
import { PeerMemory } from '../../tools/peer/memory.ts';
import { PEER_GPA, PEER_USERSPACE } from '../../tools/peer/memory-plan.ts';
import type { Segment } from './scripted-memory.ts';
import { ScriptedRing } from './scripted-ring.ts';

const MEMORY_BYTES = 2 << 20;
const SIZE = 256;
/** Offset of each ring; everything after the rings is buffer memory. */
const RINGS = [0, 0x8000].map((at) => ({ desc: at, avail: at + 0x2000, used: at + 0x4000, size: SIZE }));
const FIRST_BUFFER = 0x10000;

export class ChainPeer {
  readonly #channel: Channel;
  readonly #memory = new PeerMemory(MEMORY_BYTES, false);
  readonly #rings: readonly ScriptedRing[];
  readonly #kicks = RINGS.map(() => native.eventfd());
  readonly #calls = RINGS.map(() => native.eventfd());

  private constructor(path: string) {
    this.#channel = new Channel(native.unixConnect(path), path);
    const memory = this.#memory.view.buffer as ArrayBuffer;
    const buffers = { first: FIRST_BUFFER, end: MEMORY_BYTES };
    this.#rings = RINGS.map((ring) => new ScriptedRing({ memory, gpa: PEER_GPA, ring, buffers }));
  }

  /** Connects with one running pair of split rings; receives nothing. */
  static async start(path: string, features: bigint): Promise<ChainPeer> {
    const peer = new ChainPeer(path);
    try {
      await peer.#start(new FrontEnd(peer.#channel, path), features);
    } catch (error) {
      peer.close();
      throw error;
    }
    return peer;
  }

  async #start(frontEnd: FrontEnd, features: bigint): Promise<void> {
    const { fd } = this.#memory;
    await frontEnd.negotiate(features, 1);
    await frontEnd.setCalls(this.#calls);
    await frontEnd.configure({ gpa: PEER_GPA, size: MEMORY_BYTES, userspace: PEER_USERSPACE, offset: 0, fd });
    for (const [index, { size, ...place }] of RINGS.entries()) {
      const at = (offset: number): bigint => PEER_USERSPACE + BigInt(offset);
      const [desc, avail, used] = [at(place.desc), at(place.avail), at(place.used)];
      const kickFd = this.#kicks[index] as number;
      await frontEnd.startRing({ index, size, base: 0, desc, avail, used, kickFd });
    }
    for (const index of RINGS.keys()) await frontEnd.enableRing(index, true);
    await frontEnd.driverOk();
  }

  /** Sends one chain; throws when the ring or the memory is full. */
  send(...chain: readonly Segment[]): void {
    this.#tx.post(chain);
    native.eventfdSignal(this.#kicks[1] as number);
  }

  /** Number of chains returned since the last call. */
  returned(): number {
    return this.#tx.collect().length;
  }

  close(): void {
    this.#channel.close();
    this.#memory.close();
    for (const fd of [...this.#kicks, ...this.#calls]) native.close(fd);
  }

  get #tx(): ScriptedRing {
    return this.#rings[1] as ScriptedRing;
  }
}
