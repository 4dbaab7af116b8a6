// SPDX-License-Identifier: BSD-3-Clause
// Captures of what queues carry.
import type { MappingHandle, VectorHandle } from './handles.ts';

/** Where packets of a queue are copied to, and which. */
export interface CaptureSetup {
  readonly mapping: MappingHandle;
  /** Of the ring's head in the mapping, a multiple of the page size; zeroed. */
  readonly offset: number;
  /** Of the ring's data, which follow the head's page: a power of two. */
  readonly bytes: number;
  /** Most bytes of a packet. */
  readonly snaplen: number;
  /** Classic BPF; empty for all packets. */
  readonly filter: Uint8Array;
}

/** What became of the packets of a captured queue. */
export interface CaptureQueueCounts {
  readonly accepted: number;
  readonly filtered: number;
  /** The ring was full. */
  readonly dropped: number;
}

export interface CaptureCalls {
  /**
   * Compiles an expression of pcap-filter(7) for Ethernet by the system's libpcap: struct bpf_insn after
   * struct bpf_insn, and a line of text for each. Throws ENOENT if there is no libpcap, EINVAL with libpcap's
   * words for a bad expression.
   */
  compileFilter(expression: string, snaplen: number): { code: Uint8Array; lines: string[] };
  /** Uint32Array: not 0 while the point of that number is captured; the last is always 0. */
  captureWords(): ArrayBuffer;
  /**
   * From now on, packets of the point go to a ring in the mapping (src/pdump/ring.ts), which must stay until
   * captureEnd has returned counts. Throws ERANGE, EBUSY, and EINVAL for a filter that is no valid program.
   */
  captureBegin(point: number, setup: CaptureSetup): void;
  /** Ends it; null while a thread is still at it: call again. */
  captureEnd(point: number): CaptureQueueCounts | null;
  captureCounts(point: number): CaptureQueueCounts;
  /** HOT. Copies of vector[0..n), which has been received. */
  captureReceived(point: number, vector: VectorHandle, n: number): void;
  /** HOT. Before a burst that sends vector[from..to), and after it took `n` of them. */
  captureSending(point: number, vector: VectorHandle, from: number, to: number): void;
  captureSent(point: number, n: number): void;
}
