// SPDX-License-Identifier: BSD-3-Clause
// A function's PCI configuration space: a 256-byte image, a mask of the bits that a driver may write, address
// registers that report the sizes of their BARs, and a list of capabilities, of which MSI-X is the first.
import { encode } from '../../../src/abi/layout.ts';
import {
  MSIX_CAP,
  MSIX_CONTROL_ENABLE,
  PCI_BASE_ADDRESS_MEM_PREFETCH,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_CAP_ID_MSIX,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_CONFIG,
  PCI_CONFIG_SPACE_BYTES,
  PCI_STATUS_CAP_LIST,
} from '../../../src/abi/pci.ts';
import { MSIX_BAR, MSIX_PBA_OFFSET } from './bars.ts';

export interface Identity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, subclass, programming interface: 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
}

export interface Bar {
  readonly index: number;
  /** 64-bit and prefetchable: it uses the next address register as well. */
  readonly wide: boolean;
  /** A power of two; 0 while the BAR is absent. */
  size(): bigint;
}

export interface CapabilityImage {
  /** The structure; the list's pointer in its second byte is filled in. */
  readonly bytes: DataView;
  /** Bytes that a driver may write, each with the mask of its writable bits. */
  readonly writable?: readonly (readonly [offset: number, mask: number])[];
  /** Brings fields that change up to date in the structure at `at`; called before each access. */
  refresh?(space: DataView, at: number): void;
}

export interface ConfigSpaceOptions {
  readonly identity: Identity;
  readonly vectors: number;
  readonly bars: readonly Bar[];
  /** In the order of the list; each begins where the one before it ends. */
  readonly capabilities: readonly CapabilityImage[];
}

const FIRST_AT = PCI_CONFIG.size;
const BAR_AT = PCI_CONFIG.fields.bar0.offset;
const MSIX_CONTROL_FUNCTION_MASK = 1 << 14;
const NEXT = 1;

export class ConfigSpace {
  /** The image, for a capability that a device reads and writes by itself. */
  readonly view = new DataView(new ArrayBuffer(PCI_CONFIG_SPACE_BYTES));
  readonly #image = new Uint8Array(this.view.buffer);
  readonly #options: ConfigSpaceOptions;
  readonly #capabilities: readonly (CapabilityImage & { readonly at: number })[];
  readonly #writable = new Uint8Array(PCI_CONFIG_SPACE_BYTES);

  constructor(options: ConfigSpaceOptions) {
    this.#options = options;
    let at = FIRST_AT;
    this.#capabilities = [msixCapability(options.vectors), ...options.capabilities].map((capability) => {
      const placed = { ...capability, at };
      at += (capability.bytes.byteLength + 3) & ~3;
      return placed;
    });
    this.reset();
    this.#allowWrites();
  }

  /** Offset of a capability of the options, by its place in their list. */
  capabilityAt(index: number): number {
    return this.#capabilities[index + 1]?.at ?? 0;
  }

  /**
   * The state after power-on or a function-level reset; BAR addresses, which the host assigns, are cleared
   * too.
   */
  reset(): void {
    const { identity } = this.#options;
    this.#image.fill(0);
    encode(
      PCI_CONFIG,
      {
        vendor_id: identity.vendor,
        device_id: identity.device,
        status: PCI_STATUS_CAP_LIST,
        revision_id: identity.revision,
        prog_if: identity.classCode & 0xff,
        subclass: (identity.classCode >> 8) & 0xff,
        base_class: identity.classCode >> 16,
        subsystem_vendor_id: identity.subsystemVendor,
        subsystem_id: identity.subsystem,
        capabilities_pointer: FIRST_AT,
      },
      this.view,
    );
    for (const [i, { bytes, at }] of this.#capabilities.entries()) {
      this.#image.set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), at);
      this.view.setUint8(at + NEXT, this.#capabilities[i + 1]?.at ?? 0);
    }
  }

  /** Bytes `[offset, + count)`, which must lie inside the configuration space. */
  read(offset: number, count: number): Uint8Array {
    this.#refresh();
    return this.#image.slice(offset, offset + count);
  }

  /** Changes only the writable bits. */
  write(offset: number, data: Uint8Array): void {
    for (const [i, byte] of data.entries()) {
      const mask = this.#writable[offset + i] ?? 0;
      this.#image[offset + i] = ((this.#image[offset + i] ?? 0) & ~mask) | (byte & mask);
    }
    this.#refresh();
  }

  #allowWrites(): void {
    const mask = new DataView(this.#writable.buffer);
    const { command, cache_line_size, interrupt_line } = PCI_CONFIG.fields;
    mask.setUint16(command.offset, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, true);
    mask.setUint8(cache_line_size.offset, 0xff);
    mask.setUint8(interrupt_line.offset, 0xff);
    for (let bar = 0; bar < 6; bar++) mask.setUint32(BAR_AT + 4 * bar, 0xffff_ffff, true);
    for (const { at, writable = [] } of this.#capabilities)
      for (const [offset, bits] of writable) mask.setUint8(at + offset, bits);
  }

  /**
   * Hard-wires the low bits of the address registers, so that a write of all ones reads back as the size (PCI
   * 3.0, 6.2.5.1). Done on each access, because the size of a BAR may depend on the peer.
   */
  #refresh(): void {
    for (const { index, wide, size } of this.#options.bars) {
      const [at, bytes] = [BAR_AT + 4 * index, size()];
      if (wide) this.#wire64(at, bytes);
      else this.view.setUint32(at, this.view.getUint32(at, true) & -Number(bytes), true);
    }
    for (const capability of this.#capabilities) capability.refresh?.(this.view, capability.at);
  }

  #wire64(at: number, size: bigint): void {
    const value = size === 0n ? 0n : this.view.getBigUint64(at, true) & BigInt.asUintN(64, -size);
    const type = size === 0n ? 0n : BigInt(PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
    this.view.setBigUint64(at, value | type, true);
  }
}

function msixCapability(vectors: number): CapabilityImage {
  const bytes = encode(MSIX_CAP, {
    cap_id: PCI_CAP_ID_MSIX,
    message_control: vectors - 1,
    table: MSIX_BAR,
    pba: MSIX_PBA_OFFSET | MSIX_BAR,
  });
  const control = MSIX_CAP.fields.message_control.offset;
  return { bytes, writable: [[control + 1, (MSIX_CONTROL_ENABLE | MSIX_CONTROL_FUNCTION_MASK) >> 8]] };
}
