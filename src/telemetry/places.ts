// SPDX-License-Identifier: BSD-3-Clause
// The places of a socket. Whoever connects and asks nothing must not keep others out: when all places are
// taken, a newcomer gets that of the client idle longest.

/** So long after its last request a client is idle. */
const IDLE_MS = 5000;

export interface Occupant {
  /** Milliseconds without a request; Infinity if it has made none or is gone, 0 while it is in use. */
  idleFor(now: number): number;
  /** Takes it out of its places before it returns. */
  close(): void;
}

/** A set, or a map to clients. */
type Clients = Pick<ReadonlySet<Occupant>, 'size' | 'values'>;

/** Whether there is a place for one more, or now is; `clients` are in the order in which they came. */
export function makePlace(clients: Clients, most: number): boolean {
  if (clients.size < most) return true;
  idlest(clients, performance.now())?.close();
  return clients.size < most;
}

/** Of those that have been idle equally long, the first that came; undefined if none is idle. */
function idlest(clients: Clients, now: number): Occupant | undefined {
  let longest = IDLE_MS;
  let found: Occupant | undefined;
  for (const client of clients.values()) {
    const idle = client.idleFor(now);
    if (idle <= longest) continue;
    longest = idle;
    found = client;
  }
  return found;
}
