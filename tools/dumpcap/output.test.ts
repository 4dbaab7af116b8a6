// SPDX-License-Identifier: BSD-3-Clause
// The series of files of -b, without a capture.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { blankHeader } from '../../src/capture/writer.ts';
import { Output } from './output.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vhost-pci-dumpcap-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it.each([1, 2, 3])('regression: a series of the last %i has no more of them at any time', (files) => {
  const counts: number[] = [];
  const output = new Output({
    output: join(folder, 'series.pcap'),
    groupRead: false,
    pcapng: false,
    comment: undefined,
    tempDir: folder,
    ring: { packets: 1, files },
    interfaces: [{}],
    snaplen: 100,
    port: { id: 0, name: 'net_null0' },
    onFile: () => counts.push(readdirSync(folder).length),
  });
  for (let packet = 0; packet < 5; packet++) {
    output.isFull();
    output.write({ ...blankHeader('in'), length: 60, originalLength: 60 }, new Uint8Array(60));
  }
  output.end([]);
  expect(counts).toEqual([1, 2, 3, 4, 5].map((begun) => Math.min(begun, files)));
  expect(
    readdirSync(folder)
      .toSorted()
      .map((name) => name.slice(0, 13)),
  ).toEqual([1, 2, 3, 4, 5].slice(-files).map((number) => `series_0000${number}_`));
});
