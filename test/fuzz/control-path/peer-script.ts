// SPDX-License-Identifier: BSD-3-Clause
// A front-end's correct session from the first message to the last, with a guest's writes to its memory in
// between.
import { VHOST_USER, VHOST_USER_F_PROTOCOL_FEATURES } from '../../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU } from '../../../src/abi/virtio-net.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '../../../src/abi/virtio-ring.ts';
import { features } from '../../../src/virtio/features.ts';
import { join, u32s, u64s, vhostUserMessage } from '../../../tools/device/test-help/channel.test-help.ts';
import { ALL_PROTOCOL, GPA, ringOffsets, USER } from '../../../tools/device/test-help/peer.test-help.ts';
import type { Disorder } from '../mutator.ts';
import { bytesOfKind, EVENT_KINDS, kindOf, MEMORY_BYTES } from './kinds.ts';
import type { Step } from './steps.ts';

const NEED_REPLY = 8;
const RING_ENTRIES = 256;
const VERSION_1 = features(VIRTIO_F_VERSION_1);
const PROTOCOL = features(VHOST_USER_F_PROTOCOL_FEATURES);
const OPTIONAL = [
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MQ,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_PACKED,
  VIRTIO_NET_F_MTU,
].map((feature) => features(feature));

type Request = keyof typeof VHOST_USER;

export class PeerScript {
  readonly #chaos: Disorder;
  readonly #rings: number;
  readonly #memory: string;
  readonly #events = new Map<string, string>();
  readonly #acks: boolean;

  constructor(chaos: Disorder, queuePairs: number, memory: string) {
    this.#chaos = chaos;
    this.#rings = 2 * queuePairs;
    this.#memory = memory;
    this.#acks = chaos.chance(60);
  }

