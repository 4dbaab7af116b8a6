// SPDX-License-Identifier: BSD-3-Clause
import { defineConfig } from 'vitest/config';

const ALL = ['src/**/*.test.ts', 'tools/**/*.test.ts', 'test/**/*.test.ts'];
/** Virtual machines: npm run test:vm. */
const VM = 'test/vm/**';

/**
 * `long`: fuzzers, sanitizers, instruction counts, benchmarks, attacks that take their time, and whatever
 * the documents print. Not in `npm test`, but in
 * `npm run test:all`.
 */
const LONG = [
  'test/fuzz/**/*.test.ts',
  'test/perf/**/*.test.ts',
  'test/attacks/**/*.test.ts',
  'test/ring-*.test.ts',
  'test/bench.test.ts',
  'test/bench-report.test.ts',
  'test/build-folder.test.ts',
  'test/closed-terminal.test.ts',
  'test/csum-kernels.test.ts',
  'test/framing.test.ts',
  'test/guide.test.ts',
  'test/held-prompt.test.ts',
  'test/hostile-holdings.test.ts',
  'test/hole-memory.test.ts',
  'test/hugepage-limit.test.ts',
  'test/interrupt.test.ts',
  'test/latency.test.ts',
  'test/lifecycle.test.ts',
  'test/gro-dpdk.test.ts',
  'test/modes-dpdk.test.ts',
  'test/net-tap.test.ts',
  'test/pktgen-docs.test.ts',
  'test/readme-commands.test.ts',
  'test/removal.test.ts',
  'test/session-hostile.test.ts',
  'test/silent-memory.test.ts',
  'test/start.test.ts',
  'test/stopped-ring.test.ts',
  'test/tshark.test.ts',
  'test/vlan-dpdk.test.ts',
  'test/vlan-filter.test.ts',
  'test/zero-garbage.test.ts',
  'tools/examples/*.test.ts',
  'tools/peer/hostile.test.ts',
  'tools/pktgen/main.test.ts',
];

/**
 * `unit`: what starts no poll loop, so that files do not starve each other and run side by side. The rest
 * runs one by one.
 */
const UNIT = [
  'src/*.test.ts',
  ...[
    'abi',
    'output',
    'bus',
    'pci',
    'packet',
    'capture',
    'virtio',
    'engines',
    'sections',
    'vhost-pci',
    'ivshmem',
    'ethdev',
    'offload',
  ].map((folder) => `src/${folder}/**/*.test.ts`),
  'src/{telemetry,pdump}/**/*.test.ts',
  'src/drivers/vhost-pci/{devargs,in-place,offloads}.test.ts',
  'src/drivers/ivshmem/devargs.test.ts',
  'src/testpmd/{commands,metrics,text}/**/*.test.ts',
  'src/testpmd/{command-line,event-limit,hot-plug,input-lines,line-editor,streams}.test.ts',
  ...['bench', 'charts', 'device', 'devbind', 'dumpcap', 'run', 'socket', 'vm'].map(
    (folder) => `tools/${folder}/**/*.test.ts`,
  ),
  'tools/pktgen/{engine,plan,report}/**/*.test.ts',
  'tools/pktgen/{live,rate-control,result,search,timeline,workload}.test.ts',
  'tools/peer/{channel,front-end,memory-plan,pace,traffic,traffic-loop}.test.ts',
  'test/support/**/*.test.ts',
  'test/model/**/*.test.ts',
  'test/{cpp-style,ts-style,layers,layouts,hostile-docs,program-ends,readme,contributing}.test.ts',
];

const common = { pool: 'forks', testTimeout: 120_000, hookTimeout: 120_000 } as const;

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: UNIT,
          exclude: [VM, ...LONG],
          // They wait more than they compute; by itself vitest leaves one of two cores idle.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'polling',
          include: ALL,
          exclude: [VM, ...LONG, ...UNIT],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'long',
          include: LONG,
          exclude: [VM],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
