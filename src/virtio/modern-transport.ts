// SPDX-License-Identifier: BSD-3-Clause
// The virtio-pci modern transport, driver side: VIRTIO 1.2 section 4.1. The initialisation steps have the
// numbers of section 3.1.1; a driver calls begin (1 to 6), configVector and setupQueue (7), ready (8), in
// this order.
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
  VIRTIO_CONFIG_S_NEEDS_RESET,
  VIRTIO_MSI_NO_VECTOR,
  VIRTIO_PCI_COMMON_CFG,
} from '../abi/virtio-pci.ts';
import type { PciDevice, Registers } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import { listCapabilities } from '../pci/config-space.ts';
import { readRegister, writeRegister } from '../pci/registers.ts';
import { findVirtioStructures, type VirtioStructures } from './capabilities.ts';
import type { FeatureSet } from './features.ts';

/** Feature bits 0 to 127, in words of 32 (device_feature_select counts words). */
const FEATURE_WORDS = 4;
/** The structure up to and including queue_device; later versions of the specification have added fields. */
const COMMON_CFG_BYTES = VIRTIO_PCI_COMMON_CFG.fields.queue_device.offset + 8;
const RESET_POLLS = 10_000;
const CONFIG_READ_TRIES = 100;

const { fields } = VIRTIO_PCI_COMMON_CFG;

/** Addresses of a local queue's ring as the device sees them. */
export interface QueueAddresses {
  readonly desc: bigint;
  readonly driver: bigint;
  readonly device: bigint;
}

export class ModernTransport {
  readonly #device: PciDevice;
  readonly #structures: VirtioStructures;
  readonly #common: Registers;
  readonly #commonBase: number;

  /**
   * Finds the structures (4.1.5.1.1). Throws VPCI_BAD_CAPABILITY if one is missing, too short or out of
   * bounds.
   */
  constructor(device: PciDevice) {
    this.#device = device;
    const capabilities = listCapabilities(device.config);
    this.#structures = findVirtioStructures(device.config, capabilities, (bar) => device.barSize(bar));
    const { common } = this.#structures;
    if (common.length < COMMON_CFG_BYTES) {
      throw new PmdError(
        'VPCI_BAD_CAPABILITY',
        `The virtio common structure has only ${common.length} bytes`,
      );
    }
    this.#common = device.bar(common.bar);
    this.#commonBase = common.offset;
  }

  /**
   * Steps 1 to 6: resets the device and negotiates features. Returns the common ones. Throws VPCI_FEATURES if
   * the device lacks one of `required` or refuses the selection.
   */
  begin(wanted: FeatureSet, required: FeatureSet): FeatureSet {
    // 1) Reset the device.
    this.reset();
    // 2) Set the ACKNOWLEDGE status bit: a driver has noticed the device.
    this.#addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
    // 3) Set the DRIVER status bit: the driver knows how to drive the device.
    this.#addStatus(VIRTIO_CONFIG_S_DRIVER);
    // 4) Read the device's feature bits, and write the subset that the driver understands.
    const offered = this.#readFeatures();
    const missing = required & ~offered;
    if (missing !== 0n) {
      this.fail();
      throw new PmdError(
        'VPCI_FEATURES',
        `The device ${this.#device.name} lacks features 0x${missing.toString(16)}`,
      );
    }
    const accepted = offered & wanted;
    this.#writeFeatures(accepted);
    // 5) Set the FEATURES_OK status bit. No new feature bits after this step.
    this.#addStatus(VIRTIO_CONFIG_S_FEATURES_OK);
    // 6) Read the status again: FEATURES_OK is clear if the device does not support the subset.
    if ((this.status & VIRTIO_CONFIG_S_FEATURES_OK) === 0) {
      this.fail();
      const list = accepted.toString(16);
      throw new PmdError('VPCI_FEATURES', `The device ${this.#device.name} refused the features 0x${list}`);
    }
    return accepted;
  }

