// SPDX-License-Identifier: BSD-3-Clause
// A carrier without a device: windows are files, and a test says when the link changes and when the carrier goes.
import { native } from '../native.ts';
import type { Carrier, SharedArea } from './carrier.ts';

export class FakeCarrier implements Carrier {
  readonly name = 'fake';
  readonly windows = new Map<number, { fd: number; size: number; writable: boolean }>();
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

  doorbell(): number {
    return -1;
  }

  interruptFd(): number {
    return -1;
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
}
