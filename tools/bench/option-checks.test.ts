// SPDX-License-Identifier: BSD-3-Clause
// Options that would have no effect are refused, suite by suite; beside others that give them one, they are
// taken.
import { expect, it } from 'vitest';
import { FULL, QUICK } from './suites/report.ts';
import { SUITES } from './suites/table.ts';

function prepared(line: string) {
  const [name, ...args] = line.split(' ');
  return SUITES.find((suite) => suite.name === name)?.prepare(args, () => {});
}

const NO_HUGEPAGES = '--no-huge: Open vSwitch with DPDK needs hugepages';

it.each([
  ['loopback --copying --cases rx,macswap', '--copying: in these cases our driver copies'],
  ['limit --of net_vhost --copying', '--copying: not with --of net_vhost'],
  ['limit --copying --cases rx', '--copying: in these cases our driver copies'],
  ['ovs --copying --cases to-pmd,from-pmd', '--copying: one way, our driver copies'],
  ['ovs --no-huge', NO_HUGEPAGES],
  ['chain --no-huge', NO_HUGEPAGES],
  ['memif --rfc 2.1 --packed', '--packed: not with --rfc 2.1 alone'],
  // As it is by default, but given.
  ['memif --rfc 2.1 --queue-size 256', '--queue-size: not with --rfc 2.1 alone'],
  ['memif --modes in-place --no-huge', '--no-huge: not with --modes in-place alone'],
  ['pktgen --figures replay,max --rates 1kpps', '--rates: of the figure rates'],
  ['pktgen --figures replay,ndr,latency --sizes 64', '--sizes: of the figures rates and max'],
  ['pktgen --figures rates --peer builtin', '--peer: of the figure max'],
  ['pktgen --figures latency,rates --packed', '--packed: of the figure max'],
  ['pktgen --figures ndr --queue-size 1024', '--queue-size: of the figure max'],
  ['pktgen --figures latency --no-huge', '--no-huge: the figure latency'],
])('%s is refused', (line, said) => {
  expect(() => prepared(line)).toThrow(new RegExp(`^${said}[^\\n]*$`));
});

it.each([
  'loopback --copying --cases rx,tx',
  'limit --of ours --copying --cases io',
  'limit --of net_vhost --packed --no-huge --touch',
  'ovs --copying --cases to-pmd,relay --packed',
  'memif --packed --queue-size 1024 --no-huge',
  'memif --modes in-place --rfc 2.0 --packed',
  'pktgen --figures rates,max --rates 1kpps --sizes 64,128 --peer builtin --packed',
  'pktgen --figures rates,replay,ndr --no-huge',
  ...SUITES.map(({ name }) => name),
  ...FULL,
  ...QUICK,
])('%s is taken', (line) => {
  expect(prepared(line)?.cases.length).toBeGreaterThan(0);
});
