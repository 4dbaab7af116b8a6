// SPDX-License-Identifier: BSD-3-Clause
// A capture of one interface: what is asked of the process, and the rings that come of it.
import { native } from '../../src/native.ts';
import type { PdumpConnection } from '../../src/pdump/connection.ts';
import { Source } from '../../src/pdump/drain.ts';
import { compileFilter } from '../../src/pdump/filter.ts';
import { MAX_RING, MIN_RING, RECORD, RingReader } from '../../src/pdump/ring.ts';
import type { Interface } from './interfaces.ts';

/** Of a packet that a ring has room for, whatever the snapshot length. */
const USUAL_PACKET = 2176;

/** Bytes of a ring with room for so many packets: a power of two. */
export function ringBytes(packets: number, snaplen: number): number {
  const wanted = packets * (Math.min(snaplen, USUAL_PACKET) + RECORD);
  return Math.min(MAX_RING, Math.max(MIN_RING, 2 ** Math.ceil(Math.log2(wanted))));
}

/** Begins to capture an interface. */
export function sourcesOf(
  connection: PdumpConnection,
  one: Interface,
  interfaceId: number,
  packets: number,
): Source[] {
  const { code } = compileFilter(one.filter, one.snaplen);
  const { rings, fd, ...started } = connection.start({
    port: one.port.id,
    snaplen: one.snaplen,
    ringBytes: ringBytes(packets, one.snaplen),
    filter: Buffer.from(code).toString('base64'),
  });
  const mapping = native.mapFd(fd, 0, started.fileBytes, true);
  native.close(fd);
  return rings.map(
    ({ role, offset }) => new Source(new RingReader(mapping, offset, started.ringBytes), interfaceId, role),
  );
}
