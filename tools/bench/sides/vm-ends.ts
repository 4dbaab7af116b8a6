// SPDX-License-Identifier: BSD-3-Clause
// Our driver between guests with stock virtio-net ports: where other suites count at any peer, these count at
// the same guests as behind a switch.
import type { Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import type { Settings } from '../settings.ts';
import { OurBackEnd } from './back-ends.ts';
import { type GuestsOptions, VirtioGuests } from './guests.ts';
import type { BenchPeer } from './peers.ts';

/** The driver relays between two ports; a guest's virtio-net port is at the other end of each. */
export class OurRelay extends OurBackEnd {
  readonly #settings: Settings;
  readonly #workspace: Workspace;
  readonly #guests: Omit<GuestsOptions, 'sockets'>;
  #peer: VirtioGuests | undefined;

  constructor(
    settings: Settings,
    wanted: Case,
    workspace: Workspace,
    guests: Omit<GuestsOptions, 'sockets'>,
  ) {
    super(settings, wanted, workspace);
    this.#settings = settings;
    this.#workspace = workspace;
    this.#guests = guests;
  }

  get lost(): number {
    return this.#peer?.lost ?? 0;
  }

  createPeer(): BenchPeer {
    this.#peer = new VirtioGuests(this.#settings, this.#workspace, {
      ...this.#guests,
      sockets: this.sockets,
    });
    return this.#peer;
  }
}
