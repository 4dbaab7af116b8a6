// SPDX-License-Identifier: BSD-3-Clause
// A driver's correct session: it finds the function, starts its queues and works the control queue.
import { encode, FIELD_BYTES } from '../../../src/abi/layout.ts';
import { VFIO_USER, VFIO_USER_DMA_MAP, VFIO_USER_REGION_ACCESS } from '../../../src/abi/vfio-user.ts';
import { VHOST_PCI_F_REMAP, VHOST_PCI_F_SESSION } from '../../../src/abi/vhost-pci.ts';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_MRG_RXBUF,
} from '../../../src/abi/virtio-net.ts';
import { VIRTIO_PCI_COMMON_CFG } from '../../../src/abi/virtio-pci.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
  VRING_DESC_F_WRITE,
} from '../../../src/abi/virtio-ring.ts';
import { features } from '../../../src/virtio/features.ts';
import { join, u32s, u64s, vfioUserMessage } from '../../../tools/device/test-help/channel.test-help.ts';
import type { Disorder } from '../mutator.ts';
import { bytesOfKind, EVENT_KINDS, kindOf, MEMORY_BYTES } from './kinds.ts';
import type { Step } from './steps.ts';

/** Layout of the driver's memory, which it maps at IOVA. */
export const IOVA = 0x10_0000n;
export const CONTROL = {
  desc: 0,
  avail: 0x1000,
  used: 0x2000,
  buffers: 0x4000,
  bufferBytes: 2048,
  entries: 32,
} as const;
/** Buffers for the device's messages; the others are for the driver's own. */
export const CONTROL_WRITABLE = 24;
const OWN_BUFFER = CONTROL.buffers + CONTROL_WRITABLE * CONTROL.bufferBytes;
const DATA = 0x2_0000;
const DATA_BYTES = 0x2000;

const COMMON = VIRTIO_PCI_COMMON_CFG.fields;
const VERSION_1 = features(VIRTIO_F_VERSION_1);
const OPTIONAL = [
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_PACKED,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
].map((feature) => features(feature));
const [SESSION, REMAP] = [features(VHOST_PCI_F_SESSION), features(VHOST_PCI_F_REMAP)];

type Command = keyof typeof VFIO_USER;

export class DriverScript {
  readonly #chaos: Disorder;
  readonly #pairs: number;
  readonly #memory: string;
  readonly #vectors = new Map<number, string>();

  constructor(chaos: Disorder, queuePairs: number, memory: string) {
    this.#chaos = chaos;
    this.#pairs = queuePairs;
    this.#memory = memory;
  }

