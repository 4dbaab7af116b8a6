// SPDX-License-Identifier: BSD-3-Clause
// A vfio-user client with a small vhost-pci driver, for tests: asynchronous, so that it can run on the
// device's own thread.
import { decode, encode, FIELD_BYTES, readField } from '../../../src/abi/layout.ts';
import {
  VFIO_IRQ_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_REGION_INFO,
  VFIO_USER,
  VFIO_USER_DMA_MAP,
  VFIO_USER_HEADER,
  VFIO_USER_REGION_ACCESS,
} from '../../../src/abi/vfio-user.ts';
import {
  VHOST_PCI_F_GATE,
  VHOST_PCI_F_LINK_REASON,
  VHOST_PCI_F_REMAP,
  VHOST_PCI_F_SESSION,
  VHOST_PCI_GATE_WORDS,
  VHOST_PCI_POSITION_WORDS,
} from '../../../src/abi/vhost-pci.ts';
import { VIRTIO_NET_F_MRG_RXBUF } from '../../../src/abi/virtio-net.ts';
import { VIRTIO_PCI_COMMON_CFG } from '../../../src/abi/virtio-pci.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
  VRING_DESC,
  VRING_DESC_F_WRITE,
} from '../../../src/abi/virtio-ring.ts';
import { type MappingHandle, native } from '../../../src/native.ts';
import { features } from '../../../src/virtio/features.ts';
import { until } from '../../../test/support/wait.ts';
import { closeAll } from '../../socket/fds.ts';
import { join, type TestChannel, u32s, vfioUserChannel, vfioUserMessage } from './channel.test-help.ts';

const COMMON = VIRTIO_PCI_COMMON_CFG.fields;
export const IOVA = 0x10_0000n;
export const DMA_BYTES = 1 << 17;
const DESC = 0;
const AVAIL = 0x1000;
const USED = 0x2000;
const BUFFERS = 0x4000;
const BUFFER_BYTES = 2048;
/** Rings of the data queues, a page each. */
const DATA = 0x18000;
const DATA_BYTES = 0x2000;
/** Offset of their driver areas. */
const DATA_AVAIL = 0x1000;
const ENTRIES = 32;
/** Descriptors from this index on are for the driver's own messages. */
const FIRST_SEND = 24;

export const SESSION = features(VHOST_PCI_F_SESSION);
export const REMAP = features(VHOST_PCI_F_REMAP);
export const GATE = features(VHOST_PCI_F_GATE);
export const LINK_REASON = features(VHOST_PCI_F_LINK_REASON);
export const DRIVER_NET = features(
  VIRTIO_F_VERSION_1,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_IN_ORDER,
);

/** Where the driver's DMA_BYTES lie in its machine, and how the machine's memory file is mapped for DMA. */
export interface Machine {
  readonly offset: number;
  readonly iova: bigint;
  readonly maps: readonly { readonly iova: bigint; readonly size: bigint; readonly offset: bigint }[];
}

const SMALL: Machine = {
  offset: 0,
  iova: IOVA,
  maps: [{ iova: IOVA, size: BigInt(DMA_BYTES), offset: 0n }],
};

/** The driver area of a local data queue. */
const driverArea = (queue: number): number => DATA + queue * DATA_BYTES + DATA_AVAIL;

export interface VfioReplyMessage {
  readonly error: number;
  readonly payload: DataView;
  readonly fds: number[];
}

export class TestDriver {
  readonly channel: TestChannel;
  readonly memory: number;
  readonly mapping: MappingHandle;
  readonly interrupts: number[] = [];
  readonly #machine: Machine;
  readonly #view: DataView;
  /** Offset added to the driver areas of the data queues. */
  areaShift = 0n;
  #availIndex = 0;
  #usedIndex = 0;
  #sends = 0;

