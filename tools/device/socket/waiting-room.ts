// SPDX-License-Identifier: BSD-3-Clause
// Connections that came while the only place was taken by one that has not introduced itself. They wait: it may never do so.
import { native } from '../../../src/native.ts';
import { closeQuietly } from '../../socket/fds.ts';

const SEATS = 8;

export class WaitingRoom {
  #fds: number[] = [];

  /** False when all seats are taken; the descriptor stays the caller's then. */
  add(fd: number): boolean {
    this.#fds = this.#fds.filter(stillThere);
    if (this.#fds.length >= SEATS) return false;
    this.#fds.push(fd);
    return true;
  }

  /** The one that has waited longest, which the caller owns from now on; null for none. */
  next(): number | null {
    this.#fds = this.#fds.filter(stillThere);
    return this.#fds.shift() ?? null;
  }

  /** All of them; the caller owns them. */
  clear(): number[] {
    return this.#fds.splice(0);
  }
}

function stillThere(fd: number): boolean {
  if (!native.isHungUp(fd)) return true;
  closeQuietly(fd);
  return false;
}
