// SPDX-License-Identifier: BSD-3-Clause
// All suites, in the order of --help. To add one, put a file next to this one and add a row.
import type { Suite } from '../suite.ts';
import { chain } from './chain.ts';
import { inPlace } from './in-place.ts';
import { interrupts } from './interrupts.ts';
import { latency } from './latency.ts';
import { limit } from './limit.ts';
import { loopback } from './loopback.ts';
import { memif } from './memif.ts';
import { ovs } from './ovs.ts';
import { pktgen } from './pktgen.ts';
import { telemetry } from './telemetry.ts';

export const SUITES: readonly Suite[] = [
  ...[loopback, limit, inPlace, interrupts, latency, telemetry, memif, ovs, chain, pktgen],
];
