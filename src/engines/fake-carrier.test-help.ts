// SPDX-License-Identifier: BSD-3-Clause
// A carrier without a device, bus or session: windows are files, signals are eventfds of the test, which also
// controls link changes and the removal of the carrier.
import { native } from '../native.ts';
import type { Carrier, EngineRole, SharedArea } from './carrier.ts';

export class FakeCarrier implements Carrier {
  readonly name = 'fake';
  readonly windows = new Map<number, { fd: number; size: number; writable: boolean }>();
  /** Of pair 0. */
  readonly doorbells: Readonly<Record<EngineRole, number>> = { rx: native.eventfd(), tx: native.eventfd() };
  /** Of pair 0. */
  readonly rxInterruptFd: number = native.eventfd();
  setLink: (up: boolean) => void = () => {};
  remove: () => void = () => {};

  mapWindow(window: number): SharedArea[] {
    const shared = this.windows.get(window);
    if (!shared) return [];
    const { fd, size, writable } = shared;
    return [{ mapping: native.mapFd(fd, 0, size, writable), offset: 0, size, writable }];
  }

  windowName(window: number): string {
    return `section ${window}`;
  }

  doorbell(role: EngineRole, pair: number): number {
    return pair === 0 ? this.doorbells[role] : -1;
  }

  interruptFd(pair: number): number {
    return pair === 0 ? this.rxInterruptFd : -1;
  }

  driverArea(): null {
    return null;
  }

  onLink(handler: (up: boolean) => void): void {
    this.setLink = handler;
  }

  onRemoved(handler: () => void): void {
    this.remove = handler;
  }

  close(): void {
    for (const fd of [this.doorbells.rx, this.doorbells.tx, this.rxInterruptFd]) native.close(fd);
  }
}
