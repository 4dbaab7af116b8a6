// SPDX-License-Identifier: BSD-3-Clause
// What a port needs of its device: engines, state, details and counters. A session over a carrier, such as
// that of vhost-pci, is such a device.
import type { FeatureSet } from '../virtio/features.ts';
import type { EngineRole } from './carrier.ts';
import type { QueueEngine } from './queue-engine.ts';

export type DeviceState = 'live' | 'failed' | 'removed' | 'closed';

export interface DeviceEvents {
  /** The link changed. */
  onLink(): void;
  /** The reason why the link is down changed. */
  onLinkReason(): void;
  /** The device is gone; called once. */
  onRemoved(): void;
  /** Receives a one-line error report. */
  report(line: string): void;
}

export interface EngineDevice {
  readonly queuePairs: number;
  readonly state: DeviceState;
  readonly linkUp: boolean;
  /** Why the link is down, as text; empty while it is up. */
  readonly linkReason: string;
  /** The features that the peer's driver negotiated; meaningless without a link. */
  readonly peerFeatures: FeatureSet;
  /** MTU of the peer's network; 0 if unknown. */
  readonly peerMtu: number;
  /** Longest frame that can pass, Ethernet header included, in bytes. */
  readonly maxPktLen: number;
  /** Most descriptors that a ring of a peer can have. */
  readonly maxDescriptors: number;
  /** 'polled': threads cannot sleep until a packet arrives. */
  readonly interrupts: 'eventfd' | 'polled';
  /** Throws a RangeError for a queue that the device lacks. */
  engine(role: EngineRole, pair: number): QueueEngine;
  /** Eventfd on which a thread sleeps for RX engine `pair`; -1 for none. */
  interruptFd(pair: number): number;
  /** The port runs this number of engines of each role, from pair 0 on. */
  startPort(queues: { readonly rx: number; readonly tx: number }): void;
  stopPort(): void;
  /** Lines for "show device info", in their order. */
  details(): [string, string | number][];
  /** Counters of the device's errors, besides those of the queues. Never cleared. */
  counters(): [string, number][];
  /** Stops the engines and releases the device. Idempotent. */
  close(): void;
}
