// SPDX-License-Identifier: BSD-3-Clause
// The vhost-user front-end's conversation with a back-end, step by step (vhost-user.rst): negotiation,
// memory, rings, and the end of the rings. Knows messages and their order, but not the contents of the rings.
import { decode, encode } from '../../src/abi/layout.ts';
import {
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_MEM_REG_HEAD_BYTES,
  VHOST_USER_MEMORY,
  VHOST_USER_MEMORY_REGION,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_STATUS,
  VHOST_USER_U64,
  VHOST_USER_VRING_ADDR,
  VHOST_USER_VRING_STATE,
} from '../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MQ } from '../../src/abi/virtio-net.ts';
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FEATURES_OK,
} from '../../src/abi/virtio-pci.ts';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '../../src/abi/virtio-ring.ts';
import { PmdError, type PmdErrorCode } from '../../src/errors.ts';
import { features, hasFeature } from '../../src/virtio/features.ts';
import type { Channel, RequestName } from './channel.ts';

/** Protocol features that this front-end can use. */
const PROTOCOL_FEATURES = features(
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_STATUS,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
);
const PROTOCOL = features(VHOST_USER_F_PROTOCOL_FEATURES);

const FEATURES_OK = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;

export interface Region {
  /** Guest-physical address. */
  readonly gpa: bigint;
  /** Bytes. */
  readonly size: number;
  /** Address in the front-end's process. */
  readonly userspace: bigint;
  /** Offset in the file. */
  readonly offset: number;
  /** The file; remains the caller's. */
  readonly fd: number;
}

/** Parameters of one ring; addresses are in the front-end's address space, as the protocol requires. */
export interface RingStart {
  readonly index: number;
  readonly size: number;
  /** Next available index that the back-end consumes. */
  readonly base: number;
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
  /** Eventfd that the front-end writes; remains the caller's. */
  readonly kickFd: number;
}

export interface Negotiated {
  /** Virtio features of both sides, without VHOST_USER_F_PROTOCOL_FEATURES. */
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  /** Queue pairs of the back-end; 1 when it cannot report them. */
  readonly maxPairs: number;
}

export class FrontEnd {
  readonly #channel: Channel;
  readonly #path: string;
  #protocol = 0n;
  #vhostFeatures = 0n;

  /** `path` names the back-end in errors. */
  constructor(channel: Channel, path: string) {
    this.#channel = channel;
    this.#path = path;
  }

