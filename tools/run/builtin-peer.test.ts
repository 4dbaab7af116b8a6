// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { parseReport } from './builtin-peer.ts';

it('reports are the JSON lines, periodic or final', () => {
  const line = '{"seconds":0.5,"txPackets":10,"rxPackets":7,"kicks":1}';
  expect(parseReport(line)).toEqual({ seconds: 0.5, txPackets: 10, rxPackets: 7, kicks: 1 });
  expect(parseReport('{"final":true,"txPackets":10}')?.final).toBe(true);
  for (const other of ['The back-end is up', '']) expect(parseReport(other)).toBeUndefined();
});
