// SPDX-License-Identifier: BSD-3-Clause
// The tests and frame sizes of RFC 2544.

export const RFC2544_TESTS = ['throughput', 'latency', 'loss', 'back-to-back'] as const;
export type Rfc2544Test = (typeof RFC2544_TESTS)[number];
/** Section 9.1, with the frame check sequence. */
export const RFC2544_SIZES = [64, 128, 256, 512, 1024, 1280, 1518];
export const FCS = 4;
