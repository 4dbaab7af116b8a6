// SPDX-License-Identifier: BSD-3-Clause
// The cases of a comparison: the back-end's direction and a frame size.

/**
 * Seen from the back-end. 'relay' is io between two ports; the peer has a driver at the other end of each.
 */
export const DIRECTIONS = ['rx', 'tx', 'io', 'macswap', 'relay'] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface Case {
  /** "rx-64". */
  readonly name: string;
  readonly direction: Direction;
  /** Bytes of a frame, FCS not counted, as testpmd's txpkts. */
  readonly size: number;
}

/** testpmd's forward modes on both sides, and which of the peer's rates is the result. */
export const ROLES: Readonly<Record<Direction, Roles>> = {
  rx: { backEnd: 'rxonly', peer: 'txonly', rate: 'txPps', ports: 1 },
  tx: { backEnd: 'txonly', peer: 'rxonly', rate: 'rxPps', ports: 1 },
  io: { backEnd: 'io', peer: 'io', rate: 'rxPps', ports: 1 },
  macswap: { backEnd: 'macswap', peer: 'io', rate: 'rxPps', ports: 1 },
  relay: { backEnd: 'io', peer: 'io', rate: 'rxPps', ports: 2 },
};

interface Roles {
  readonly backEnd: string;
  readonly peer: string;
  readonly rate: 'rxPps' | 'txPps';
  readonly ports: number;
}

export function casesOf(directions: readonly Direction[], sizes: readonly number[]): Case[] {
  return directions.flatMap((direction) =>
    sizes.map((size) => ({ name: `${direction}-${size}`, direction, size })),
  );
}
