// SPDX-License-Identifier: BSD-3-Clause
// Almost valid control queue messages of a device: the driver's parser returns each message or the reason why
// it is invalid.
import { expect, it } from 'vitest';
import { parseMessage } from '../../src/vhost-pci/control-decode.ts';
import {
  linkReasonMessage,
  packedMemoryMessage,
  peerFeaturesMessage,
  placedMemoryMessage,
  queueStopMessage,
  queuesMessage,
} from '../../tools/device/session/control-encode.ts';
import { Disorder, fuzzSessions } from './mutator.ts';

const MESSAGES = fuzzSessions(2000);
const record = {
  last_avail_idx: 0,
  serial: 1,
  vring_enable: 1,
  vring_num: 256,
  desc_gpa: 0x4000_0000n,
  avail_gpa: 0x4000_8000n,
  used_gpa: 0x4000_a000n,
};
const region = { gpa: 0n, size: 1n << 20n, offset: 0n, bar: 2 };

it(`${MESSAGES} of them: each is a message or has a reason`, () => {
  const chaos = new Disorder(1);
  const legal = [
    peerFeaturesMessage(1n << 32n),
    placedMemoryMessage([region, { ...region, gpa: 1n << 32n, offset: 1n << 20n }]),
    packedMemoryMessage([{ gpa: 0n, size: 1n << 20n }]),
    queuesMessage([record, record, record, record]),
    queueStopMessage(1, 7),
    linkReasonMessage('no peer is connected'),
  ];
  const seen = new Map<string, number>();
  for (let i = 0; i < MESSAGES; i++) {
    const { type } = parseMessage(chaos.mutate(chaos.pick(legal)), {
      queuePairs: 2,
      session: chaos.chance(80),
    });
    seen.set(type, (seen.get(type) ?? 0) + 1);
  }
  // Some are still valid messages, so that mutations reach the part after the header.
  expect([...seen.keys()].length).toBeGreaterThan(3);
});
