// SPDX-License-Identifier: BSD-3-Clause
// A vfio-user server without a thread: its replies wait in the socket before the client sends its requests.
// The client numbers its requests from 0, so the ids are known in advance.
import { decode, encode } from '../../src/abi/layout.ts';
import {
  VFIO_DEVICE_INFO,
  VFIO_IRQ_INFO,
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_SPARSE_MMAP_AREA,
  VFIO_USER,
  VFIO_USER_F_ERROR,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_HEADER,
  VFIO_USER_REGION_ACCESS,
} from '../../src/abi/vfio-user.ts';
import { native } from '../../src/native.ts';

export interface QueuedReply {
  readonly command: number;
  readonly payload?: Uint8Array;
  readonly fds?: readonly number[];
  /** An errno turns it into an error reply. */
  readonly error?: number;
  /** Fields that a correct server would not send. */
  readonly header?: Partial<{ id: number; command: number; size: number; flags: number; error: number }>;
}

export class QueuedServer {
  readonly clientFd: number;
  readonly #fd: number;
  #id = 0;
  #closed = false;

  constructor() {
    [this.clientFd, this.#fd] = native.socketPair();
  }

  /** Queues the reply to the client's next request. */
  reply({ command, payload = new Uint8Array(0), fds = [], error = 0, header = {} }: QueuedReply): void {
    const bytes = new Uint8Array(VFIO_USER_HEADER.size + payload.length);
    const flags = VFIO_USER_F_TYPE_REPLY | (error ? VFIO_USER_F_ERROR : 0);
    const fields = { id: this.#id++, command, size: bytes.length, flags, error, ...header };
    encode(VFIO_USER_HEADER, fields, new DataView(bytes.buffer));
    bytes.set(payload, VFIO_USER_HEADER.size);
    this.raw(bytes, fds);
  }

  raw(bytes: Uint8Array, fds: readonly number[] = []): void {
    if (native.sendMessage(this.#fd, bytes, fds) !== bytes.length) throw new Error('The socket is full');
  }

  /** The messages that the client has sent. */
  requests(): { command: number; flags: number; payload: Uint8Array; fds: number[] }[] {
    const found: ReturnType<QueuedServer['requests']> = [];
    const head = new Uint8Array(VFIO_USER_HEADER.size);
    for (let got = this.#receive(head); got; got = this.#receive(head)) {
      const { command, size, flags } = decode(VFIO_USER_HEADER, new DataView(head.buffer));
      const payload = new Uint8Array(size - head.length);
      if (payload.length > 0) native.receiveMessage(this.#fd, payload, 0);
      found.push({ command, flags, payload, fds: got.fds });
    }
    return found;
  }

  #receive(into: Uint8Array) {
    const received = native.receiveMessage(this.#fd, into, 8);
    return received && received.bytes > 0 ? received : null;
  }

  close(): void {
    if (!this.#closed) native.close(this.#fd);
    this.#closed = true;
  }

  // --- a whole PCI device
  // ---------------------------------------------------------------------------------------------
  /**
   * Replies to everything that the driver requests when it opens the device: BAR 0 of 16 KiB, BAR 2 of
   * `memoryBytes`.
   */
  describeDevice(options: { memoryBytes?: number; flags?: number; vectors?: number } = {}): void {
    this.reply({
      command: VFIO_USER.DEVICE_GET_INFO,
      payload: bytes(
        encode(VFIO_DEVICE_INFO, { argsz: 16, flags: options.flags ?? 3, num_regions: 9, num_irqs: 5 }),
      ),
    });
    for (let index = 0; index < 8; index++) {
      const size = [0x4000, 0x4000, options.memoryBytes ?? 0, 0, 0, 0, 0, 256][index] ?? 0;
      this.region(index, BigInt(size));
    }
    this.reply({
      command: VFIO_USER.DEVICE_GET_IRQ_INFO,
      payload: bytes(encode(VFIO_IRQ_INFO, { argsz: 16, flags: 9, index: 2, count: options.vectors ?? 4 })),
    });
    this.readReply(7, 4, 2, 0);
    this.reply({ command: VFIO_USER.REGION_WRITE, payload: new Uint8Array(16) });
  }

  region(index: number, size: bigint, options: RegionReply = {}): void {
    const { areas = [], fds = [], argsz } = options;
    const head = VFIO_REGION_INFO.size;
    const caps = areas.length > 0 ? VFIO_REGION_INFO_CAP_SPARSE_MMAP.size + 16 * areas.length : 0;
    const view = new DataView(new ArrayBuffer(head + caps));
    const flags = options.flags ?? (areas.length > 0 ? 15 : 3);
    const capOffset = options.capOffset ?? (caps > 0 ? head : 0);
    const fields = { argsz: argsz ?? view.byteLength, flags, index, cap_offset: capOffset, size };
    encode(VFIO_REGION_INFO, { ...fields, offset: options.fileOffset ?? 0n }, view);
    if (caps > 0) {
      const sparse = { id: 1, version: 1, next: options.next ?? 0, nr_areas: options.count ?? areas.length };
      encode(VFIO_REGION_INFO_CAP_SPARSE_MMAP, { ...sparse, id: options.capId ?? 1 }, view, head);
      areas.forEach((area, at) => {
        encode(VFIO_REGION_SPARSE_MMAP_AREA, area, view, head + 16 + 16 * at);
      });
    }
    const payload = options.short ? bytes(view).subarray(0, options.short) : bytes(view);
    this.reply({ command: VFIO_USER.DEVICE_GET_REGION_INFO, payload, fds });
  }

  readReply(region: number, offset: number, count: number, value: number): void {
    const view = new DataView(new ArrayBuffer(VFIO_USER_REGION_ACCESS.size + count));
    encode(VFIO_USER_REGION_ACCESS, { offset: BigInt(offset), region, count }, view);
    for (let byte = 0; byte < count; byte++) view.setUint8(16 + byte, (value >>> (8 * byte)) & 0xff);
    this.reply({ command: VFIO_USER.REGION_READ, payload: bytes(view) });
  }
}

export interface RegionReply {
  readonly areas?: readonly { offset: bigint; size: bigint }[];
  readonly fds?: readonly number[];
  readonly flags?: number;
  readonly fileOffset?: bigint;
  readonly argsz?: number;
  readonly capOffset?: number;
  readonly capId?: number;
  readonly next?: number;
  readonly count?: number;
  readonly short?: number;
}

export const bytes = (view: DataView): Uint8Array => new Uint8Array(view.buffer as ArrayBuffer);