  /**
   * Negotiates the features of `wanted` that the back-end offers; it must offer VERSION_1 and enough queues
   * for `pairs`. A `legacy` driver does not need VERSION_1 and only knows the first 32 features (VIRTIO 1.2,
   * 2.2.3). Throws VPCI_BACKEND_FEATURES or VPCI_QUEUE_COUNT.
   */
  async negotiate(wanted: bigint, pairs: number, legacy = false): Promise<Negotiated> {
    await this.#channel.send('SET_OWNER');
    const offered = await this.#getU64('GET_FEATURES');
    if (!legacy && !hasFeature(offered, VIRTIO_F_VERSION_1)) {
      throw this.#error(
        'VPCI_BACKEND_FEATURES',
        'it does not offer VIRTIO_F_VERSION_1, which only a legacy driver can do without (--legacy)',
      );
    }
    if (hasFeature(offered, VHOST_USER_F_PROTOCOL_FEATURES)) await this.#negotiateProtocol();
    const maxPairs = hasFeature(this.#protocol, VHOST_USER_PROTOCOL_F_MQ)
      ? Number(await this.#getU64('GET_QUEUE_NUM'))
      : 1;
    if (maxPairs < pairs)
      throw this.#error('VPCI_QUEUE_COUNT', `it has ${maxPairs} queue pairs, but ${pairs} were requested`);
    const mq = pairs > 1 ? features(VIRTIO_NET_F_MQ) : 0n;
    const known = legacy ? 0xffff_ffffn & (wanted | mq) : wanted | mq | features(VIRTIO_F_VERSION_1);
    const agreed = offered & known & ~PROTOCOL;
    this.#vhostFeatures = agreed | (offered & PROTOCOL);
    return { features: agreed, protocolFeatures: this.#protocol, maxPairs };
  }

  /**
   * Sets each ring's call eventfd: first, as other front-ends do, so that the back-end knows how many rings
   * to expect.
   */
  async setCalls(callFds: readonly number[]): Promise<void> {
    for (const [index, fd] of callFds.entries()) {
      await this.#channel.acked('SET_VRING_CALL', u64(BigInt(index)), [fd]);
    }
  }

  /** Confirms the features and hands over the memory. */
  async configure(region: Region): Promise<void> {
    await this.#channel.acked('SET_FEATURES', u64(this.#vhostFeatures));
    await this.#setStatus(FEATURES_OK);
    const fields = {
      guest_phys_addr: region.gpa,
      memory_size: BigInt(region.size),
      userspace_addr: region.userspace,
      mmap_offset: BigInt(region.offset),
    };
    const slots = hasFeature(this.#protocol, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
    const head = slots ? VHOST_USER_MEM_REG_HEAD_BYTES : VHOST_USER_MEMORY.size;
    const payload = new DataView(new ArrayBuffer(head + VHOST_USER_MEMORY_REGION.size));
    if (!slots) encode(VHOST_USER_MEMORY, { num_regions: 1 }, payload);
    encode(VHOST_USER_MEMORY_REGION, fields, payload, head);
    await this.#channel.acked(slots ? 'ADD_MEM_REG' : 'SET_MEM_TABLE', payload, [region.fd]);
  }

  /** Starts a ring; SET_VRING_KICK comes last, because it starts the ring (vhost-user.rst, Ring states). */
  async startRing(ring: RingStart): Promise<void> {
    const { index } = ring;
    const state = (num: number): DataView => encode(VHOST_USER_VRING_STATE, { index, num });
    await this.#channel.acked('SET_VRING_NUM', state(ring.size));
    await this.#channel.acked('SET_VRING_BASE', state(ring.base));
    const addresses = {
      index,
      flags: 0,
      descriptor: ring.desc,
      used: ring.used,
      available: ring.avail,
      log: 0n,
    };
    await this.#channel.acked('SET_VRING_ADDR', encode(VHOST_USER_VRING_ADDR, addresses));
    await this.#channel.acked('SET_VRING_KICK', u64(BigInt(index)), [ring.kickFd]);
  }

  /** Enables or disables a ring; without protocol features every ring is enabled from the start. */
  async enableRing(index: number, enabled: boolean): Promise<void> {
    if (!hasFeature(this.#vhostFeatures, VHOST_USER_F_PROTOCOL_FEATURES)) return;
    await this.#channel.acked(
      'SET_VRING_ENABLE',
      encode(VHOST_USER_VRING_STATE, { index, num: enabled ? 1 : 0 }),
    );
  }

  /** Sets DRIVER_OK: back-ends with STATUS start the device now. */
  async driverOk(): Promise<void> {
    await this.#setStatus(FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
  }

  /**
   * Stops a ring; returns the index of the next available entry that the back-end did not consume, or its
   * slot and wrap counter.
   */
  async stopRing(index: number): Promise<number> {
    const request = encode(VHOST_USER_VRING_STATE, { index });
    const reply = decode(
      VHOST_USER_VRING_STATE,
      await this.#channel.call('GET_VRING_BASE', VHOST_USER_VRING_STATE, request),
    );
    // For a packed ring the upper half of the number is the position in the used descriptors.
    const packed = hasFeature(this.#vhostFeatures, VIRTIO_F_RING_PACKED);
    if (reply.index !== index || (!packed && reply.num > 0xffff)) {
      throw this.#error(
        'VPCI_BACKEND_PROTOCOL',
        `it answered GET_VRING_BASE of ring ${index} with ring ${reply.index}, index ${reply.num}`,
      );
    }
    return reply.num & 0xffff;
  }

  async #negotiateProtocol(): Promise<void> {
    const offered = await this.#getU64('GET_PROTOCOL_FEATURES');
    this.#protocol = offered & PROTOCOL_FEATURES;
    await this.#channel.send('SET_PROTOCOL_FEATURES', u64(this.#protocol));
    this.#channel.replyAck = hasFeature(this.#protocol, VHOST_USER_PROTOCOL_F_REPLY_ACK);
  }

  async #setStatus(status: number): Promise<void> {
    if (hasFeature(this.#protocol, VHOST_USER_PROTOCOL_F_STATUS))
      await this.#channel.acked('SET_STATUS', u64(BigInt(status)));
  }

  async #getU64(name: RequestName): Promise<bigint> {
    return decode(VHOST_USER_U64, await this.#channel.call(name, VHOST_USER_U64)).value;
  }

  #error(code: PmdErrorCode, what: string): PmdError {
    return new PmdError(code, `Failed to set up the vhost-user back-end at ${this.#path}: ${what}`);
  }
}

const u64 = (value: bigint): DataView => encode(VHOST_USER_U64, { value });