  get known(): string[] {
    return [this.#memory, ...this.#vectors.values()];
  }

  opening(): Step[] {
    const chaos = this.#chaos;
    const json = new TextEncoder().encode('{"capabilities":{"max_msg_fds":8}}\0');
    return [
      { side: 'driver', act: 'connect' },
      this.#send('VERSION', join(u32s(0), json)),
      this.#send('DEVICE_GET_INFO', u32s(16, 0, 0, 0)),
      ...[0, 2, 7].map((region) => this.#regionInfo(region)),
      this.#send('DEVICE_GET_IRQ_INFO', u32s(16, 0, 2, 0)),
      this.#map(),
      ...(chaos.chance(60) ? [this.#send('DEVICE_GET_REGION_IO_FDS', u32s(1024, 0, 0, 0))] : []),
      ...this.#run(),
    ];
  }

  moment(): Step[] {
    const chaos = this.#chaos;
    const queue = chaos.below(2 * this.#pairs + 1);
    switch (chaos.below(25)) {
      case 0:
        return [this.#send('DEVICE_RESET'), ...this.#run()];
      case 1:
        return [this.#common('device_status', 0), ...this.#run()];
      case 2:
        return [this.#unmap(), this.#map()];
      case 3:
        return [this.#vector(chaos.below(4)), this.#vector(chaos.below(4))];
      case 4:
        return [this.#send('DEVICE_SET_IRQS', u32s(20, 0x21, 2, 0, chaos.below(3)))];
      case 5:
        return [this.#read(0, 0x2000, 4), this.#read(0, 0x1000, 1)];
      case 6:
        return [this.#regionInfo(2), this.#read(2, chaos.below(4096), chaos.pick([1, 4, 64, 4096]))];
      case 7:
        return [this.#write(2, chaos.below(4096), Uint8Array.of(1, 2, 3, 4))];
      case 8:
        return [this.#write(chaos.pick([1, 7]), chaos.below(256), u32s(chaos.below(1 << 30)))];
      case 9:
        return [...this.#stopped(), this.#notify(2 * this.#pairs)];
      case 10:
        return [this.#nonsense(), this.#notify(2 * this.#pairs)];
      case 11:
        return [{ side: 'driver', act: 'close' }, ...this.opening()];
      case 12:
        return [{ side: 'driver', act: 'strangers', count: 1 + chaos.below(20) }];
      case 13:
        return [
          {
            side: 'driver',
            act: 'resize',
            bytes: chaos.pick([0, 1, 4096, 0x1000, 0x8000, 2 * MEMORY_BYTES]),
          },
        ];
      case 14:
        return [{ side: 'driver', act: chaos.pick(['fill', 'block']), event: this.#event(chaos.below(4)) }];
      case 15:
        return [{ side: 'driver', act: chaos.pick(['fill', 'block']), event: `doorbell:${queue}` }];
      case 16:
        return [this.#doorbell(queue)];
      case 17:
        return [this.#flood(queue)];
      case 18:
        return [this.#common('device_status', 15 | 128), ...(chaos.chance(50) ? [] : this.#run())];
      case 19:
      case 20:
        return [this.#repeated(this.#notify(queue))];
      case 21:
        return [
          { side: 'driver', act: 'fill', event: this.#event(1) },
          this.#repeated(this.#notify(2 * this.#pairs)),
        ];
      default:
        return [this.#notify(queue)];
    }
  }

  /** Uses this eventfd for its vectors, and notifies without end. */
  storm(event: string): Step[] {
    const vectors = [1, 2, 3];
    for (const vector of vectors) this.#vectors.set(vector, event);
    return [
      ...vectors.map((vector) => this.#vector(vector)),
      ...[0, 1, 2 * this.#pairs].map((queue) => this.#repeated(this.#notify(queue))),
    ];
  }

  /** From the reset function to DRIVER_OK. */
  #run(): Step[] {
    const chaos = this.#chaos;
    const wanted = OPTIONAL.reduce((all, one) => all | (chaos.chance(85) ? one : 0n), VERSION_1);
    const features = wanted | (chaos.chance(85) ? SESSION : 0n) | (chaos.chance(80) ? REMAP : 0n);
    const control = 2 * this.#pairs;
    const word = (n: number) => [
      this.#common('driver_feature_select', n),
      this.#common('driver_feature', Number((features >> BigInt(32 * n)) & 0xffff_ffffn)),
    ];
    const at = (offset: number) => IOVA + BigInt(offset);
    return [
      this.#common('device_status', 1),
      this.#common('device_status', 3),
      ...[0, 1, 2, 3].flatMap(word),
      this.#common('device_status', 11),
      ...[0, 1, 2, 3].map((vector) => this.#vector(vector)),
      this.#common('config_msix_vector', 0),
      ...Array.from({ length: control }, (_, queue) => {
        const ring = DATA + queue * DATA_BYTES;
        return this.#queue(queue, 2 + queue, at(ring), at(ring + 0x1000), at(ring + 0x1800));
      }).flat(),
      ...this.#queue(control, 1, at(CONTROL.desc), at(CONTROL.avail), at(CONTROL.used)),
      ...this.#post(),
      this.#common('device_status', 15),
    ];
  }

  #queue(queue: number, vector: number, desc: bigint, driver: bigint, device: bigint): Step[] {
    return [
      this.#common('queue_select', queue),
      this.#common('queue_msix_vector', vector),
      this.#common('queue_desc', desc),
      this.#common('queue_driver', driver),
      this.#common('queue_device', device),
      this.#common('queue_enable', 1),
    ];
  }

  /** Posts buffers for the device's messages, one store per structure. */
  #post(): Step[] {
    const table = new Uint8Array(CONTROL.entries * 16);
    const avail = new Uint8Array(4 + 2 * CONTROL.entries);
    const [descriptors, ring] = [new DataView(table.buffer), new DataView(avail.buffer)];
    for (let i = 0; i < CONTROL.entries; i++) {
      descriptors.setBigUint64(16 * i, IOVA + BigInt(CONTROL.buffers + i * CONTROL.bufferBytes), true);
      descriptors.setUint32(16 * i + 8, CONTROL.bufferBytes, true);
      descriptors.setUint16(16 * i + 12, i < CONTROL_WRITABLE ? VRING_DESC_F_WRITE : 0, true);
      ring.setUint16(4 + 2 * i, i, true);
    }
    ring.setUint16(2, CONTROL_WRITABLE, true);
    return [
      { side: 'driver', act: 'store', at: CONTROL.used, bytes: new Uint8Array(4) },
      { side: 'driver', act: 'store', at: CONTROL.desc, bytes: table },
      { side: 'driver', act: 'store', at: CONTROL.avail, bytes: avail },
    ];
  }

  /** Posts QUEUE_STOPPED, requested or not, as one more entry. */
  #stopped(): Step[] {
    const chaos = this.#chaos;
    const message = join(Uint8Array.of(2, 2, 12, 0), new Uint8Array(8));
    new DataView(message.buffer).setUint16(4, chaos.below(5), true);
    new DataView(message.buffer).setUint32(8, 1 + chaos.below(4), true);
    const index = Uint8Array.of(CONTROL_WRITABLE + chaos.below(3), 0);
    return [
      { side: 'driver', act: 'store', at: OWN_BUFFER, bytes: message },
      { side: 'driver', act: 'store', at: CONTROL.avail + 2, bytes: index },
    ];
  }

  /** Writes into the control queue: descriptors, indices, rings, buffers. */
  #nonsense(): Step {
    const chaos = this.#chaos;
    const bytes = Uint8Array.from({ length: chaos.pick([2, 8, 16, 64, 512]) }, () => chaos.below(256));
    const at = chaos.pick([
      CONTROL.desc + 16 * chaos.below(CONTROL.entries),
      CONTROL.avail + 2,
      CONTROL.avail + 4,
      CONTROL.used,
      OWN_BUFFER,
      DATA + 0x1000,
    ]);
    return { side: 'driver', act: 'store', at, bytes };
  }

  #flood(queue: number): Step {
    return this.#repeated(
      this.#chaos.pick([
        this.#notify(queue),
        this.#read(0, 0x14, 1),
        this.#common('device_status', 0),
        this.#send('DEVICE_GET_REGION_IO_FDS', u32s(1024, 0, 0, 0)),
        this.#send('DEVICE_RESET'),
      ]),
    );
  }

  #repeated(one: Step): Step {
    if (one.act !== 'send') throw new Error('a flood is of messages');
    return {
      side: 'driver',
      act: 'flood',
      what: one.what,
      bytes: one.bytes,
      times: 200 + this.#chaos.below(3000),
    };
  }

  #doorbell(queue: number): Step {
    const value = this.#chaos.pick([1n, 1n << 63n, (1n << 64n) - 2n]);
    return {
      side: 'driver',
      act: 'signal',
      event: `doorbell:${queue}`,
      value,
      times: this.#chaos.pick([1, 10, 2000]),
    };
  }

  #event(vector: number): string {
    const known = this.#vectors.get(vector);
    if (known && this.#chaos.chance(85)) return known;
    const fresh = this.#chaos.chance(60)
      ? `event#vector${vector}`
      : this.#chaos.pick([
          `${this.#chaos.pick(EVENT_KINDS)}#vector${vector}`,
          `event#kick${this.#chaos.below(2)}`,
          `doorbell:${this.#chaos.below(2 * this.#pairs + 1)}`,
        ]);
    this.#vectors.set(vector, fresh);
    return fresh;
  }

  #vector(vector: number): Step {
    return this.#send('DEVICE_SET_IRQS', u32s(20, 0x24, 2, vector, 1), [this.#event(vector)]);
  }

  #map(): Step {
    const whole = bytesOfKind(kindOf(this.#memory));
    const map = {
      argsz: 32,
      flags: 3,
      address: IOVA,
      size: this.#chaos.chance(80) ? whole : BigInt(MEMORY_BYTES),
    };
    return this.#send('DMA_MAP', new Uint8Array(encode(VFIO_USER_DMA_MAP, map).buffer as ArrayBuffer), [
      this.#memory,
    ]);
  }

  #unmap(): Step {
    return this.#send(
      'DMA_UNMAP',
      this.#chaos.chance(50)
        ? join(u32s(24, 2), u64s(0n, 0n))
        : join(u32s(24, 0), u64s(IOVA, bytesOfKind(kindOf(this.#memory)))),
    );
  }

  #regionInfo(region: number): Step {
    return this.#send('DEVICE_GET_REGION_INFO', join(u32s(256, 0, region, 0), u64s(0n, 0n)));
  }

  #common(field: keyof typeof COMMON, value: number | bigint): Step {
    const { offset, type } = COMMON[field];
    return this.#write(0, offset, u64s(BigInt(value)).slice(0, FIELD_BYTES[type]), field);
  }

  #notify(queue: number): Step {
    return this.#write(0, 0x3000 + 4 * queue, new Uint8Array(2), `notification of queue ${queue}`);
  }

  #read(region: number, offset: number, count: number): Step {
    const head = encode(VFIO_USER_REGION_ACCESS, { offset: BigInt(offset), region, count });
    return this.#send('REGION_READ', new Uint8Array(head.buffer as ArrayBuffer));
  }

  #write(region: number, offset: number, data: Uint8Array, what = ''): Step {
    const head = encode(VFIO_USER_REGION_ACCESS, { offset: BigInt(offset), region, count: data.length });
    const step = this.#send('REGION_WRITE', join(new Uint8Array(head.buffer as ArrayBuffer), data));
    return what && step.act === 'send' ? { ...step, what: `REGION_WRITE of ${what}` } : step;
  }

  #send(what: Command, payload: Uint8Array = new Uint8Array(0), fds: readonly string[] = []): Step {
    const bytes = vfioUserMessage(VFIO_USER[what], payload);
    return { side: 'driver', act: 'send', what, bytes, fds, pieces: [bytes.length], pauseMs: 0 };
  }
}
