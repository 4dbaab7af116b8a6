// SPDX-License-Identifier: BSD-3-Clause
// The function's PCI configuration space: a 256-byte image, a mask of the bits that a driver may write, and
// the virtio window capability, through which every BAR register can be reached (VIRTIO 1.2, 4.1.4.9).
import { encode, type FieldType } from '../../../src/abi/layout.ts';
import {
  MSIX_CAP,
  MSIX_CONTROL_ENABLE,
  PCI_BASE_ADDRESS_MEM_PREFETCH,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_VNDR,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_CONFIG,
  PCI_CONFIG_SPACE_BYTES,
  PCI_STATUS_CAP_LIST,
} from '../../../src/abi/pci.ts';
import { VHOST_PCI_CLASS, VHOST_PCI_DEVICE_ID, VHOST_PCI_MEMORY_BARS } from '../../../src/abi/vhost-pci.ts';
import {
  VIRTIO_PCI_CAP,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_PCI_CFG,
  VIRTIO_PCI_CFG_CAP,
  VIRTIO_PCI_NOTIFY_CAP,
  VIRTIO_PCI_VENDOR_ID,
} from '../../../src/abi/virtio-pci.ts';
import {
  COMMON_OFFSET,
  DEVICE_OFFSET,
  ISR_OFFSET,
  MSIX_BAR,
  MSIX_BAR_BYTES,
  MSIX_PBA_OFFSET,
  NOTIFY_MULTIPLIER,
  NOTIFY_OFFSET,
  REGISTER_BAR,
  REGISTER_BAR_BYTES,
  STRUCTURE_BYTES,
} from './bars.ts';

export interface PciConfigOptions {
  readonly subsystemId: number;
  /** MSI-X vectors. */
  readonly vectors: number;
  /** Size of a memory BAR; 0 when the BAR is absent. */
  barBytes(bar: number): bigint;
  /** Access through the window; null where there is nothing. */
  windowRead(bar: number, offset: number, length: number): Uint8Array | null;
  windowWrite(bar: number, offset: number, data: Uint8Array): void;
}

const MSIX_AT = 0x40;
const COMMON_AT = 0x4c;
const NOTIFY_AT = 0x5c;
const ISR_AT = 0x70;
const DEVICE_AT = 0x80;
const WINDOW_AT = 0x90;
const BAR_AT = PCI_CONFIG.fields.bar0.offset;
const MSIX_CONTROL_FUNCTION_MASK = 1 << 14;
const REVISION_ID = 1;

export class PciConfig {
  readonly #options: PciConfigOptions;
  readonly #image = new Uint8Array(PCI_CONFIG_SPACE_BYTES);
  readonly #view = new DataView(this.#image.buffer);
  readonly #writable = new Uint8Array(PCI_CONFIG_SPACE_BYTES);

  constructor(options: PciConfigOptions) {
    this.#options = options;
    this.reset();
    this.#allowWrites();
  }

  /**
   * The state after power-on or a function-level reset; BAR addresses, which the host assigns, are cleared
   * too.
   */
  reset(): void {
    this.#image.fill(0);
    encode(
      PCI_CONFIG,
      {
        vendor_id: VIRTIO_PCI_VENDOR_ID,
        device_id: VHOST_PCI_DEVICE_ID,
        status: PCI_STATUS_CAP_LIST,
        revision_id: REVISION_ID,
        prog_if: VHOST_PCI_CLASS & 0xff,
        subclass: (VHOST_PCI_CLASS >> 8) & 0xff,
        base_class: VHOST_PCI_CLASS >> 16,
        subsystem_vendor_id: VIRTIO_PCI_VENDOR_ID,
        subsystem_id: this.#options.subsystemId,
        capabilities_pointer: MSIX_AT,
      },
      this.#view,
    );
    this.#writeCapabilities();
  }

  /** Bytes `[offset, + count)`, which must lie inside the configuration space. */
  read(offset: number, count: number): Uint8Array {
    this.#refreshBars();
    if (touchesWindow(offset, count)) this.#readWindow();
    return this.#image.slice(offset, offset + count);
  }

  /** Changes only the writable bits. */
  write(offset: number, data: Uint8Array): void {
    for (const [i, byte] of data.entries()) {
      const mask = this.#writable[offset + i] ?? 0;
      this.#image[offset + i] = ((this.#image[offset + i] ?? 0) & ~mask) | (byte & mask);
    }
    this.#refreshBars();
    if (touchesWindow(offset, data.length)) this.#writeWindow();
  }

