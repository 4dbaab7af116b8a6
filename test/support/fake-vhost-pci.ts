// SPDX-License-Identifier: BSD-3-Clause
// A vhost-pci-net function in this process's memory: a PciDevice for the driver, and the device's other side
// for the test. It follows its script and checks nothing.
import { encode } from '../../src/abi/layout.ts';
import {
  VHOST_PCI_CTRL_HDR,
  VHOST_PCI_CTRL_REMOTE_MEM,
  VHOST_PCI_CTRL_REMOTE_MEM_PACKED,
  VHOST_PCI_CTRL_REMOTE_MEM_PLACED,
  VHOST_PCI_CTRL_REMOTE_QUEUES,
  VHOST_PCI_CTRL_SESSION,
  VHOST_PCI_CTRL_SESSION_LINK_REASON,
  VHOST_PCI_CTRL_SESSION_PEER_FEATURES,
  VHOST_PCI_CTRL_SESSION_QUEUE_STOP,
  VHOST_PCI_F_REMAP,
  VHOST_PCI_F_SESSION,
  VHOST_PCI_QUEUE_STOP,
  VHOST_PCI_REMOTE_MEM_PACKED_ENTRY,
  VHOST_PCI_REMOTE_MEM_PLACED_ENTRY,
  VHOST_PCI_REMOTE_QUEUE_ENTRY,
} from '../../src/abi/vhost-pci.ts';
import { VIRTIO_NET_F_MRG_RXBUF } from '../../src/abi/virtio-net.ts';
import {
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_PCI_COMMON_CFG,
} from '../../src/abi/virtio-pci.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from '../../src/abi/virtio-ring.ts';
import type { DmaMemory, MappedArea, PciDevice, Registers } from '../../src/bus/pci-device.ts';
import { native } from '../../src/native.ts';
import { registersOver } from '../../src/pci/registers.ts';
import { features } from '../../src/virtio/features.ts';
import {
  BAR0_BYTES,
  COMMON_OFFSET,
  DEVICE_OFFSET,
  ISR_OFFSET,
  memoryRegisters,
  NOTIFY_MULTIPLIER,
  NOTIFY_OFFSET,
  vhostPciConfigSpace,
} from './config-space.ts';
import { DeviceRing, type TakenChain } from './device-ring.ts';

/**
 * Features that a device offers from virtio-net, those beyond the bare reference, and those that a peer's
 * driver has negotiated.
 */
export const NET_FEATURES = features(
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
  VIRTIO_F_IN_ORDER,
);
export const SESSION_FEATURES = features(VHOST_PCI_F_SESSION, VHOST_PCI_F_REMAP);
export const PEER_FEATURES = features(VIRTIO_NET_F_MRG_RXBUF, VIRTIO_F_VERSION_1);

export interface FakeOptions {
  readonly queuePairs?: number;
  readonly features: bigint;
  readonly canRemap?: boolean;
  readonly queueSize?: number;
  /** Does not accept FEATURES_OK. */
  readonly refuseFeatures?: boolean;
}

interface FakeQueue {
  size: number;
  vector: number;
  enabled: number;
  desc: bigint;
  driver: bigint;
  device: bigint;
}

const common = VIRTIO_PCI_COMMON_CFG.fields;

export class FakeVhostPci implements PciDevice {
  readonly name = 'fake';
  readonly busName = 'fake';
  readonly interrupts = 'eventfd';
  readonly notes: readonly string[] = [];
  readonly configView: DataView;
  readonly config: Registers;
  readonly canRemap: boolean;
  readonly vectors: number;
  readonly queues: FakeQueue[];
  /** Writes to notification registers, in order. */
  readonly notified: number[] = [];
  /** The current contents of each BAR. */
  readonly memoryBars = new Map<number, { fd: number; size: number }>();
  driverFeatures = 0n;
  offered: bigint;
  status = 0;
  linkUp = false;
  generation = 0;
  resets = 0;
  closed = false;
  mapped = 0;
  /** Eventfd of each notification register, by queue. */
  readonly doorbells = new Map<number, number>();
  /** Eventfd of each vector that the driver's threads wait on. */
  readonly interruptFds = new Map<number, number>();
  readonly #options: FakeOptions;
  readonly #queuePairs: number;
  readonly #handlers = new Map<number, () => void>();
  readonly #dma: DmaMemory[] = [];
  readonly #bar0: Registers;
  #armed = false;
  #goneFrom = Number.POSITIVE_INFINITY;
  #removed: (reason: string) => void = () => {};
  #nextIova = 0x10_0000n;
  #queueSelect = 0;
  #featureSelect = 0;
  #driverFeatureSelect = 0;
  #configVector = 0xffff;
  #control: DeviceRing | null = null;
  #buffers: TakenChain[] = [];
  readonly #answers: Uint8Array[] = [];

