// SPDX-License-Identifier: BSD-3-Clause
// The virtio device as seen through BAR 0: common configuration, ISR, device configuration, notification
// (VIRTIO 1.2, 2.1 to 2.5 and 4.1.4). A state machine without descriptors or memory: effects beyond the
// registers go through the hooks.
import { encode, FIELD_BYTES } from '../../../src/abi/layout.ts';
import {
  VHOST_PCI_CTRLQ_SIZE,
  VHOST_PCI_NET_CONFIG,
  VHOST_PCI_REFERENCE_VRING_SIZE,
} from '../../../src/abi/vhost-pci.ts';
import {
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_MSI_NO_VECTOR,
  VIRTIO_PCI_COMMON_CFG,
  VIRTIO_PCI_ISR_CONFIG,
  VIRTIO_PCI_ISR_QUEUE,
} from '../../../src/abi/virtio-pci.ts';
import { VIRTIO_F_VERSION_1 } from '../../../src/abi/virtio-ring.ts';
import {
  COMMON_OFFSET,
  DEVICE_OFFSET,
  ISR_OFFSET,
  NOTIFY_MULTIPLIER,
  NOTIFY_OFFSET,
  STRUCTURE_BYTES,
} from './bars.ts';

export interface RegisterHooks {
  /** Feature bits offered to the driver; may depend on the peer. */
  offeredFeatures(): bigint;
  /** The driver set FEATURES_OK with these features, all of which were offered; false refuses them. */
  acceptFeatures(features: bigint): boolean;
  driverOk(): void;
  /** The driver enabled a queue. */
  queueEnabled(queue: number): void;
  /** The driver wrote status 0, or FAILED, or the bus reset the function. */
  driverGone(): void;
  /** The driver wrote a queue's notification register. */
  notified(queue: number): void;
  /** Raises this MSI-X vector. */
  raise(vector: number): void;
}

export interface LocalQueue {
  readonly maxSize: number;
  size: number;
  vector: number;
  enabled: boolean;
  /** Which of the three addresses the driver wrote. */
  written: Set<string>;
  queue_desc: bigint;
  queue_driver: bigint;
  queue_device: bigint;
}

const COMMON = VIRTIO_PCI_COMMON_CFG.fields;
type CommonField = keyof typeof COMMON;
const ADDRESSES = ['queue_desc', 'queue_driver', 'queue_device'] as const;
const FEATURE_WORDS = 4;

export class VirtioRegisters {
  readonly queues: readonly LocalQueue[];
  readonly #hooks: RegisterHooks;
  readonly #vectors: number;
  readonly #queuePairs: number;
  #status = 0;
  #generation = 0;
  #isr = 0;
  #linkUp = false;
  #configVector = VIRTIO_MSI_NO_VECTOR;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  #driverFeatures = 0n;
  #queueSelect = 0;

  constructor(queuePairs: number, vectors: number, hooks: RegisterHooks) {
    this.#queuePairs = queuePairs;
    this.#vectors = vectors;
    this.#hooks = hooks;
    this.queues = Array.from({ length: 2 * queuePairs + 1 }, (_, i) =>
      newQueue(i < 2 * queuePairs ? VHOST_PCI_REFERENCE_VRING_SIZE : VHOST_PCI_CTRLQ_SIZE),
    );
  }

