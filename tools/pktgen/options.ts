// SPDX-License-Identifier: BSD-3-Clause
// The options of the command line.
import { Option } from '@commander-js/extra-typings';
import { VRING_MAX_SIZE } from '../../src/abi/virtio-ring.ts';
import { packageVersion } from '../../src/package-root.ts';
import { prefixFault } from '../../src/telemetry/socket-path.ts';
import {
  name,
  numberBetween,
  numberList,
  seconds,
  secondsOrNone,
  usableCpus,
  wholeNumber,
  wordList,
} from '../run/arguments.ts';
import { HELP_OPTION, newCommand } from '../run/command.ts';
import { parseHost } from './host.ts';
import { byteSize, checked, parsed, percent, percentAboveNone } from './option-values.ts';
import { parseLine, parseRate } from './plan/rate.ts';
import { LARGEST_FRAME } from './plan/sizes.ts';
import { FCS, RFC2544_SIZES, RFC2544_TESTS } from './rfc2544-tests.ts';

const prefix = (text: string): void => {
  const fault = prefixFault(text);
  if (fault !== null) throw new Error(`: ${fault}`);
};
const oneCpu = (text: string): number => usableCpus([wholeNumber(0, 1023)(text)])[0] as number;

export const command = newCommand('vhost-pci-pktgen')
  .version(`vhost-pci-pktgen ${packageVersion()}`)
  .description(
    'Sends packets at exact rates and measures what comes back. Without a device it starts a device model and a peer that echoes: no root, no hugepages, no VM.',
  )
  .optionsGroup('Device:')
  .option(
    '-a, --allow <device>',
    "a PCI address, or any device string such as 'net_vhost_pci0,path=SOCKET'",
    name,
  )
  .option(
    '--vdev <device>',
    "the same: 'net_vhost_pci0,path=SOCKET', 'net_ivshmem0,own=FILE,peer=FILE', …",
    name,
  )
  .option('--cpu <n>', 'CPU of the poll loop (default: the first that may be used)', oneCpu)
  .option('--peer-cpu <n>', "CPU of the built-in peer's loop (default: the second)", oneCpu)
  .addOption(
    new Option(
      '--peer <mode>',
      'what the built-in peer does: echo: sends frames back; sink: only receives them',
    )
      .choices(['echo', 'sink'] as const)
      .default('echo' as const),
  )
  .option(
    '--queue-size <n>',
    "entries of the built-in peer's rings, a power of two",
    wholeNumber(2, VRING_MAX_SIZE),
    256,
  )
  .option(
    '--drop-above <n>',
    'the built-in peer drops what comes above this many frames per second',
    wholeNumber(1, 1e9),
  )
  .option('--hugepages', 'memory from hugepages, here and in the built-in peer')
  .optionsGroup('Traffic:')
  .option(
    '--rate <rate>',
    'frames per second (1mpps, 500k), bits per second of frames (10gbps) or with what a wire adds (10gbps-l1), of the line (50%), of the measured maximum (50%max), or max (default: 100kpps)',
    checked((text) => parseRate(text, 'rate')),
  )
  .option('--line-rate <speed>', 'the line that % is of', checked(parseLine), '10gbps')
  .option('--duration <seconds>', 'how long frames are due; without it, until Ctrl-C', seconds())
  .option(
    '--warm-up <seconds>',
    'frames are sent for so long before the run, and not counted (none with --count); a far end rehearses for so long',
    secondsOrNone,
    0.5,
  )
  .option('--seed <n>', 'of everything random', wholeNumber(0, 2 ** 31 - 1), 1)
  .option('--max-lag <ms>', 'a frame that is overdue for longer is unsent', wholeNumber(1, 60_000), 10)
  .option(
    '--drain <ms>',
    'without a frame for this long, what is in flight is lost',
    wholeNumber(1, 60_000),
    100,
  )
  .optionsGroup('Frames:')
  .option('--streams <file>', 'streams from a JSON or TypeScript file, instead of the options below')
  .option(
    '--size <bytes>',
    'without FCS: 64, 64-1518, 64-1518/64 (in steps), random:64-1518, imix, or a mix of WEIGHT:SIZE (7:64,4:570,1:1518) (default: 64)',
  )
  .option(
    '--src-mac <field>',
    "a value, a range 'A-B' or 'A-B/STEP', 'random:A-B', or a list 'A,B,C' (default: 02:00:00:00:00:02)",
  )
  .option('--dst-mac <field>', 'as all fields (default: 02:00:00:00:00:01)')
  .option('--vlan <field>', 'IEEE 802.1Q identifiers')
  .option('--src-ip <field>', 'IPv4 or IPv6 (default: 198.18.0.1)')
  .option('--dst-ip <field>', 'IPv4 or IPv6 (default: 198.18.0.2)')
  .addOption(
    new Option('--protocol <name>', 'what the frames are (default: udp)').choices(['udp', 'tcp'] as const),
  )
  .option('--src-port <field>', 'of UDP or TCP (default: 9)')
  .option('--dst-port <field>', 'of UDP or TCP (default: 9)')
  .option('--tcp-flags <flags>', "syn, psh+ack, none, …, or a list 'syn,ack'; no range (default: ack)")
  .option('--tcp-seq <field>', "TCP's sequence numbers (default: 0)")
  .option('--tcp-ack <field>', "TCP's acknowledgment numbers (default: 0)")
  .option('--burst <n>', 'frames that are due together, at the same rate', wholeNumber(1, 65_536), 1)
  .option('--poisson', 'random times between frames, exponentially distributed')
  .option('--count <n>', 'frames to send', wholeNumber(1, Number.MAX_SAFE_INTEGER))
  .optionsGroup('Far end:')
  .option('--reflect', 'do not generate: send every frame back, MAC addresses exchanged')
  .option('--pong', 'the same: the far end of --ping')
  .option(
    '--ip <addresses>',
    'with --reflect: answer ARP, neighbour solicitations and pings of these, 10.0.0.2 or 10.0.0.2,fd00::2',
    checked(parseHost),
  )
  .option('--ping', 'one frame at a time: the next is sent when the last is back')
  .optionsGroup('Replay:')
  .option(
    '--replay <file>',
    'send the packets of a pcap or pcapng file, with their gaps, or at --rate; with --reflect: the packets that are to come, and how they came',
  )
  .option('--speed <factor>', 'times as fast as it was captured (default: 1)', numberBetween(0.001, 1e6))
  .option('--loops <n>', 'times that it is sent; 0: until the end of the run', wholeNumber(0, 1e9), 1)
  .optionsGroup('Searches:')
  .option('--ndr', 'find the highest rate without loss')
  .option('--pdr <percent>', 'find the highest rate with at most so much loss', parsed(percent))
  .option('--rfc2544 <tests>', `all, or some of ${RFC2544_TESTS.join(', ')}`, (text) =>
    text === 'all' ? [...RFC2544_TESTS] : wordList(RFC2544_TESTS)(text),
  )
  .option(
    '--frame-sizes <list>',
    'RFC 2544: bytes, here with FCS',
    numberList(64, LARGEST_FRAME + FCS),
    RFC2544_SIZES,
  )
  .option('--trial-time <seconds>', 'of one trial; RFC 2544 wants 60', seconds(86_400), 2)
  .option('--search-time <seconds>', 'of one search, at most', seconds(), 120)
  .addOption(
    new Option('--precision <percent>', 'how near the result is to the true rate')
      .argParser(parsed(percentAboveNone))
      .default(0.005, '0.5'),
  )
  .addOption(
    new Option('--q-full <percent>', 'most frames that may be unsent in a trial')
      .argParser(parsed(percent))
      .default(0.001, '0.1'),
  )
  .option(
    '--max-latency <us>',
    'largest 99th percentile of the latency in a trial',
    numberBetween(0.001, 1e9, 'microseconds'),
  )
  .optionsGroup('Result:')
  .option('--max-loss <percent>', 'exit status 1 if more of the sent frames are lost', parsed(percent))
  .option('--max-unsent <percent>', 'exit status 1 if more of the due frames are unsent', parsed(percent))
  .option('--no-return', 'frames are not expected back: loss and latency say nothing')
  .option('--json <file>', "write the figures as JSON; '-': to standard output")
  .option('--csv <file>', "write a line per stream as CSV; '-': to standard output")
  .option('--hgrm <file>', 'write the latencies as percentiles, as HdrHistogram plots them')
  .option('--html <file>', 'write the figures as one page with charts, which needs no network')
  .option('--compare <file>', 'with --html: the --json of an earlier run, to be shown beside this one')
  .option(
    '--gaps <file>',
    "with --replay: write when each packet was sent or came, as CSV; '-': to standard output",
  )
  .option('--capture <file>', 'write the frames of the run to a pcapng file as well')
  .addOption(
    new Option('--capture-of <frames>', 'which frames')
      .choices(['received', 'sent', 'both'] as const)
      .default(undefined, 'both, received with --reflect'),
  )
  .option(
    '--capture-filter <expr>',
    "only frames that this chooses, in libpcap's words: 'udp port 9', 'ether[0] & 1 == 0'",
  )
  .addOption(
    new Option('--capture-size <bytes>', 'most that the file may grow to')
      .argParser(parsed(byteSize))
      .default(256 << 20, '256M'),
  )
  .option('--snaplen <bytes>', 'most of a frame that is captured', wholeNumber(14, 65_535), 65_535)
  .option('--plain', 'lines instead of the live page, in a terminal too')
  .option(
    '--control',
    "obey lines of standard input while frames are sent: 'rate [STREAM] RATE', 'stop [STREAM]', 'start [STREAM]', 'quit'; implies --plain",
  )
  .option('--stats-period <seconds>', 'seconds between two lines', numberBetween(0.01, 1e9, 'seconds'), 1)
  .optionsGroup('Other processes:')
  .option(
    '--watch <name>',
    'look at a generator that runs elsewhere on this machine: its live page, or its lines; NAME, or NAME:1 for the second of that name',
  )
  .option(
    '--file-prefix <name>',
    'name of this generator for --watch and dpdk-telemetry.py -f',
    checked(prefix),
    'pktgen',
  )
  .option('--no-telemetry', 'no telemetry socket')
  .helpOption(...HELP_OPTION)
  .addHelpText(
    'after',
    `
Examples:
  vhost-pci-pktgen --rate 1mpps --duration 5
  vhost-pci-pktgen --rate 50% --size imix --duration 10 --max-loss 0 --json result.json
  vhost-pci-pktgen --ndr --size 128
  vhost-pci-pktgen --rate 1mpps --duration 10 --html new.html --compare old.json
  vhost-pci-pktgen --replay trace.pcapng --speed 2
  vhost-pci-pktgen --vdev net_vhost_pci0,path=/tmp/vfio.sock --rate max --src-ip 10.0.0.1-10.0.0.254

Sizes and bits are without FCS. Exit status: 0 if the run kept to --max-loss and
--max-unsent, 1 if not or on failure, 2 for a wrong option. Ctrl-C ends the run
in order, with the figures.`,
  );

export type Options = ReturnType<typeof command.opts>;
