// SPDX-License-Identifier: BSD-3-Clause
// A vhost-user front-end for tests: memory in one file, rings at fixed offsets, one method per message.
import { decode } from '../../../src/abi/layout.ts';
import {
  VHOST_USER,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_HEADER,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_MTU,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
} from '../../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU } from '../../../src/abi/virtio-net.ts';
import { PVIRTQ_DESC, VIRTIO_F_VERSION_1, VRING_USED } from '../../../src/abi/virtio-ring.ts';
import { type MappingHandle, native } from '../../../src/native.ts';
import { features } from '../../../src/virtio/features.ts';
import {
  join,
  type TestChannel,
  u32s,
  u64s,
  vhostUserChannel,
  vhostUserMessage,
} from './channel.test-help.ts';

export const MEMORY_BYTES = 1 << 20;
/** The guest-physical and user addresses differ, so that mixing them up is detected. */
export const GPA = 0x4000_0000n;
export const USER = 0x7f12_0000_0000n;
export const NET_AND_PROTOCOL = features(
  VIRTIO_F_VERSION_1,
  VIRTIO_NET_F_MRG_RXBUF,
  VHOST_USER_F_PROTOCOL_FEATURES,
);
export const HEARS_MTU = NET_AND_PROTOCOL | features(VIRTIO_NET_F_MTU);
export const ALL_PROTOCOL = features(
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_MTU,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_STATUS,
);

const RING_BYTES = 0x10000;

export const ringOffsets = (index: number) => ({
  desc: index * RING_BYTES,
  avail: index * RING_BYTES + 0x8000,
  used: index * RING_BYTES + 0xa000,
});

export interface Acknowledged {
  readonly value: bigint;
}

export class TestPeer {
  readonly channel: TestChannel;
  readonly memoryBytes: number;
  memory: number;
  readonly kicks: number[] = [];
  readonly calls: number[] = [];
  #mapping: MappingHandle;

  /** The rings lie in the first MEMORY_BYTES of the memory, which may be larger. */
  constructor(fd: number, memoryBytes: number = MEMORY_BYTES) {
    this.memoryBytes = memoryBytes;
    this.channel = vhostUserChannel(fd);
    this.memory = native.memfdCreate('test-peer', memoryBytes, false);
    this.#mapping = native.mapFd(this.memory, 0, MEMORY_BYTES, true);
  }

  /** Switches to a new, empty memory file, like a rebooted machine. */
  newMemory(): void {
    native.unmap(this.#mapping);
    native.close(this.memory);
    this.memory = native.memfdCreate('test-peer', this.memoryBytes, false);
    this.#mapping = native.mapFd(this.memory, 0, MEMORY_BYTES, true);
  }

  setUsedIndex(ring: number, index: number): void {
    const view = new DataView(native.mappingBuffer(this.#mapping));
    view.setUint16(ringOffsets(ring).used + VRING_USED.fields.idx.offset, index, true);
  }

  /** The flags of a slot of a packed ring. */
  setSlotFlags(ring: number, slot: number, flags: number): void {
    const view = new DataView(native.mappingBuffer(this.#mapping));
    const { offset } = PVIRTQ_DESC.fields.flags;
    view.setUint16(ringOffsets(ring).desc + slot * PVIRTQ_DESC.size + offset, flags, true);
  }

  /** Sends without waiting. */
  post(
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly number[] = [],
    flags = 1,
  ): void {
    this.channel.send(vhostUserMessage(request, payload, flags), fds);
  }

  /** Sends with need_reply; 0 is success. */
  async ack(
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly number[] = [],
  ): Promise<bigint> {
    this.post(request, payload, fds, 1 | 8);
    return (await this.reply(request)).getBigUint64(0, true);
  }

  async ask(request: number, payload: Uint8Array = new Uint8Array(0)): Promise<DataView> {
    this.post(request, payload);
    return this.reply(request);
  }

  async reply(request: number): Promise<DataView> {
    const { data } = await this.channel.receive();
    const header = decode(VHOST_USER_HEADER, data);
    if (header.request !== request || header.flags !== 5) throw new Error(`reply ${JSON.stringify(header)}`);
    return new DataView(data.buffer, VHOST_USER_HEADER.size);
  }

  async negotiate(features = NET_AND_PROTOCOL): Promise<void> {
    this.post(VHOST_USER.SET_OWNER);
    await this.ask(VHOST_USER.GET_FEATURES);
    await this.ask(VHOST_USER.GET_PROTOCOL_FEATURES);
    this.post(VHOST_USER.SET_PROTOCOL_FEATURES, u64s(ALL_PROTOCOL));
    this.post(VHOST_USER.SET_FEATURES, u64s(features));
  }

  /** The first MEMORY_BYTES of its memory. */
  get view(): DataView {
    return new DataView(native.mappingBuffer(this.#mapping));
  }

  region(gpa = GPA, size = BigInt(this.memoryBytes), user = USER, offset = 0n): Uint8Array {
    return u64s(gpa, size, user, offset);
  }

  async sendMemory(): Promise<bigint> {
    return this.ack(VHOST_USER.SET_MEM_TABLE, join(u32s(1, 0), this.region()), [this.memory]);
  }

  addresses(index: number, base = USER, place = index): Uint8Array {
    const { desc, avail, used } = ringOffsets(place);
    const at = (offset: number) => base + BigInt(offset);
    return join(u32s(index, 0), u64s(at(desc), at(used), at(avail), 0n));
  }

  /** Sets up a ring as QEMU and DPDK do, with the kick last. */
  async startRing(index: number, base = 0, size = 256, place = index): Promise<void> {
    this.kicks[index] ??= native.eventfd();
    this.calls[index] ??= native.eventfd();
    const { kicks, calls } = this;
    await this.ack(VHOST_USER.SET_VRING_CALL, u64s(BigInt(index)), [calls[index] as number]);
    await this.ack(VHOST_USER.SET_VRING_NUM, u32s(index, size));
    await this.ack(VHOST_USER.SET_VRING_BASE, u32s(index, base));
    await this.ack(VHOST_USER.SET_VRING_ADDR, this.addresses(index, USER, place));
    await this.ack(VHOST_USER.SET_VRING_KICK, u64s(BigInt(index)), [kicks[index] as number]);
  }

  async enable(index: number, on = 1): Promise<bigint> {
    return this.ack(VHOST_USER.SET_VRING_ENABLE, u32s(index, on));
  }

  /** Negotiates, shares memory and starts the first queue pair. */
  async start(features = NET_AND_PROTOCOL, base = 0): Promise<void> {
    await this.negotiate(features);
    await this.sendMemory();
    for (const index of [0, 1]) await this.startRing(index, base);
    for (const index of [0, 1]) await this.enable(index);
  }

  async vringBase(index: number): Promise<number> {
    const reply = await this.ask(VHOST_USER.GET_VRING_BASE, u32s(index, 0));
    return reply.getUint32(4, true);
  }

  close(): void {
    this.channel.close();
    for (const fd of [...this.kicks, ...this.calls]) if (fd !== undefined) native.close(fd);
    native.unmap(this.#mapping);
    native.close(this.memory);
  }
}
