// SPDX-License-Identifier: BSD-3-Clause
// What a port needs of the device below it: its engines, and the words and numbers that it shows. A session
// over a carrier, such as vhost-pci's, is such a device.
import type { FeatureSet } from '../virtio/features.ts';
import type { EngineRole } from './carrier.ts';
import type { Engine } from './engine.ts';

export type DeviceState = 'live' | 'failed' | 'removed' | 'closed';

export interface DeviceEvents {
  /** The link changed. */
  onLink(): void;
  /** The reason why there is no link changed. */
  onLinkReason(): void;
  /** The device is gone; comes once. */
  onRemoved(): void;
  /** One line about trouble. */
  report(line: string): void;
}

export interface EngineDevice {
  readonly queuePairs: number;
  readonly state: DeviceState;
  readonly linkUp: boolean;
  /** Why there is no link, in words; empty while there is one. */
  readonly linkReason: string;
  /** What the peer's driver negotiated; means nothing without a link. */
  readonly peerFeatures: FeatureSet;
  /** MTU of the peer's network; 0 when it is unknown. */
  readonly peerMtu: number;
  /** 'polled': no thread can sleep until a packet comes. */
  readonly interrupts: 'eventfd' | 'polled';
  /** Throws a RangeError for a queue that the device lacks. */
  engine(role: EngineRole, pair: number): Engine;
  /** Eventfd on which a thread sleeps for RX engine `pair`; -1 for none. */
  interruptFd(pair: number): number;
  /** The port runs these many engines of each role, from pair 0 on. */
  startPort(queues: { readonly rx: number; readonly tx: number }): void;
  stopPort(): void;
  /** Lines for "show device info", in their order. */
  details(): [string, string | number][];
  /** Beyond those of the queues: trouble that belongs to the device. Never cleared. */
  counters(): [string, number][];
  /** Stops the engines and gives the device back. Idempotent. */
  close(): void;
}
