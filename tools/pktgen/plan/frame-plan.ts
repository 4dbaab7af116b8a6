// SPDX-License-Identifier: BSD-3-Clause
// What the lcore has to know of a stream: bytes of a frame, and what varies from frame to frame. Plain data.

/** A field whose value changes with each frame. */
export interface FieldPlan {
  /** Offset of its first varied byte in the frame. */
  readonly offset: number;
  /** Varied bytes: 2 or 4 of a range, any number of a list. */
  readonly width: number;
  /** Ranges: big-endian numbers. */
  readonly range?: {
    readonly from: number;
    readonly to: number;
    readonly step: number;
    readonly random: boolean;
  };
  /** Lists: the values one after another, `width` bytes each. */
  readonly list?: Uint8Array;
  /** Whether the IPv4 header's checksum covers it. */
  readonly inIp: boolean;
  /** Whether the checksum of UDP or TCP covers it. */
  readonly inL4: boolean;
}

export interface FramePlan {
  /** The headers, zero in varied fields, lengths and checksums; up to the signature, a multiple of 4. */
  readonly headers: Uint8Array;
  /** Offsets of the IPv4 or IPv6 header and of the UDP or TCP header. */
  readonly ip: number;
  readonly l4: number;
  /** That of the IP header: UDP or TCP. */
  readonly protocol: number;
  readonly isIpv6: boolean;
  readonly fields: readonly FieldPlan[];
  /** Sizes of the frames, one after another, again and again; or a range. */
  readonly sizes: readonly number[];
  readonly sizeRange?: {
    readonly from: number;
    readonly to: number;
    readonly step: number;
    readonly random: boolean;
  };
}

/** Packets of a capture. */
export interface ReplayPlan {
  /** The packets, each from a word of its own on, in memory that threads share. */
  readonly words: Uint32Array;
  /** First word and bytes of each. */
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  /** Nanoseconds from the first packet to each; null if they are sent at a rate. */
  readonly dues: Float64Array | null;
  /** Nanoseconds from the last packet to the first of the next loop. */
  readonly loopGap: number;
}

export interface StreamPlan {
  /** Null if there is a replay. */
  readonly frame: FramePlan | null;
  readonly replay: ReplayPlan | null;
  /** Frames that are due together. */
  readonly burst: number;
  readonly poisson: boolean;
  /** Frames to send in a trial; Infinity for no limit. */
  readonly count: number;
  readonly seed: number;
}

/** Bytes of the signature after the headers: tag, number, time when the frame was due. */
export const SIGNATURE = 12;
