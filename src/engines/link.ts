// SPDX-License-Identifier: BSD-3-Clause
// The link of a function: up or down, the reason why it is down, and the order in which the owner of the
// device is notified.
import type { DeviceEvents } from './device.ts';

export type LinkEvents = Pick<DeviceEvents, 'onLink' | 'onLinkReason'>;

export class Link {
  readonly #wake: () => void;
  readonly #events: LinkEvents;
  #up = false;
  #reason = '';
  #heard = false;

  /** `wake` wakes the threads that sleep on RX queues, before `events` is called. */
  constructor(wake: () => void, events: LinkEvents) {
    this.#wake = wake;
    this.#events = events;
  }

  get up(): boolean {
    return this.#up;
  }

  /** The device's reason why the link is down; empty while it is up, or if the device has not sent one. */
  get reason(): string {
    return this.#reason;
  }

  /** Whether the device has been heard of since it was opened or reset: a reason, or that the link is up. */
  get heard(): boolean {
    return this.#heard;
  }

  /** A reason that arrived before the link went down is reported after it. */
  set(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    this.#heard = true;
    if (up) this.#reason = '';
    this.#wake();
    this.#events.onLink();
    if (!this.#up && this.#reason !== '') this.#events.onLinkReason();
  }

  setReason(text: string): void {
    if (this.#reason === text) return;
    this.#reason = text;
    this.#heard = true;
    if (!this.#up) this.#events.onLinkReason();
  }

  /** The device was reset: its reason is no longer valid. */
  clearReason(): void {
    this.#reason = '';
    this.#heard = false;
  }

  /** The owner closes the device: link down, without an event. */
  drop(): void {
    this.#up = false;
  }
}
