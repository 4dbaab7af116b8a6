// SPDX-License-Identifier: BSD-3-Clause
// ivshmem v2 as Jailhouse gives it to two cells (Documentation/ivshmem-v2-specification.md), for two
// vfio-user clients, so that drivers can be tested. One BAR has one protection over vfio-user: here each
// client can write all of the memory, the state table too, which the device it stands for does not allow.
import {
  IVSHMEM_MEMORY_BAR,
  IVSHMEM2_CAP,
  IVSHMEM2_CLASS,
  IVSHMEM2_DEVICE_ID,
  IVSHMEM2_PROTOCOL_NETWORK,
  IVSHMEM2_REGISTERS,
  IVSHMEM2_VENDOR_ID,
} from '../../../src/abi/ivshmem.ts';
import { encode } from '../../../src/abi/layout.ts';
import { PCI_CAP_ID_VNDR } from '../../../src/abi/pci.ts';
import { SECTION_VECTOR_STATE } from '../../../src/abi/section.ts';
import { PAGE } from '../../../src/alignment.ts';
import type { Device } from '../device.ts';
import type { CapabilityImage } from '../function/config-space.ts';
import { RegisterTable } from '../function/register-table.ts';
import { SharedFile, type SharedPage } from './memory.ts';
import { FunctionPair, type PairOptions, pairSettings, type Side } from './pair.ts';

const PEERS = 2;
const ONE_SHOT = 1;
const INTERRUPTS_ON = 1;
const { fields } = IVSHMEM2_REGISTERS;

/** Starts the device on this thread's event loop. Throws PmdError for an invalid option or socket path. */
export function createIvshmem2Device(options: PairOptions): Device {
  const { bytes, vectors } = pairSettings(options);
  const file = new SharedFile('ivshmem2', bytes);
  const peers: Ivshmem2Side[] = [];
  return new FunctionPair(options, [file], (side, id) => {
    peers[id] = new Ivshmem2Side(side, id, vectors, file, (other) => peers[other]);
    return peers[id];
  });
}

class Ivshmem2Side {
  readonly identity = {
    vendor: IVSHMEM2_VENDOR_ID,
    device: IVSHMEM2_DEVICE_ID,
    revision: 0,
    classCode: (IVSHMEM2_CLASS << 16) | IVSHMEM2_PROTOCOL_NETWORK,
    subsystemVendor: IVSHMEM2_VENDOR_ID,
    subsystem: IVSHMEM2_DEVICE_ID,
  };
  readonly vectors: number;
  readonly capabilities: readonly CapabilityImage[];
  readonly registers: RegisterTable;
  readonly memory: ReadonlyMap<number, { readonly file: SharedFile['file']; readonly writable: boolean }>;
  /** One register rings every vector of every peer, which an ioeventfd cannot tell apart. */
  readonly doorbells = [];
  readonly #side: Side;
  readonly #id: number;
  readonly #peer: (id: number) => Ivshmem2Side | undefined;
  readonly #table: SharedPage;
  #interruptControl = 0;
  #state = 0;

  constructor(
    side: Side,
    id: number,
    vectors: number,
    file: SharedFile,
    peer: (id: number) => Ivshmem2Side | undefined,
  ) {
    this.#side = side;
    this.#id = id;
    this.#peer = peer;
    this.vectors = vectors;
    this.#table = file.page(0);
    this.capabilities = [capability(Number(file.file.size))];
    this.memory = new Map([[IVSHMEM_MEMORY_BAR, { file: file.file, writable: true }]]);
    this.registers = new RegisterTable(IVSHMEM2_REGISTERS.size, this.#registers(), [4]);
  }

  /** The entry becomes 0, which the other side learns like any other change. */
  reset(): void {
    this.#interruptControl = 0;
    this.#setState(0);
  }

  /** The state table says it. */
  peerChanged(): void {}

  /** Interrupts the driver if it has enabled that; in one-shot mode it enables each one again. */
  deliver(vector: number): void {
    if ((this.#interruptControl & INTERRUPTS_ON) === 0) return;
    const { config } = this.#side.function;
    const privateControl = config.view.getUint8(
      config.capabilityAt(0) + IVSHMEM2_CAP.fields.private_control.offset,
    );
    if (privateControl & ONE_SHOT) this.#interruptControl = 0;
    this.#side.raise(vector);
  }

  #registers() {
    return [
      { offset: fields.id.offset, read: () => this.#id },
      { offset: fields.max_peers.offset, read: () => PEERS },
      {
        offset: fields.interrupt_control.offset,
        read: () => this.#interruptControl,
        write: (value: number) => {
          this.#interruptControl = value & INTERRUPTS_ON;
        },
      },
      { offset: fields.doorbell.offset, write: (value: number) => this.#ring(value) },
      {
        offset: fields.state.offset,
        read: () => this.#state,
        write: (value: number) => this.#setState(value),
      },
    ];
  }

  /** Peers and vectors that do not exist are ignored. */
  #ring(value: number): void {
    const [target, vector] = [value >>> 16, value & 0xffff];
    if (vector < this.vectors) this.#peer(target)?.deliver(vector);
  }

  /** A write always brings the table up to date, but interrupts only when it changes something. */
  #setState(state: number): void {
    const changed = state !== this.#state;
    this.#state = state;
    this.#table.write(4 * this.#id, state);
    if (changed) this.#peer(1 - this.#id)?.deliver(SECTION_VECTOR_STATE);
  }
}

/** State table, no read-write section, and two output sections of whole pages. */
function capability(bytes: number): CapabilityImage {
  const section = Math.floor((bytes - PAGE) / PEERS / PAGE) * PAGE;
  const { size, fields: at } = IVSHMEM2_CAP;
  const image = encode(IVSHMEM2_CAP, {
    id: PCI_CAP_ID_VNDR,
    length: size,
    state_table_size: PAGE,
    output_section_size: BigInt(section),
  });
  return { bytes: image, writable: [[at.private_control.offset, ONE_SHOT]] };
}