  /** Owns both descriptors. */
  constructor(
    fd: number,
    memory = native.memfdCreate('test-driver', DMA_BYTES, false),
    machine: Machine = SMALL,
  ) {
    this.channel = vfioUserChannel(fd);
    this.memory = memory;
    this.#machine = machine;
    this.mapping = native.mapFd(this.memory, machine.offset, DMA_BYTES, true);
    this.#view = new DataView(native.mappingBuffer(this.mapping));
  }

  async request(
    command: number,
    payload?: Uint8Array,
    fds: readonly number[] = [],
  ): Promise<VfioReplyMessage> {
    this.channel.send(vfioUserMessage(command, payload), fds);
    return this.reply();
  }

  async reply(): Promise<VfioReplyMessage> {
    const { data, fds } = await this.channel.receive();
    const { error } = decode(VFIO_USER_HEADER, data);
    return { error, payload: new DataView(data.buffer, VFIO_USER_HEADER.size), fds };
  }

  /** The error number of the reply to a request; closes the reply's descriptors. */
  async errorOf(command: number, payload?: Uint8Array, fds: readonly number[] = []): Promise<number> {
    const reply = await this.request(command, payload, fds);
    closeAll(reply.fds);
    return reply.error;
  }

  async version(json = '{"capabilities":{"max_msg_fds":16}}\0'): Promise<VfioReplyMessage> {
    return this.request(VFIO_USER.VERSION, join(u32s(0), new TextEncoder().encode(json)));
  }

  async read(region: number, offset: number, count: number): Promise<Uint8Array> {
    const head = encode(VFIO_USER_REGION_ACCESS, { offset: BigInt(offset), region, count });
    const { error, payload } = await this.request(VFIO_USER.REGION_READ, new Uint8Array(head.buffer));
    if (error !== 0) throw new Error(`REGION_READ: ${error}`);
    return new Uint8Array(payload.buffer, payload.byteOffset + VFIO_USER_REGION_ACCESS.size);
  }

  async write(region: number, offset: number, data: Uint8Array): Promise<number> {
    const head = encode(VFIO_USER_REGION_ACCESS, { offset: BigInt(offset), region, count: data.length });
    return this.errorOf(VFIO_USER.REGION_WRITE, join(new Uint8Array(head.buffer), data));
  }

  async common(field: keyof typeof COMMON): Promise<number | bigint> {
    const { offset, type } = COMMON[field];
    const data = await this.read(0, offset, FIELD_BYTES[type]);
    return readField(new DataView(data.slice().buffer), { offset: 0, type });
  }

  async setCommon(field: keyof typeof COMMON, value: number | bigint): Promise<void> {
    const { offset, type } = COMMON[field];
    const data = new Uint8Array(8);
    new DataView(data.buffer).setBigUint64(0, BigInt(value), true);
    await this.write(0, offset, data.slice(0, FIELD_BYTES[type]));
  }

  async offeredFeatures(): Promise<bigint> {
    let offered = 0n;
    for (let word = 0; word < 4; word++) {
      await this.setCommon('device_feature_select', word);
      offered |= BigInt(await this.common('device_feature')) << BigInt(32 * word);
    }
    return offered;
  }

  /** True when FEATURES_OK was kept. */
  async acceptFeatures(features: bigint): Promise<boolean> {
    await this.setCommon('device_status', 1);
    await this.setCommon('device_status', 3);
    for (let word = 0; word < 4; word++) {
      await this.setCommon('driver_feature_select', word);
      await this.setCommon('driver_feature', (features >> BigInt(32 * word)) & 0xffff_ffffn);
    }
    await this.setCommon('device_status', 11);
    return (Number(await this.common('device_status')) & 8) !== 0;
  }

  async mapDma(
    fds: readonly number[] = [this.memory],
    iova = IOVA,
    size = BigInt(DMA_BYTES),
    offset = 0n,
  ): Promise<number> {
    const map = encode(VFIO_USER_DMA_MAP, { argsz: 32, flags: 3, address: iova, size, offset });
    return this.errorOf(VFIO_USER.DMA_MAP, new Uint8Array(map.buffer), fds);
  }

