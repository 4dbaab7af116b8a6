// SPDX-License-Identifier: BSD-3-Clause
// When each packet of a replay was sent or came, for a file: memory that the loop shares with the main
// thread.

/** Plain data, which both threads hold. */
export interface GapLogMemory {
  readonly packets: number;
  readonly bytes: SharedArrayBuffer;
}

/** Bytes of a packet's entry. */
export const GAP_LOG_ENTRY = 9;

export const newGapLog = (packets: number): GapLogMemory => ({
  packets,
  bytes: new SharedArrayBuffer(GAP_LOG_ENTRY * packets),
});

export class GapLog {
  /** Ticks of each packet; -1 if it was not sent, or did not come. */
  readonly times: Float64Array;
  /** Of each packet: 1 if the loop was away from its CPU since the packet before. */
  readonly away: Uint8Array;

  constructor({ packets, bytes }: GapLogMemory) {
    this.times = new Float64Array(bytes, 0, packets);
    this.away = new Uint8Array(bytes, 8 * packets, packets);
  }

  begin(): void {
    this.times.fill(-1);
    this.away.fill(0);
  }

  /** HOT. */
  take(packet: number, now: Float64Array, away: boolean): void {
    if (packet >= this.times.length) return;
    this.times[packet] = now[0];
    this.away[packet] = away ? 1 : 0;
  }
}