  get msixEnabled(): boolean {
    return (
      (this.#view.getUint16(MSIX_AT + MSIX_CAP.fields.message_control.offset, true) & MSIX_CONTROL_ENABLE) !==
      0
    );
  }

  #writeCapabilities(): void {
    const view = this.#view;
    encode(
      MSIX_CAP,
      {
        cap_id: PCI_CAP_ID_MSIX,
        cap_next: COMMON_AT,
        message_control: this.#options.vectors - 1,
        table: MSIX_BAR,
        pba: MSIX_PBA_OFFSET | MSIX_BAR,
      },
      view,
      MSIX_AT,
    );
    const structure = (cfg_type: number, cap_next: number, offset: number) =>
      ({
        cap_vndr: PCI_CAP_ID_VNDR,
        cap_next,
        cfg_type,
        bar: REGISTER_BAR,
        offset,
        length: STRUCTURE_BYTES,
      }) as const;
    const cap_len = VIRTIO_PCI_CAP.size;
    encode(
      VIRTIO_PCI_CAP,
      { ...structure(VIRTIO_PCI_CAP_COMMON_CFG, NOTIFY_AT, COMMON_OFFSET), cap_len },
      view,
      COMMON_AT,
    );
    encode(
      VIRTIO_PCI_NOTIFY_CAP,
      {
        ...structure(VIRTIO_PCI_CAP_NOTIFY_CFG, ISR_AT, NOTIFY_OFFSET),
        cap_len: VIRTIO_PCI_NOTIFY_CAP.size,
        notify_off_multiplier: NOTIFY_MULTIPLIER,
      },
      view,
      NOTIFY_AT,
    );
    encode(
      VIRTIO_PCI_CAP,
      { ...structure(VIRTIO_PCI_CAP_ISR_CFG, DEVICE_AT, ISR_OFFSET), cap_len },
      view,
      ISR_AT,
    );
    encode(
      VIRTIO_PCI_CAP,
      { ...structure(VIRTIO_PCI_CAP_DEVICE_CFG, WINDOW_AT, DEVICE_OFFSET), cap_len },
      view,
      DEVICE_AT,
    );
    encode(
      VIRTIO_PCI_CFG_CAP,
      { cap_vndr: PCI_CAP_ID_VNDR, cap_len: VIRTIO_PCI_CFG_CAP.size, cfg_type: VIRTIO_PCI_CAP_PCI_CFG },
      view,
      WINDOW_AT,
    );
  }

  #allowWrites(): void {
    const mask = new DataView(this.#writable.buffer);
    const { command, cache_line_size, interrupt_line } = PCI_CONFIG.fields;
    mask.setUint16(command.offset, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, true);
    mask.setUint8(cache_line_size.offset, 0xff);
    mask.setUint8(interrupt_line.offset, 0xff);
    for (let bar = 0; bar < 6; bar++) mask.setUint32(BAR_AT + 4 * bar, 0xffff_ffff, true);
    const control = MSIX_AT + MSIX_CAP.fields.message_control.offset;
    mask.setUint16(control, MSIX_CONTROL_ENABLE | MSIX_CONTROL_FUNCTION_MASK, true);
    const { bar, offset, length, pci_cfg_data } = VIRTIO_PCI_CFG_CAP.fields;
    for (const field of [bar, offset, length, pci_cfg_data])
      allowField(mask, WINDOW_AT + field.offset, field.type);
  }

  /**
   * Hard-wires the low bits of the address registers, so that a write of all ones reads back as the size (PCI
   * 3.0, 6.2.5.1). Done on each access, because the size of a memory BAR depends on the peer.
   */
  #refreshBars(): void {
    this.#wire32(REGISTER_BAR, REGISTER_BAR_BYTES);
    this.#wire32(MSIX_BAR, MSIX_BAR_BYTES);
    for (const bar of VHOST_PCI_MEMORY_BARS) {
      const at = BAR_AT + 4 * bar;
      const size = this.#options.barBytes(bar);
      const value = size === 0n ? 0n : this.#view.getBigUint64(at, true) & BigInt.asUintN(64, -size);
      const type = size === 0n ? 0n : BigInt(PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
      this.#view.setBigUint64(at, value | type, true);
    }
  }

  #wire32(bar: number, size: number): void {
    const at = BAR_AT + 4 * bar;
    this.#view.setUint32(at, this.#view.getUint32(at, true) & -size, true);
  }

  #window(): { bar: number; offset: number; length: number } | null {
    const { bar, offset, length } = VIRTIO_PCI_CFG_CAP.fields;
    const bytes = this.#view.getUint32(WINDOW_AT + length.offset, true);
    if (bytes !== 1 && bytes !== 2 && bytes !== 4) return null;
    return {
      bar: this.#view.getUint8(WINDOW_AT + bar.offset),
      offset: this.#view.getUint32(WINDOW_AT + offset.offset, true),
      length: bytes,
    };
  }

  #readWindow(): void {
    const window = this.#window();
    const data = window && this.#options.windowRead(window.bar, window.offset, window.length);
    if (data) this.#image.set(data, WINDOW_AT + VIRTIO_PCI_CFG_CAP.fields.pci_cfg_data.offset);
  }

  #writeWindow(): void {
    const window = this.#window();
    if (!window) return;
    const at = WINDOW_AT + VIRTIO_PCI_CFG_CAP.fields.pci_cfg_data.offset;
    this.#options.windowWrite(window.bar, window.offset, this.#image.slice(at, at + window.length));
  }
}

function allowField(mask: DataView, offset: number, type: FieldType): void {
  if (type === 'u8') mask.setUint8(offset, 0xff);
  else mask.setUint32(offset, 0xffff_ffff, true);
}

function touchesWindow(offset: number, count: number): boolean {
  const at = WINDOW_AT + VIRTIO_PCI_CFG_CAP.fields.pci_cfg_data.offset;
  return offset < at + 4 && offset + count > at;
}