  get driverReady(): boolean {
    return (
      (this.#status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) === VIRTIO_CONFIG_S_DRIVER_OK
    );
  }

  /** Features that the driver accepted; valid once FEATURES_OK is set. */
  get driverFeatures(): bigint {
    return this.#driverFeatures;
  }

  get featuresOk(): boolean {
    return (this.#status & VIRTIO_CONFIG_S_FEATURES_OK) !== 0;
  }

  get linkUp(): boolean {
    return this.#linkUp;
  }

  setLink(up: boolean): void {
    if (up === this.#linkUp) return;
    this.#linkUp = up;
    this.#configChanged();
  }

  /** VIRTIO 1.2, 2.1.1: the device is in a state that only a reset can recover from. */
  needsReset(): void {
    if (this.#status & VIRTIO_CONFIG_S_NEEDS_RESET) return;
    this.#status |= VIRTIO_CONFIG_S_NEEDS_RESET;
    this.#configChanged();
  }

  /** Interrupts the driver for a used buffer or a crossed notification. */
  interruptQueue(queue: number): void {
    const vector = this.queues[queue]?.vector ?? VIRTIO_MSI_NO_VECTOR;
    this.#isr |= VIRTIO_PCI_ISR_QUEUE;
    if (vector !== VIRTIO_MSI_NO_VECTOR) this.#hooks.raise(vector);
  }

  reset(): void {
    const wasIdle = this.#status === 0;
    this.#status = 0;
    this.#isr = 0;
    this.#configVector = VIRTIO_MSI_NO_VECTOR;
    this.#deviceFeatureSelect = 0;
    this.#driverFeatureSelect = 0;
    this.#driverFeatures = 0n;
    this.#queueSelect = 0;
    for (const queue of this.queues) Object.assign(queue, newQueue(queue.maxSize));
    this.#linkUp = false;
    if (!wasIdle) this.#hooks.driverGone();
  }

  /** Bytes `[offset, + count)` of BAR 0, which must contain them. */
  read(offset: number, count: number): Uint8Array {
    const out = new Uint8Array(count);
    const structure = Math.floor(offset / STRUCTURE_BYTES) * STRUCTURE_BYTES;
    const image = this.#image(structure);
    if (!image) return out;
    out.set(image.subarray(offset - structure, offset - structure + count));
    // Reading acknowledges (VIRTIO 1.2, 4.1.4.5).
    if (structure === ISR_OFFSET && offset === ISR_OFFSET) this.#isr = 0;
    return out;
  }

  /**
   * A register write to BAR 0. Writes that do not match a register of that width are ignored, as in hardware.
   */
  write(offset: number, data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    if (offset >= NOTIFY_OFFSET && offset < NOTIFY_OFFSET + STRUCTURE_BYTES) {
      const queue = (offset - NOTIFY_OFFSET) / NOTIFY_MULTIPLIER;
      if (this.queues[queue]) this.#hooks.notified(queue);
    } else if (offset < COMMON_OFFSET + STRUCTURE_BYTES) {
      this.#writeCommon(offset - COMMON_OFFSET, view);
    }
  }

  #image(structure: number): Uint8Array | null {
    switch (structure) {
      case COMMON_OFFSET:
        return this.#commonImage();
      case ISR_OFFSET:
        return Uint8Array.of(this.#isr);
      case DEVICE_OFFSET: {
        const values = { vq_pairs: this.#queuePairs, status: this.#linkUp ? 1 : 0 };
        return new Uint8Array(encode(VHOST_PCI_NET_CONFIG, values).buffer);
      }
      default:
        return null;
    }
  }

  #commonImage(): Uint8Array {
    const queue = this.queues[this.#queueSelect];
    const image = encode(VIRTIO_PCI_COMMON_CFG, {
      device_feature_select: this.#deviceFeatureSelect,
      device_feature: featureWord(this.#hooks.offeredFeatures(), this.#deviceFeatureSelect),
      driver_feature_select: this.#driverFeatureSelect,
      driver_feature: featureWord(this.#driverFeatures, this.#driverFeatureSelect),
      config_msix_vector: this.#configVector,
      num_queues: this.queues.length,
      device_status: this.#status,
      config_generation: this.#generation,
      queue_select: this.#queueSelect,
      // The size of a queue that does not exist reads as 0 (VIRTIO 1.2, 4.1.5.1.3).
      queue_size: queue?.size ?? 0,
      queue_msix_vector: queue?.vector ?? VIRTIO_MSI_NO_VECTOR,
      queue_enable: queue?.enabled ? 1 : 0,
      queue_notify_off: queue ? this.#queueSelect : 0,
      queue_desc: queue?.queue_desc ?? 0n,
      queue_driver: queue?.queue_driver ?? 0n,
      queue_device: queue?.queue_device ?? 0n,
    });
    return new Uint8Array(image.buffer);
  }

  #writeCommon(offset: number, view: DataView): void {
    for (const name of ADDRESSES) {
      const at = offset - COMMON[name].offset;
      if (at === 0 && view.byteLength === 8) {
        this.#writeAddress(name, view.getBigUint64(0, true));
        return;
      }
      // 64-bit fields are written as halves, in any order (VIRTIO 1.2, 4.1.3.1).
      if ((at === 0 || at === 4) && view.byteLength === 4) {
        this.#writeAddressHalf(name, at, view);
        return;
      }
    }
    const found = (Object.keys(COMMON) as CommonField[]).find((name) => COMMON[name].offset === offset);
    if (!found || FIELD_BYTES[COMMON[found].type] !== view.byteLength) return;
    const value =
      view.byteLength === 1
        ? view.getUint8(0)
        : view.byteLength === 2
          ? view.getUint16(0, true)
          : view.getUint32(0, true);
    this.#writeField(found, value);
  }

  #writeField(field: CommonField, value: number): void {
    const queue = this.queues[this.#queueSelect];
    switch (field) {
      case 'device_feature_select':
        this.#deviceFeatureSelect = value;
        return;
      case 'driver_feature_select':
        this.#driverFeatureSelect = value;
        return;
      case 'driver_feature':
        this.#writeDriverFeature(value);
        return;
      case 'config_msix_vector':
        this.#configVector = this.#checkVector(value);
        return;
      case 'device_status':
        this.#writeStatus(value);
        return;
      case 'queue_select':
        this.#queueSelect = value;
        return;
      case 'queue_size':
        if (queue && !queue.enabled && isQueueSize(value, queue.maxSize)) queue.size = value;
        return;
      case 'queue_msix_vector':
        if (queue) queue.vector = this.#checkVector(value);
        return;
      case 'queue_enable':
        this.#enableQueue(value);
        return;
      default:
        return;
    }
  }

  #writeDriverFeature(value: number): void {
    const word = this.#driverFeatureSelect;
    if (word >= FEATURE_WORDS || this.featuresOk) return;
    const shift = BigInt(32 * word);
    this.#driverFeatures = (this.#driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
  }

  /** VIRTIO 1.2, 2.1.1 and 3.1.1: bits can only be added, until a write of 0 clears them all. */
  #writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const driverBits = value & ~VIRTIO_CONFIG_S_NEEDS_RESET;
    const added = driverBits & ~this.#status;
    if (added & VIRTIO_CONFIG_S_FEATURES_OK && this.#featuresValid())
      this.#status |= VIRTIO_CONFIG_S_FEATURES_OK;
    const mayRun = this.featuresOk && (this.#status & VIRTIO_CONFIG_S_FAILED) === 0;
    const refused = VIRTIO_CONFIG_S_FEATURES_OK | (mayRun ? 0 : VIRTIO_CONFIG_S_DRIVER_OK);
    this.#status |= added & ~refused;
    if (added & VIRTIO_CONFIG_S_FAILED) this.#hooks.driverGone();
    else if (added & VIRTIO_CONFIG_S_DRIVER_OK && mayRun) this.#hooks.driverOk();
  }

  #featuresValid(): boolean {
    const version1 = 1n << BigInt(VIRTIO_F_VERSION_1);
    if ((this.#driverFeatures & version1) === 0n) return false;
    if ((this.#driverFeatures & ~this.#hooks.offeredFeatures()) !== 0n) return false;
    return this.#hooks.acceptFeatures(this.#driverFeatures);
  }

  #enableQueue(value: number): void {
    const queue = this.queues[this.#queueSelect];
    if (!queue || value !== 1 || queue.enabled || !this.featuresOk) return;
    if (!ADDRESSES.every((name) => queue.written.has(name))) return;
    queue.enabled = true;
    this.#hooks.queueEnabled(this.#queueSelect);
  }

  #writeAddress(name: (typeof ADDRESSES)[number], value: bigint): void {
    const queue = this.queues[this.#queueSelect];
    if (!queue || queue.enabled) return;
    queue[name] = value;
    queue.written.add(name);
  }

  #writeAddressHalf(name: (typeof ADDRESSES)[number], at: 0 | 4, view: DataView): void {
    const old = this.queues[this.#queueSelect]?.[name] ?? 0n;
    const half = BigInt(view.getUint32(0, true));
    this.#writeAddress(name, at === 0 ? (old & ~0xffff_ffffn) | half : (old & 0xffff_ffffn) | (half << 32n));
  }

  /** A vector that does not exist reads back as NO_VECTOR (VIRTIO 1.2, 4.1.5.1.2). */
  #checkVector(vector: number): number {
    return vector < this.#vectors ? vector : VIRTIO_MSI_NO_VECTOR;
  }

  #configChanged(): void {
    this.#generation = (this.#generation + 1) & 0xff;
    if ((this.#status & VIRTIO_CONFIG_S_DRIVER_OK) === 0) return;
    this.#isr |= VIRTIO_PCI_ISR_CONFIG;
    if (this.#configVector !== VIRTIO_MSI_NO_VECTOR) this.#hooks.raise(this.#configVector);
  }
}

function newQueue(maxSize: number): LocalQueue {
  return {
    maxSize,
    size: maxSize,
    vector: VIRTIO_MSI_NO_VECTOR,
    enabled: false,
    written: new Set(),
    queue_desc: 0n,
    queue_driver: 0n,
    queue_device: 0n,
  };
}

function isQueueSize(value: number, max: number): boolean {
  return value > 0 && value <= max && (value & (value - 1)) === 0;
}

function featureWord(features: bigint, word: number): number {
  return word < FEATURE_WORDS ? Number((features >> BigInt(32 * word)) & 0xffff_ffffn) : 0;
}