  async setVectors(start: number, count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.interrupts[start + i] ??= native.eventfd();
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    const set = encode(VFIO_IRQ_SET, { argsz: VFIO_IRQ_SET.size, flags, index: 2, start, count });
    const fds = this.interrupts.slice(start, start + count);
    const error = await this.errorOf(VFIO_USER.DEVICE_SET_IRQS, new Uint8Array(set.buffer), fds);
    if (error !== 0) throw new Error(`SET_IRQS: ${error}`);
  }

  /** Connects, negotiates and starts the control queue of a function with `pairs` queue pairs. */
  async start(features = DRIVER_NET | SESSION | REMAP, pairs = 1, buffers = FIRST_SEND): Promise<void> {
    await this.version();
    await this.restart(features, pairs, buffers);
  }

  async restart(features: bigint, pairs = 1, buffers = FIRST_SEND): Promise<void> {
    if (!(await this.acceptFeatures(features))) throw new Error('FEATURES_OK was not kept');
    for (const { iova, size, offset } of this.#machine.maps)
      await this.mapDma([this.memory], iova, size, offset);
    await this.setVectors(0, 4);
    await this.setCommon('config_msix_vector', 0);
    for (const queue of [0, 1]) {
      await this.setCommon('queue_select', queue);
      await this.setCommon('queue_msix_vector', 2 + queue);
      const ring = this.#machine.iova + BigInt(DATA + queue * DATA_BYTES);
      await this.setCommon('queue_desc', ring);
      await this.setCommon('queue_driver', ring + BigInt(DATA_AVAIL) + this.areaShift);
      await this.setCommon('queue_device', ring + BigInt(DATA_AVAIL + 0x400));
      await this.setCommon('queue_enable', 1);
    }
    new Uint8Array(this.#view.buffer, DATA).fill(0);
    await this.setCommon('queue_select', 2 * pairs);
    await this.setCommon('queue_msix_vector', 1);
    await this.setCommon('queue_desc', this.#machine.iova + BigInt(DESC));
    await this.setCommon('queue_driver', this.#machine.iova + BigInt(AVAIL));
    await this.setCommon('queue_device', this.#machine.iova + BigInt(USED));
    new Uint8Array(this.#view.buffer, 0, BUFFERS).fill(0);
    this.#availIndex = 0;
    this.#usedIndex = 0;
    await this.setCommon('queue_enable', 1);
    for (let i = 0; i < buffers; i++) this.#post(i, BUFFER_BYTES, VRING_DESC_F_WRITE);
    await this.setCommon('device_status', 15);
  }

  /** Posts one more message buffer. */
  async postBuffer(index: number, pairs = 1, length = BUFFER_BYTES): Promise<void> {
    this.#post(index, length, VRING_DESC_F_WRITE);
    await this.notify(2 * pairs);
  }

  async send(message: Uint8Array, pairs = 1): Promise<void> {
    const index = FIRST_SEND + (this.#sends++ % (ENTRIES - FIRST_SEND));
    new Uint8Array(this.#view.buffer, BUFFERS + index * BUFFER_BYTES).set(message);
    this.#post(index, message.length, 0);
    await this.notify(2 * pairs);
  }

  /** Puts a raw descriptor into the control queue. */
  async postRaw(
    index: number,
    addr: bigint,
    len: number,
    flags: number,
    next: number,
    pairs = 1,
  ): Promise<void> {
    this.#post(index, len, flags);
    encode(VRING_DESC, { addr, len, flags, next }, this.#view, DESC + index * VRING_DESC.size);
    await this.notify(2 * pairs);
  }

  /** Claims that this many more entries are available. */
  async claim(entries: number, pairs = 1): Promise<void> {
    this.#view.setUint16(AVAIL + 2, (this.#availIndex + entries) & 0xffff, true);
    await this.notify(2 * pairs);
  }

  async notify(queue: number): Promise<void> {
    await this.write(0, 0x3000 + 4 * queue, new Uint8Array(2));
  }

  /** As `notify`, without waiting for the reply. */
  postNotify(queue: number): void {
    const head = encode(VFIO_USER_REGION_ACCESS, { offset: BigInt(0x3000 + 4 * queue), region: 0, count: 2 });
    this.channel.send(
      vfioUserMessage(VFIO_USER.REGION_WRITE, join(new Uint8Array(head.buffer), new Uint8Array(2))),
    );
  }

  /** Asks for an interrupt of a vector, without waiting for the reply. */
  postTrigger(start: number): void {
    const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    const set = encode(VFIO_IRQ_SET, { argsz: VFIO_IRQ_SET.size, flags, index: 2, start, count: 1 });
    this.channel.send(vfioUserMessage(VFIO_USER.DEVICE_SET_IRQS, new Uint8Array(set.buffer)));
  }

  /** Messages that the device has sent since the last call; their buffers are posted again. */
  collect(repost = true): Uint8Array[] {
    const messages: Uint8Array[] = [];
    while (this.#usedIndex !== this.#view.getUint16(USED + 2, true)) {
      const at = USED + 4 + 8 * (this.#usedIndex % ENTRIES);
      const index = this.#view.getUint32(at, true);
      const length = this.#view.getUint32(at + 4, true);
      this.#usedIndex = (this.#usedIndex + 1) & 0xffff;
      if (index >= FIRST_SEND) continue;
      messages.push(new Uint8Array(this.#view.buffer, BUFFERS + index * BUFFER_BYTES, length).slice());
      if (repost) this.#post(index, BUFFER_BYTES, VRING_DESC_F_WRITE);
    }
    return messages;
  }

  /** Writes the position words of a local data queue. */
  keepPosition(queue: number, shown: number, next: number, serial: number): void {
    encode(VHOST_PCI_POSITION_WORDS, { shown, next, serial }, this.#view, driverArea(queue));
  }

  /** The serial with which bursts of a local data queue may work; 0 for none. */
  allowed(queue: number): number {
    return native.atomicRead(this.mapping, driverArea(queue) + VHOST_PCI_GATE_WORDS.fields.allowed.offset);
  }

  /** Marks a local data queue as having a burst inside, or not. */
  setBusy(queue: number, busy: number): void {
    native.atomicWrite(this.mapping, driverArea(queue) + VHOST_PCI_GATE_WORDS.fields.busy.offset, busy);
  }

  /** Waits for `count` messages. */
  async messages(count: number): Promise<Uint8Array[]> {
    const all: Uint8Array[] = [];
    await until(`${count} control messages came`, () => {
      all.push(...this.collect());
      return all.length >= count;
    });
    return all;
  }

  async linkUp(): Promise<boolean> {
    return ((await this.read(0, 0x2002, 2))[0] ?? 0) === 1;
  }

  async untilLink(up: boolean): Promise<void> {
    for (let i = 0; i < 2000 && (await this.linkUp()) !== up; i++)
      await new Promise((resolve) => setTimeout(resolve, 5));
    if ((await this.linkUp()) !== up) throw new Error(`the link did not go ${up ? 'up' : 'down'}`);
  }

  async regionInfo(index: number, argsz = 64): Promise<VfioReplyMessage> {
    const info = encode(VFIO_REGION_INFO, { argsz, index });
    return this.request(VFIO_USER.DEVICE_GET_REGION_INFO, new Uint8Array(info.buffer));
  }

  close(): void {
    this.channel.close();
    for (const fd of this.interrupts) if (fd !== undefined) native.close(fd);
    native.unmap(this.mapping);
    native.close(this.memory);
  }

  #post(index: number, len: number, flags: number): void {
    const addr = this.#machine.iova + BigInt(BUFFERS + index * BUFFER_BYTES);
    encode(VRING_DESC, { addr, len, flags, next: 0 }, this.#view, DESC + index * VRING_DESC.size);
    this.#view.setUint16(AVAIL + 4 + 2 * (this.#availIndex % ENTRIES), index, true);
    this.#availIndex = (this.#availIndex + 1) & 0xffff;
    this.#view.setUint16(AVAIL + 2, this.#availIndex, true);
  }
}
