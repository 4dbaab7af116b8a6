// SPDX-License-Identifier: BSD-3-Clause
// Opens the function of RFC 2.1 at a socket and stores a byte into each side: its own, then its peer's.
import { writeSync } from 'node:fs';
import { openVfioUser } from '../../src/bus/vfio-user.ts';
import { native } from '../../src/native.ts';
import { SymmetricCarrier } from '../../src/vhost-pci/symmetric.ts';

const carrier = new SymmetricCarrier(openVfioUser(process.argv[2] ?? ''));
for (const side of [carrier.own, carrier.peer]) {
  const bytes = new Uint8Array(native.mappingBuffer(side.mapping));
  if (side === carrier.peer) writeSync(1, 'about to store\n');
  bytes[side.offset + 4096] = 1;
}
writeSync(1, 'stored\n');
