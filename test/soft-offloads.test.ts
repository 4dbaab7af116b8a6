// SPDX-License-Identifier: BSD-3-Clause
// Software offloads in whole runs of testpmd: frames of a capture file, through the prompt's settings, into
// another.
import { expect, it } from 'vitest';
import { type FrameSpec, frame } from '../src/offload/offload.test-help.ts';
import { framesThrough } from './support/frames-through.ts';

/** Forwards frames of one file to another; `lines` are typed before start, `then` at the end. */
const run = (
  frames: readonly Uint8Array[],
  options: readonly string[],
  lines: readonly string[],
  then?: string,
) => framesThrough({ frames, options, lines, ...(then === undefined ? {} : { then }) });

const INNER = 0x8100;
const tagged = (vlan: number, other: FrameSpec = {}) => frame({ ...other, tags: [[INNER, vlan]] });

it('a port filters and strips tags, and adds others to what it sends', async () => {
  const frames = [frame(), tagged(5), tagged(6), frame({ tags: [[0x88a8, 9]] })];
  const { sent } = await run(
    frames,
    ['--enable-hw-vlan-strip'],
    ['vlan set filter on 0', 'rx_vlan add 5 0', 'tx_vlan set pvid 0 77 on'],
  );
  expect(sent.map(String)).toEqual([tagged(77), tagged(77), frame({ tags: [[0x88a8, 9]] })].map(String));
});

it('a mode that sets addresses adds the tags of tx_vlan set, and io does not', async () => {
  const set = ['port stop 0', 'tx_vlan set 0 5 6', 'port start 0'];
  const swapped = frame({
    tags: [
      [0x88a8, 6],
      [INNER, 5],
    ],
  });
  const { sent } = await run([frame()], [], [...set, 'set fwd macswap']);
  expect(String(sent[0]?.subarray(12))).toBe(String(swapped.subarray(12)));
  expect(String(sent[0]?.subarray(0, 6))).toBe(String(frame().subarray(6, 12)));
  expect((await run([frame()], [], set)).sent.map(String)).toEqual([String(frame())]);
});

it('a port that is not promiscuous drops what is for others', async () => {
  const frames = [
    [2, 0, 0, 0, 0, 1],
    [2, 0, 0, 0, 0, 2],
    [1, 0, 94, 0, 0, 1],
  ].map((dst) => frame({ dst }));
  const { sent } = await run(
    frames,
    [],
    ['mac_addr set 0 02:00:00:00:00:02', 'set promisc 0 off', 'set allmulti 0 off'],
  );
  expect(sent.map(String)).toEqual([String(frames[1])]);
});

it('flow rules drop, count and mark', async () => {
  const frames = [53, 80, 53, 81].map((port) => frame({ ports: [1, port] }));
  const { sent, said } = await run(
    frames,
    [],
    [
      'flow create 0 ingress pattern eth / ipv4 / udp dst is 53 / end actions count / drop / end',
      'flow create 0 ingress pattern eth / ipv4 / udp dst is 80 / end actions mark id 7 / end',
      'set verbose 1',
    ],
    'flow query 0 0 count',
  );
  expect(sent.map(String)).toEqual([frames[1], frames[3]].map(String));
  expect(said).toMatch(/hits: 2\s+bytes: 92/);
  expect(said.match(/FDIR matched ID=0x7/g)).toHaveLength(1);
});

it('four queues over the one of a device have the packets of each flow on one of them', async () => {
  const frames = Array.from({ length: 400 }, (_, i) =>
    frame({ src: [10, 0, 0, 1 + (i % 50)], ports: [i % 50, 80] }),
  );
  const { sent, said } = await run(frames, ['--rxq=4', '--txq=4', '--rss-ip'], []);
  expect(sent.map(String).sort()).toEqual(frames.map(String).sort());
  const counts = [...said.matchAll(/Queue= (\d) -> TX Port= 0[^\n]*\n\s*RX-packets: (\d+)/g)].slice(0, 4);
  expect(counts).toHaveLength(4);
  // Flows have 8 packets each.
  for (const [, , count] of counts) expect(Number(count) % 8).toBe(0);
  expect(counts.filter(([, , count]) => Number(count) > 0).length).toBeGreaterThan(1);
});

it('a stopped queue receives nothing', async () => {
  const frames = Array.from({ length: 64 }, (_, i) => frame({ src: [10, 0, 0, 1 + i] }));
  const { sent } = await run(frames, ['--rxq=2', '--txq=2', '--rss-ip'], ['port 0 rxq 1 stop']);
  expect(sent.length).toBeGreaterThan(0);
  expect(sent.length).toBeLessThan(frames.length);
});
