// SPDX-License-Identifier: BSD-3-Clause
// The options before `--`: DPDK's EAL options. Options that mean nothing here are accepted, so that
// dpdk-testpmd command lines work unchanged; options whose effect a user would miss are refused by name.
import { parseFileSystems } from '../bus/memory-files.ts';
import { parseCoremask, parseLcores } from '../lcore/lcore-list.ts';
import { parsePciAddress } from '../pci/address.ts';
import { parseMetricsAddress } from '../telemetry/metrics-server.ts';
import { prefixFault } from '../telemetry/socket-path.ts';
import { type OptionRow, UsageError, wholeNumber } from './getopt.ts';
import type { EalSettings } from './settings.ts';

type Row = OptionRow<EalSettings>;

const accepted = (why: string, names: string, arg?: string): Row[] =>
  names.split(' ').map((name) => ({ long: [name], arg, why }));

function allowDevice(eal: EalSettings, value: string, name: string): void {
  const [address = ''] = value.split(',');
  // DPDK's idiom for no PCI device at all.
  if (/^(0000:)?0{1,2}:0{1,2}\.0$/.test(address)) return;
  if (parsePciAddress(address) === null) {
    throw new UsageError(`option '${name} ${value}': '${address}' is not a PCI address such as 0000:00:04.0`);
  }
  eal.allowed.push(value);
}

/** Why options are accepted. */
const POOLS = 'pools take the memory that they need';
const NAMED = 'only the devices that are named are opened';

export const ealOptions: readonly Row[] = [
  {
    long: ['vdev'],
    arg: 'DRIVER<ID>[,K=V]',
    help: 'add a device: net_vhost_pci0,path=SOCKET, net_ivshmem0,own=FILE,peer=FILE, net_tap0, net_pcap0,rx_pcap=FILE or net_null0; repeatable',
    apply: (eal, value, name) => {
      if (value === '') throw new UsageError(`option '${name}': expected a device such as net_null0, not ''`);
      eal.vdevs.push(value);
    },
  },
  {
    long: ['lcores'],
    short: 'l',
    arg: 'LIST',
    help: "lcores, such as 0-1, or with CPUs '0@1,1@1'; one is the main lcore, the others forward",
    apply: (eal, value) => {
      eal.lcores = parseLcores(value);
    },
  },
  {
    long: ['coremask'],
    short: 'c',
    arg: 'MASK',
    help: 'lcores as a hexadecimal mask of CPUs',
    apply: (eal, value) => {
      eal.lcores = parseCoremask(value);
    },
  },
  {
    long: ['main-lcore'],
    arg: 'ID',
    help: 'the main lcore, which runs the prompt (default: the lowest)',
    apply: (eal, value, name) => {
      eal.mainLcore = wholeNumber(name, value, 0, 127);
    },
  },
  {
    long: ['allow'],
    short: 'a',
    arg: 'BDF[,K=V]',
    help: 'add the function at a PCI address, bound to vfio-pci or uio_pci_generic; repeatable',
    apply: allowDevice,
  },
  {
    long: ['no-huge'],
    help: 'use no hugepages for packet memory',
    apply: (eal) => {
      eal.noHuge = true;
    },
  },
  {
    long: ['allow-memory-fs'],
    arg: 'NAME[,NAME]',
    help: 'also accept peer memory in files on these file systems, such as ext4,xfs, if touching a page there never blocks or fails',
    apply: (eal, value, name) => {
      const names = parseFileSystems(value);
      if (!names) throw new UsageError(`option '${name} ${value}': expected names such as ext4,xfs`);
      eal.memoryFileSystems.push(...names);
    },
  },
  {
    long: ['file-prefix'],
    arg: 'NAME',
    help: 'name of this process for dpdk-telemetry.py -f (default: rte)',
    apply: (eal, value, name) => {
      const fault = prefixFault(value);
      if (fault !== null) throw new UsageError(`option '${name}': ${fault}`);
      eal.filePrefix = value;
    },
  },
  {
    long: ['telemetry'],
    help: 'the telemetry socket must be there; without, it is opened if it can be',
    apply: (eal) => {
      eal.telemetry = 'on';
    },
  },
  {
    long: ['no-telemetry'],
    help: 'no telemetry socket',
    apply: (eal) => {
      eal.telemetry = 'off';
    },
  },
  {
    long: ['metrics'],
    arg: 'PORT',
    help: 'serve OpenMetrics at http://127.0.0.1:PORT/metrics; HOST:PORT names another address',
    apply: (eal, value, name) => {
      const address = parseMetricsAddress(value);
      if (!address) throw new UsageError(`option '${name}': expected PORT or HOST:PORT, not '${value}'`);
      eal.metrics = address;
    },
  },
  {
    long: ['help'],
    short: 'h',
    help: 'show this help',
    apply: (eal) => {
      eal.help = true;
    },
  },
  {
    long: ['version'],
    help: 'show the version and exit',
    apply: (eal) => {
      eal.version = true;
    },
  },
  {
    short: 'v',
    help: 'print the version and go on',
    apply: (eal) => {
      eal.showVersion = true;
    },
  },
  { long: ['memory-channels'], short: 'n', arg: 'N', why: POOLS },
  { long: ['memory-size'], short: 'm', arg: 'MB', why: POOLS },
  { long: ['memory-ranks'], short: 'r', arg: 'N', why: POOLS },
  { long: ['block'], short: 'b', arg: 'BDF', why: NAMED },
  { long: ['driver-path'], short: 'd', arg: 'PATH', why: 'all drivers are part of the program' },
  { long: ['no-auto-probing'], short: 'A', why: NAMED },
  ...accepted(NAMED, 'no-pci auto-probing'),
  ...accepted(POOLS, 'in-memory legacy-mem single-file-segments match-allocations'),
  ...accepted('no file is shared with other processes', 'no-shconf'),
  ...accepted('times are those of the time-stamp counter', 'no-hpet'),
  ...accepted('vhost-pci-devbind binds drivers', 'create-uio-dev'),
  {
    long: ['proc-type'],
    arg: 'TYPE',
    why: 'a process is a primary one; secondary is refused',
    apply: (_, value, name) => {
      if (value !== 'secondary') return;
      throw new UsageError(
        `option '${name} secondary': ports belong to one process; attach by its socket, see --telemetry`,
      );
    },
  },
  ...accepted('no device here reads physical addresses', 'iova-mode', 'X'),
  ...accepted(POOLS, 'huge-dir base-virtaddr pagesz-mem numa-mem socket-mem numa-limit socket-limit', 'X'),
  ...accepted('messages have no levels', 'log-level', 'X'),
  ...accepted('the fastest code that the CPU has is chosen', 'force-max-simd-bitwidth', 'X'),
  ...accepted('interrupts are MSI-X, or INTx with uio_pci_generic', 'vfio-intr', 'X'),
  ...accepted('functions are opened without a token', 'vfio-vf-token', 'X'),
  ...accepted('a pool belongs to one lcore', 'mbuf-pool-ops-name', 'X'),
  ...accepted(POOLS, 'huge-unlink huge-worker-stack', '[X]'),
  ...accepted('messages go to stdout and stderr, as they are', 'log-color log-timestamp syslog', '[X]'),
];
