// SPDX-License-Identifier: BSD-3-Clause
// Interfaces of the kernel: taps with their queues, and packet sockets.
import type { TapQueueHandle, VectorHandle } from './handles.ts';

export interface TapOffloads {
  /** Checksums; the other offloads require it. */
  readonly csum: boolean;
  readonly tso4: boolean;
  readonly tso6: boolean;
  readonly ecn: boolean;
  readonly uso: boolean;
}

export interface InterfaceCalls {
  /**
   * Opens one more queue of the tap interface `name`, and creates the interface if it does not exist (a %d in
   * the name becomes a free number). Returns a non-blocking descriptor, and the interface's name. Frames have
   * a virtio-net header of 12 bytes.
   */
  tapOpen(name: string, multiQueue: boolean): { readonly fd: number; readonly name: string };
  /**
   * Which offloads the kernel may leave to us in the frames that it sends. EINVAL for `uso` before Linux 6.2.
   */
  tapSetOffloads(fd: number, offloads: TapOffloads): void;
  /** Sets whether the interface outlives its last descriptor. */
  tapSetPersist(fd: number, persist: boolean): void;
  tapGetMac(fd: number): Uint8Array;
  tapSetMac(fd: number, mac: Uint8Array): void;
  /** The interface's current name, in any network namespace; EBADFD if it was deleted. */
  tapName(fd: number): string;
  /** For an interface of this network namespace; ENODEV if it does not exist. */
  interfaceMtu(name: string): number;
  interfaceSetMtu(name: string, mtu: number): void;
  interfaceIsUp(name: string): boolean;
  interfaceSetUp(name: string, up: boolean): void;
  /**
   * A socket for whole frames from and to an interface, which it makes promiscuous; the caller owns it. EPERM
   * without CAP_NET_RAW, ENODEV, EPROTOTYPE if the frames are not of Ethernet.
   */
  packetOpen(name: string, onlyIncoming: boolean): { readonly fd: number; readonly mac: Uint8Array };
  /**
   * HOT. The next frame, at the start of `into` (64 KiB and more); its length, 0 for none, negative for an
   * error.
   */
  packetReceive(fd: number, into: Uint8Array): number;
  /** HOT. Sends the first `length` bytes; false if the kernel does not take them. */
  packetSend(fd: number, frame: Uint8Array, length: number): boolean;
  /** Frames that the kernel dropped since the last call, because the socket was full. */
  packetDropped(fd: number): number;
  /** The state of the socket's interface: "gone" (deleted, or in another network namespace) is for good. */
  packetLink(fd: number): 'up' | 'down' | 'no carrier' | 'gone';
  /** A descriptor that is readable when an interface of this namespace has changed; the caller owns it. */
  linkEventsOpen(): number;
  /** Takes what has come: what an interface is now is to be asked anew. */
  linkEventsDrain(fd: number): void;
  /** A queue slot, stopped. 'rx' receives from the kernel, 'tx' sends to it. */
  tapQueueCreate(role: 'rx' | 'tx'): TapQueueHandle;
  /**
   * Attaches the slot to a descriptor of `tapOpen`, which the caller still owns. `cutsUdp`: the kernel
   * segments datagrams; otherwise the queue does.
   */
  tapQueueStart(queue: TapQueueHandle, fd: number, cutsUdp: boolean): void;
  /** Waits until no thread runs a burst; the descriptor is not touched afterwards. Idempotent. */
  tapQueueStop(queue: TapQueueHandle): void;
  /** As `queueStats`. */
  tapQueueStats(queue: TapQueueHandle): ArrayBuffer;
  tapQueueDestroy(queue: TapQueueHandle): void;
  /** HOT. As `rxBurst` and `txBurst`. */
  tapRxBurst(queue: TapQueueHandle, vector: VectorHandle, n: number): number;
  tapTxBurst(queue: TapQueueHandle, vector: VectorHandle, from: number, to: number): number;
}
