// SPDX-License-Identifier: BSD-3-Clause
// Holds connections that arrived while the single slot was taken by a client that has not introduced itself
// yet, and may never do so.
import { native } from '../../../src/native.ts';
import { closeQuietly } from '../../socket/fds.ts';

const SEATS = 8;

export class WaitingRoom {
  #fds: number[] = [];

  /** False when all seats are taken; the descriptor then remains the caller's. */
  add(fd: number): boolean {
    this.#fds = this.#fds.filter(stillThere);
    if (this.#fds.length >= SEATS) return false;
    this.#fds.push(fd);
    return true;
  }

  /** The connection that has waited longest, which the caller now owns; null if there is none. */
  next(): number | null {
    this.#fds = this.#fds.filter(stillThere);
    return this.#fds.shift() ?? null;
  }

  /** Removes and returns all connections; the caller owns them. */
  clear(): number[] {
    return this.#fds.splice(0);
  }
}

function stillThere(fd: number): boolean {
  if (!native.isHungUp(fd)) return true;
  closeQuietly(fd);
  return false;
}
