// SPDX-License-Identifier: BSD-3-Clause
// What a capture program and the process say to each other, a JSON object a message, on a socket beside the
// telemetry's. docs/capture.md describes it.
import type { CaptureQueueCounts } from '../native.ts';

/** In the folder of the prefix. */
export const PDUMP_SOCKET = 'vhost_pci_capture';
/** Bytes of a request: a filter has up to 4096 instructions of 8 bytes, in base64. */
export const MAX_REQUEST = 1 << 16;
/** Bytes of a reply. */
export const MAX_REPLY = 1 << 16;
/** Changes when an older program would misunderstand. */
export const PROTOCOL = 1;

export interface Greeting {
  readonly protocol: number;
  readonly pid: number;
  readonly version: string;
}

/** `list`. */
export interface ListedPort {
  readonly id: number;
  readonly name: string;
  readonly received: number;
  readonly dropped: number;
}

/** `start`: the rings are in the file that comes with the reply. */
export interface StartRequest {
  readonly command: 'start';
  readonly port: number;
  readonly snaplen: number;
  /** Bytes of each ring: a power of two. */
  readonly ringBytes: number;
  /** Classic BPF in base64; empty for every packet. */
  readonly filter: string;
}

export interface Ring {
  readonly role: 'rx' | 'tx';
  readonly queue: number;
  /** In the file. */
  readonly offset: number;
}

export interface Started {
  readonly rings: readonly Ring[];
  /** Of each ring, and of the file. */
  readonly ringBytes: number;
  readonly fileBytes: number;
}

/** `status`, and `stop`, which is to be repeated while the answer is busy: the counts may still change. */
export interface Counted {
  readonly counts: CaptureQueueCounts;
  /** `status`: the port is gone, and with it the capture. */
  readonly gone?: boolean;
  /** `stop`. */
  readonly busy?: boolean;
}

/** Any request that failed. */
export interface Refused {
  readonly error: string;
}
