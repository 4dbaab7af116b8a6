// SPDX-License-Identifier: BSD-3-Clause
// A ring of guests without the first one: its two ports are left for the programs of an order check. The
// guests only relay, so that what comes out can be compared with what went in.
import type { Watch } from '../../run/watch.ts';
import type { Workspace } from '../../run/workspace.ts';
import type { Settings } from '../settings.ts';
import type { BackEnd } from './back-ends.ts';
import { type GuestsOptions, VirtioGuests } from './guests.ts';

export interface Ring extends BackEnd {
  /** The guests of this back-end forward. */
  forward?(): Promise<void>;
}

export class OpenRing implements BackEnd {
  readonly watch: Watch;
  readonly #ring: Ring;
  readonly #create: () => VirtioGuests | undefined;
  #guests: VirtioGuests | undefined;

  /** `guests`: those with virtio-net, the first of which is left out. */
  constructor(ring: Ring, settings: Settings, workspace: Workspace, guests: Omit<GuestsOptions, 'sockets'>) {
    this.#ring = ring;
    this.watch = ring.watch;
    const sockets = ring.sockets.slice(2);
    const others = { ...guests, sockets, txFirst: 0 };
    this.#create = () => (sockets.length > 0 ? new VirtioGuests(settings, workspace, others) : undefined);
  }

  get sockets(): readonly string[] {
    return this.#ring.sockets.slice(0, 2);
  }

  get pid(): number | undefined {
    return this.#ring.pid;
  }

  async start(): Promise<void> {
    await this.#ring.start();
    this.#guests = this.#create();
    if (this.#guests) this.watch.add(this.#guests.child);
    await this.#guests?.start();
    await this.#ring.forward?.();
  }

  pause(): void {
    this.#ring.pause();
  }

  resume(): void {
    this.#ring.resume();
  }

  async stop(): Promise<void> {
    await this.#guests?.stop();
    await this.#ring.stop();
  }
}