  constructor(options: FakeOptions) {
    this.#options = options;
    this.#queuePairs = options.queuePairs ?? 1;
    this.offered = options.features;
    this.canRemap = options.canRemap ?? true;
    this.vectors = 2 + 2 * this.#queuePairs;
    this.configView = vhostPciConfigSpace(this.vectors);
    this.config = memoryRegisters(this.configView);
    this.queues = Array.from({ length: 2 * this.#queuePairs + 1 }, () => this.#freshQueue());
    this.#bar0 = registersOver(
      (offset, width) => (offset < this.#goneFrom ? this.#read(offset) : 2 ** (8 * width) - 1),
      (offset, width, value) => this.#write(offset, width, value),
    );
  }

  // --- PciDevice
  // ----------------------------------------------------------------------------------------------------
  bar(_index: number): Registers {
    return this.#bar0;
  }

  barSize(index: number): number {
    return index < 2 ? BAR0_BYTES : (this.memoryBars.get(index)?.size ?? 0);
  }

  mapBar(index: number): MappedArea[] {
    const bar = this.memoryBars.get(index);
    if (!bar) return [];
    this.mapped++;
    return [
      { mapping: native.mapFd(bar.fd, 0, bar.size, true), barOffset: 0, size: bar.size, writable: true },
    ];
  }

  onInterrupt(vector: number, handler: () => void): void {
    this.#handlers.set(vector, handler);
  }

  interruptFd(vector: number): number {
    const fd = this.interruptFds.get(vector) ?? native.eventfd();
    this.interruptFds.set(vector, fd);
    return fd;
  }

  enableInterrupts(): void {
    this.#armed = true;
  }

  doorbell(_bar: number, offset: number, _value: number): number {
    const queue = (offset - NOTIFY_OFFSET) / NOTIFY_MULTIPLIER;
    const fd = this.doorbells.get(queue) ?? native.eventfd();
    this.doorbells.set(queue, fd);
    return fd;
  }

  allocateDma(bytes: number): DmaMemory {
    const size = Math.ceil(bytes / 4096) * 4096;
    const mapping = native.mapAnonymous(size, false);
    const memory = { mapping, buffer: native.mappingBuffer(mapping), iova: this.#nextIova, size };
    this.#nextIova += BigInt(size + 4096);
    this.#dma.push(memory);
    return memory;
  }

  reset(): void {}

  onRemoved(handler: (reason: string) => void): void {
    this.#removed = handler;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const { mapping } of this.#dma) native.unmap(mapping);
    for (const fd of [...this.doorbells.values(), ...this.interruptFds.values()]) native.close(fd);
  }

  // --- the script's side
  // --------------------------------------------------------------------------------------------
  raise(vector: number): void {
    if (this.#armed && !this.closed) this.#handlers.get(vector)?.();
  }

  remove(reason: string): void {
    this.#removed(reason);
  }

  /** From now on the configuration space reads as all ones, as do the registers from byte `from` of BAR 0. */
  vanish(from: number): void {
    new Uint8Array(this.configView.buffer).fill(0xff);
    this.#goneFrom = from;
  }

  setLink(up: boolean): void {
    this.linkUp = up;
    this.generation = (this.generation + 1) & 0xff;
    this.raise(this.#configVector);
  }

  demandReset(): void {
    this.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    this.raise(this.#configVector);
  }

  /** The control queue as the driver last set it up. */
  get control(): DeviceRing {
    const queue = this.queues[2 * this.#queuePairs];
    if (!queue?.enabled) throw new Error('The driver has no control queue');
    this.#control ??= new DeviceRing((iova, length) => this.memory(iova, length), queue, queue.size);
    return this.#control;
  }

  memory(iova: bigint, length: number): Uint8Array {
    for (const { buffer, iova: start, size } of this.#dma) {
      const offset = Number(iova - start);
      if (offset >= 0 && offset + length <= size) return new Uint8Array(buffer, offset, length);
    }
    throw new Error(`The driver used memory outside its mappings: ${length} bytes at ${iova}`);
  }

  /** Sends a control message unchanged; `written` overrides the length in the used ring. */
  send(message: Uint8Array, written = message.length): void {
    const chain = this.nextBuffer();
    chain.segments[0]?.bytes.set(message);
    this.control.give(chain.head, written);
    this.raise(1);
  }

  /** The next message buffer; answers of the driver found before it are kept. */
  nextBuffer(): TakenChain {
    this.#sort();
    const chain = this.#buffers.shift();
    if (!chain) throw new Error('The driver posted no buffer');
    return chain;
  }

  /** The driver's answers so far; each buffer is returned to the driver. */
  collectAnswers(): Uint8Array[] {
    this.#sort();
    return this.#answers.splice(0);
  }

  #sort(): void {
    for (let chain = this.control.take(); chain; chain = this.control.take()) {
      if (chain.segments[0]?.writable) this.#buffers.push(chain);
      else this.#answers.push(this.#answer(chain));
    }
  }

  #answer(chain: TakenChain): Uint8Array {
    const bytes = chain.segments[0]?.bytes.slice() ?? new Uint8Array(0);
    this.control.give(chain.head, 0);
    return bytes;
  }

  // --- registers
  // ----------------------------------------------------------------------------------------------------
  #freshQueue(): FakeQueue {
    return {
      size: this.#options.queueSize ?? 256,
      vector: 0xffff,
      enabled: 0,
      desc: 0n,
      driver: 0n,
      device: 0n,
    };
  }

  #read(offset: number): number {
    if (offset === DEVICE_OFFSET) return this.#queuePairs;
    if (offset === DEVICE_OFFSET + 2) return this.linkUp ? 1 : 0;
    if (offset >= ISR_OFFSET) return 0;
    const queue = this.queues[this.#queueSelect];
    switch (offset - COMMON_OFFSET) {
      case common.device_feature.offset:
        return Number((this.offered >> BigInt(32 * this.#featureSelect)) & 0xffff_ffffn);
      case common.config_msix_vector.offset:
        return this.#configVector;
      case common.num_queues.offset:
        return this.queues.length;
      case common.device_status.offset:
        return this.status;
      case common.config_generation.offset:
        return this.generation;
      case common.queue_size.offset:
        return queue?.size ?? 0;
      case common.queue_msix_vector.offset:
        return queue?.vector ?? 0;
      case common.queue_notify_off.offset:
        return this.#queueSelect;
      default:
        return 0;
    }
  }

  #write(offset: number, _width: number, value: number): void {
    if (offset >= NOTIFY_OFFSET) {
      this.notified.push(value);
      return;
    }
    const queue = this.queues[this.#queueSelect] ?? this.#freshQueue();
    const shift = (half: number) => BigInt(value) << BigInt(8 * half);
    switch (offset - COMMON_OFFSET) {
      case common.device_feature_select.offset:
        this.#featureSelect = value;
        break;
      case common.driver_feature_select.offset:
        this.#driverFeatureSelect = value;
        break;
      case common.driver_feature.offset:
        this.driverFeatures |= BigInt(value) << BigInt(32 * this.#driverFeatureSelect);
        break;
      case common.config_msix_vector.offset:
        this.#configVector = value;
        break;
      case common.device_status.offset:
        this.#setStatus(value);
        break;
      case common.queue_select.offset:
        this.#queueSelect = value;
        break;
      case common.queue_size.offset:
        queue.size = value;
        break;
      case common.queue_msix_vector.offset:
        queue.vector = value;
        break;
      case common.queue_enable.offset:
        queue.enabled = value;
        break;
      case common.queue_desc.offset:
      case common.queue_desc.offset + 4:
        queue.desc |= shift(offset - common.queue_desc.offset);
        break;
      case common.queue_driver.offset:
      case common.queue_driver.offset + 4:
        queue.driver |= shift(offset - common.queue_driver.offset);
        break;
      case common.queue_device.offset:
      case common.queue_device.offset + 4:
        queue.device |= shift(offset - common.queue_device.offset);
        break;
    }
  }

  #setStatus(value: number): void {
    this.status = this.#options.refuseFeatures ? value & ~VIRTIO_CONFIG_S_FEATURES_OK : value;
    if (value !== 0) return;
    this.resets++;
    this.driverFeatures = 0n;
    this.#configVector = 0xffff;
    this.#control = null;
    this.#buffers = [];
    this.queues.forEach((_, index) => {
      this.queues[index] = this.#freshQueue();
    });
  }
}

// --- messages
// -------------------------------------------------------------------------------------------------------
export function message(cls: number, cmd: number, payload: Uint8Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(VHOST_PCI_CTRL_HDR.size + payload.length));
  encode(VHOST_PCI_CTRL_HDR, { class: cls, cmd, size: view.byteLength }, view);
  const bytes = new Uint8Array(view.buffer);
  bytes.set(payload, VHOST_PCI_CTRL_HDR.size);
  return bytes;
}

const concat = (parts: readonly DataView[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...new Uint8Array(part.buffer)]));

export const placedMemory = (
  regions: readonly { gpa: bigint; size: bigint; offset: bigint; bar?: number }[],
): Uint8Array =>
  message(
    VHOST_PCI_CTRL_REMOTE_MEM,
    VHOST_PCI_CTRL_REMOTE_MEM_PLACED,
    concat(regions.map((region) => encode(VHOST_PCI_REMOTE_MEM_PLACED_ENTRY, { bar: 2, ...region }))),
  );

export const packedMemory = (regions: readonly { gpa: bigint; size: bigint }[]): Uint8Array =>
  message(
    VHOST_PCI_CTRL_REMOTE_MEM,
    VHOST_PCI_CTRL_REMOTE_MEM_PACKED,
    concat(regions.map((region) => encode(VHOST_PCI_REMOTE_MEM_PACKED_ENTRY, region))),
  );

export interface RingRecord {
  readonly enable: number;
  readonly num: number;
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
  readonly last?: number;
}

export const DISABLED: RingRecord = { enable: 0, num: 0, desc: 0n, avail: 0n, used: 0n };

export const remoteQueues = (records: readonly RingRecord[]): Uint8Array =>
  message(
    VHOST_PCI_CTRL_REMOTE_QUEUES,
    0,
    concat(
      records.map((record) =>
        encode(VHOST_PCI_REMOTE_QUEUE_ENTRY, {
          last_avail_idx: record.last ?? 0,
          vring_enable: record.enable,
          vring_num: record.num,
          desc_gpa: record.desc,
          avail_gpa: record.avail,
          used_gpa: record.used,
        }),
      ),
    ),
  );

/** A message of an unknown class. */
export const NONSENSE: Uint8Array = message(9, 9, new Uint8Array(0));

export const linkReason = (text: string): Uint8Array =>
  message(VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_LINK_REASON, new TextEncoder().encode(text));

export function peerFeatures(features: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, features, true);
  return message(VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_PEER_FEATURES, new Uint8Array(view.buffer));
}

export const queueStop = (index: number, token: number): Uint8Array =>
  message(
    VHOST_PCI_CTRL_SESSION,
    VHOST_PCI_CTRL_SESSION_QUEUE_STOP,
    new Uint8Array(encode(VHOST_PCI_QUEUE_STOP, { index, token }).buffer as ArrayBuffer),
  );