  /** Descriptors that its messages name. */
  get known(): string[] {
    return [this.#memory, ...this.#events.values()];
  }

  /** From the connection to running rings. */
  opening(): Step[] {
    const features = OPTIONAL.reduce(
      (all, one) => all | (this.#chaos.chance(25) ? one : 0n),
      VERSION_1 | PROTOCOL,
    );
    const running = this.#chaos.chance(80) ? this.#rings : 2;
    const rings = Array.from({ length: running }, (_, index) => index);
    return [
      { side: 'peer', act: 'connect' },
      this.#send('SET_OWNER'),
      this.#send('GET_FEATURES'),
      this.#send('GET_PROTOCOL_FEATURES'),
      this.#send('SET_PROTOCOL_FEATURES', u64s(ALL_PROTOCOL)),
      this.#send('GET_QUEUE_NUM'),
      ...rings.map((index) => this.#call(index)),
      this.#send('SET_FEATURES', u64s(features)),
      this.#send('SET_STATUS', u64s(11n)),
      this.#table(),
      ...rings.flatMap((index) => this.#startRing(index)),
      ...rings.map((index) => this.#enable(index, 1)),
      this.#send('SET_STATUS', u64s(15n)),
    ];
  }

  /** Something that a machine does while its rings run. */
  moment(): Step[] {
    const chaos = this.#chaos;
    const ring = chaos.below(this.#rings);
    switch (chaos.below(20)) {
      case 0:
        return [this.#enable(ring, 0), this.#enable(ring, 1)];
      case 1:
        return [this.#send('GET_VRING_BASE', u32s(ring, 0)), ...this.#startRing(ring), this.#enable(ring, 1)];
      case 2:
        return [this.#table()];
      case 3:
        return [this.#addRegion(1 + chaos.below(3)), this.#removeRegion(1 + chaos.below(3))];
      case 4:
        return [this.#send('SEND_RARP', u64s(0x0000_5634_1202_0052n))];
      case 5:
        return [this.#send('NET_SET_MTU', u64s(BigInt(68 + chaos.below(9000))))];
      case 6:
        return [this.#call(ring), this.#call(ring)];
      case 7:
        return [this.#kick(ring)];
      case 8:
        return [this.#send(chaos.pick(['GET_STATUS', 'GET_MAX_MEM_SLOTS', 'GET_QUEUE_NUM', 'GET_FEATURES']))];
      case 9:
        return [this.#send('RESET_DEVICE'), ...this.opening().slice(1)];
      case 10:
        return [this.#send('SET_STATUS', u64s(0n)), ...this.opening().slice(7)];
      case 11:
        return [this.#memoryWord(ring)];
      case 12:
        return [{ side: 'peer', act: 'close' }, ...this.opening()];
      case 13:
        return [{ side: 'peer', act: 'strangers', count: 1 + chaos.below(20) }];
      case 14:
        return [
          {
            side: 'peer',
            act: 'resize',
            bytes: chaos.pick([0, 1, 4096, MEMORY_BYTES / 2, 2 * MEMORY_BYTES]),
          },
        ];
      case 15:
        return [{ side: 'peer', act: chaos.pick(['fill', 'block']), event: this.#event('call', ring) }];
      case 16:
        return [{ side: 'peer', act: 'fill', event: this.#event('kick', ring) }];
      case 17:
        return [this.#flood()];
      default:
        return [this.#kicks(ring)];
    }
  }

  /** Uses this eventfd for its rings' calls, and kicks without end. */
  storm(event: string): Step[] {
    for (const ring of [0, 1]) this.#events.set(`call${ring}`, event);
    const calls = [0, 1].map((ring) => this.#send('SET_VRING_CALL', u64s(BigInt(ring)), [event]));
    return [...calls, this.#kicks(0), this.#kicks(1)];
  }

  #send(what: Request, payload: Uint8Array = new Uint8Array(0), fds: readonly string[] = []): Step {
    const bytes = vhostUserMessage(VHOST_USER[what], payload, this.#acks ? 1 | NEED_REPLY : 1);
    return { side: 'peer', act: 'send', what, bytes, fds, pieces: [bytes.length], pauseMs: 0 };
  }

  #flood(): Step {
    const bytes = this.#chaos.pick([
      this.#send('GET_FEATURES'),
      this.#enable(0, this.#chaos.below(2)),
      this.#send('SET_FEATURES', u64s(0n)),
      this.#send('GET_VRING_BASE', u32s(0, 0)),
    ]);
    if (bytes.act !== 'send') throw new Error('a flood is of messages');
    return {
      side: 'peer',
      act: 'flood',
      what: bytes.what,
      bytes: bytes.bytes,
      times: 200 + this.#chaos.below(3000),
    };
  }

  /** The same descriptor for a ring throughout the session; sometimes a foreign one. */
  #event(role: 'kick' | 'call', ring: number): string {
    const key = `${role}${ring}`;
    const known = this.#events.get(key);
    if (known && this.#chaos.chance(85)) return known;
    const fresh = this.#chaos.chance(60)
      ? `event#${key}`
      : this.#chaos.chance(60)
        ? `${this.#chaos.pick(EVENT_KINDS)}#${key}`
        : this.#chaos.pick([
            `event#vector${2 + this.#chaos.below(3)}`,
            `doorbell:${this.#chaos.below(3)}`,
            'event#kick0',
          ]);
    this.#events.set(key, fresh);
    return fresh;
  }

  #call(ring: number): Step {
    return this.#send('SET_VRING_CALL', u64s(BigInt(ring)), [this.#event('call', ring)]);
  }

  #kick(ring: number): Step {
    return this.#send('SET_VRING_KICK', u64s(BigInt(ring)), [this.#event('kick', ring)]);
  }

  #kicks(ring: number): Step {
    const value = this.#chaos.pick([1n, 1n, 1n << 63n, (1n << 64n) - 2n]);
    const times = this.#chaos.pick([1, 1, 10, 2000]);
    return {
      side: 'peer',
      act: 'signal',
      event: this.#event(this.#chaos.chance(80) ? 'kick' : 'call', ring),
      value,
      times,
    };
  }

  #enable(ring: number, on: number): Step {
    return this.#send('SET_VRING_ENABLE', u32s(ring, on));
  }

  #startRing(ring: number): Step[] {
    const { desc, avail, used } = ringOffsets(ring);
    const at = (offset: number) => USER + BigInt(offset);
    return [
      this.#send('SET_VRING_NUM', u32s(ring, RING_ENTRIES)),
      this.#send('SET_VRING_BASE', u32s(ring, 0)),
      this.#send('SET_VRING_ADDR', join(u32s(ring, 0), u64s(at(desc), at(used), at(avail), 0n))),
      this.#kick(ring),
    ];
  }

  #table(): Step {
    const chaos = this.#chaos;
    const whole = bytesOfKind(kindOf(this.#memory));
    const size = chaos.chance(80) ? whole : BigInt(MEMORY_BYTES);
    if (chaos.chance(40))
      return this.#send('ADD_MEM_REG', join(u64s(0n), u64s(GPA, size, USER, 0n)), [this.#memory]);
    if (chaos.chance(70))
      return this.#send('SET_MEM_TABLE', join(u32s(1, 0), u64s(GPA, size, USER, 0n)), [this.#memory]);
    const half = BigInt(MEMORY_BYTES / 2);
    const regions = u64s(GPA, half, USER, 0n, GPA + half, half, USER + half, half);
    return this.#send('SET_MEM_TABLE', join(u32s(2, 0), regions), [this.#memory, this.#memory]);
  }

  #region(number: number): Uint8Array {
    const place = BigInt(number) << 48n;
    return join(u64s(0n), u64s(GPA + place, 4096n, USER + (place >> 8n), 0n));
  }

  #addRegion(number: number): Step {
    return this.#send('ADD_MEM_REG', this.#region(number), [`memfd#region${number}`]);
  }

  #removeRegion(number: number): Step {
    return this.#send('REM_MEM_REG', this.#region(number));
  }

  /** Overwrites a used index, flags or a whole line of a ring, as a peer's driver may. */
  #memoryWord(ring: number): Step {
    const { desc, avail, used } = ringOffsets(ring);
    const bytes = Uint8Array.from({ length: this.#chaos.pick([2, 4, 64]) }, () => this.#chaos.below(256));
    return {
      side: 'peer',
      act: 'store',
      at: this.#chaos.pick([desc, avail, used, used + 2, avail + 2]),
      bytes,
    };
  }
}