  /**
   * Step 7, 4.1.5.1.2: the vector of configuration changes. Throws VPCI_NO_VECTOR if the device has no
   * resources for it.
   */
  configVector(vector: number): void {
    this.#write('config_msix_vector', vector);
    // A vector that could not be mapped reads back as NO_VECTOR (4.1.5.1.2).
    if (this.#read('config_msix_vector') !== vector) throw this.#noVector('configuration changes');
  }

  get numQueues(): number {
    return this.#read('num_queues');
  }

  /** Number of entries that the device offers for a queue: 0 if the queue does not exist. */
  queueSize(queue: number): number {
    this.#write('queue_select', queue);
    return this.#read('queue_size');
  }

  /** Step 7, 4.1.5.1.3: sets up a queue and enables it. `vector` is VIRTIO_MSI_NO_VECTOR for none. */
  setupQueue(queue: number, size: number, addresses: QueueAddresses, vector: number): void {
    // 4.1.5.1.3 1) Select the queue.
    this.#write('queue_select', queue);
    // 2), 3) The size is not 0 (the caller has read it); the driver may choose a smaller one.
    this.#write('queue_size', size);
    // 4) The addresses of the ring.
    this.#common.write64(this.#commonBase + fields.queue_desc.offset, addresses.desc);
    this.#common.write64(this.#commonBase + fields.queue_driver.offset, addresses.driver);
    this.#common.write64(this.#commonBase + fields.queue_device.offset, addresses.device);
    // 5) The vector for used buffer notifications; reading it back shows whether it was allocated.
    this.#write('queue_msix_vector', vector);
    if (vector !== VIRTIO_MSI_NO_VECTOR && this.#read('queue_msix_vector') !== vector) {
      throw this.#noVector(`queue ${queue}`);
    }
    this.#write('queue_enable', 1);
  }

  /** Step 8: the device is live. */
  ready(): void {
    // 8) Set the DRIVER_OK status bit.
    this.#addStatus(VIRTIO_CONFIG_S_DRIVER_OK);
  }

  /** Informs the device that the driver has given up on it (3.1.1, last paragraph). */
  fail(): void {
    this.#addStatus(VIRTIO_CONFIG_S_FAILED);
  }

  /**
   * Writes 0 to the status and waits until the device is reset (4.1.4.3.2). Throws VPCI_RESET if this takes
   * too long.
   */
  reset(): void {
    this.#write('device_status', 0);
    for (let poll = 0; poll < RESET_POLLS; poll++) if (this.status === 0) return;
    throw new PmdError('VPCI_RESET', `The device ${this.#device.name} does not complete its reset`);
  }

  get status(): number {
    return this.#read('device_status');
  }

  get needsReset(): boolean {
    return (this.status & VIRTIO_CONFIG_S_NEEDS_RESET) !== 0;
  }

  /**
   * The BAR and the offset of a queue's notification register (4.1.4.4). Throws VPCI_BAD_CAPABILITY if it
   * lies outside the structure.
   */
  notifyRegister(queue: number): { bar: number; offset: number } {
    const { notify } = this.#structures;
    this.#write('queue_select', queue);
    const inStructure = this.#read('queue_notify_off') * notify.multiplier;
    if (inStructure + 2 > notify.length) {
      throw new PmdError(
        'VPCI_BAD_CAPABILITY',
        `The notification register of queue ${queue} lies outside its structure`,
      );
    }
    return { bar: notify.bar, offset: notify.offset + inStructure };
  }

  /**
   * Reads the device's configuration with `read` (called with the registers and the structure's offset), and
   * repeats it if the configuration changed meanwhile (2.5.3). Throws VPCI_BAD_CONFIG if it has fewer than
   * `bytes`, or keeps changing.
   */
  readConfig<T>(bytes: number, read: (registers: Registers, base: number) => T): T {
    const place = this.#structures.device;
    if (!place || place.length < bytes) {
      throw new PmdError(
        'VPCI_BAD_CONFIG',
        `The device ${this.#device.name} has no configuration of ${bytes} bytes`,
      );
    }
    const registers = this.#device.bar(place.bar);
    for (let attempt = 0; attempt < CONFIG_READ_TRIES; attempt++) {
      const generation = this.#read('config_generation');
      const value = read(registers, place.offset);
      if (this.#read('config_generation') === generation) return value;
    }
    throw new PmdError('VPCI_BAD_CONFIG', `The configuration of ${this.#device.name} keeps changing`);
  }

  #readFeatures(): FeatureSet {
    let features = 0n;
    for (let word = 0; word < FEATURE_WORDS; word++) {
      this.#write('device_feature_select', word);
      features |= BigInt(this.#read('device_feature')) << BigInt(32 * word);
    }
    return features;
  }

  #writeFeatures(features: FeatureSet): void {
    for (let word = 0; word < FEATURE_WORDS; word++) {
      this.#write('driver_feature_select', word);
      this.#write('driver_feature', Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
  }

  #addStatus(bits: number): void {
    // The driver must not clear a bit (2.1.1).
    this.#write('device_status', this.status | bits);
  }

  #noVector(what: string): PmdError {
    return new PmdError(
      'VPCI_NO_VECTOR',
      `The device ${this.#device.name} has no interrupt vector for ${what}`,
    );
  }

  #read(name: RegisterName): number {
    return readRegister(this.#common, fields[name], this.#commonBase);
  }

  #write(name: RegisterName, value: number): void {
    writeRegister(this.#common, fields[name], value, this.#commonBase);
  }
}

type RegisterName = Exclude<keyof typeof fields, 'queue_desc' | 'queue_driver' | 'queue_device'>;
