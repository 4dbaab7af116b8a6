// SPDX-License-Identifier: BSD-3-Clause
// The cases of a comparison: a direction, seen from the back-end, and a frame size.

export const DIRECTIONS = ['rx', 'tx', 'io'] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface Case {
  /** "rx-64". */
  readonly name: string;
  readonly direction: Direction;
  /** Bytes of a frame, FCS not counted, as testpmd's txpkts. */
  readonly size: number;
}

/** testpmd's forward modes on both sides, and the figure of the peer's statistics that is the rate. */
export const ROLES: Readonly<Record<Direction, { backEnd: string; peer: string; rate: 'rxPps' | 'txPps' }>> =
  {
    rx: { backEnd: 'rxonly', peer: 'txonly', rate: 'txPps' },
    tx: { backEnd: 'txonly', peer: 'rxonly', rate: 'rxPps' },
    io: { backEnd: 'io', peer: 'io', rate: 'rxPps' },
  };

export function casesOf(directions: readonly Direction[], sizes: readonly number[]): Case[] {
  return directions.flatMap((direction) =>
    sizes.map((size) => ({ name: `${direction}-${size}`, direction, size })),
  );
}
