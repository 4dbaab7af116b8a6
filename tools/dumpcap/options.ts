// SPDX-License-Identifier: BSD-3-Clause
// The command line of vhost-pci-dumpcap: that of dpdk-dumpcap. An option before the first -i is for all
// interfaces, one behind an -i for that one.
import { type Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { packageVersion } from '../../src/package-root.ts';
import { DEFAULT_PREFIX, prefixFault } from '../../src/telemetry/socket-path.ts';
import { usableCpus, wholeNumber } from '../run/arguments.ts';
import { HELP_OPTION, newCommand, repeatable } from '../run/command.ts';
import { type Limits, limitParser, rotates } from './limits.ts';

/** DPDK's RTE_MBUF_DEFAULT_BUF_SIZE. */
const DEFAULT_SNAPLEN = 2176;
/** The most that a capture file may hold of a packet; -s 0 asks for it. */
const MAX_SNAPLEN = 262_144;
const DEFAULT_PACKETS = 2048;
const MAX_PACKETS = 1 << 22;

export interface InterfaceOptions {
  /** Name of a port, or its number; null for the first port. */
  wanted: string | null;
  filter: string;
  snaplen: number;
  ifname?: string;
  ifdescr?: string;
}

export interface DumpcapOptions {
  readonly interfaces: InterfaceOptions[];
  listInterfaces: boolean;
  printCode: boolean;
  statistics: boolean;
  readonly autostop: Limits;
  readonly ring: Limits;
  /** "-" for stdout; null for a name of our own. */
  output: string | null;
  groupRead: boolean;
  pcapng: boolean;
  comment?: string;
  tempDir: string;
  lcore?: number;
  prefix: string;
  quiet: boolean;
  /** Packets that a ring has room for. */
  packets: number;
}

export const NAME = 'vhost-pci-dumpcap';

/** Parses the command line; a mistake ends the process with status 2. */
export function parseOptions(argv: readonly string[]): DumpcapOptions {
  const general: InterfaceOptions = { wanted: null, filter: '', snaplen: DEFAULT_SNAPLEN };
  const options: DumpcapOptions = {
    interfaces: [],
    listInterfaces: false,
    printCode: false,
    statistics: false,
    autostop: {},
    ring: {},
    output: null,
    groupRead: false,
    pcapng: true,
    tempDir: '/tmp',
    prefix: DEFAULT_PREFIX,
    quiet: false,
    packets: DEFAULT_PACKETS,
  };
  const command = commandOf(options, general);
  command.parse(argv);
  if (options.interfaces.length === 0) options.interfaces.push(general);
  const fault = faultOf(options);
  if (fault !== null) command.error(`error: ${fault}`);
  return options;
}

function commandOf(options: DumpcapOptions, general: InterfaceOptions): Command {
  const command = newCommand(NAME);
  const flag = (flags: string, description: string, apply: () => void) => {
    const option = new Option(flags, description);
    command.addOption(option).on(`option:${option.name()}`, apply);
  };
  const valued = (flags: string, description: string, apply: (text: string) => unknown) =>
    new Option(flags, description).argParser((text) => {
      apply(text);
      return text;
    });
  const value = (...option: Parameters<typeof valued>) => command.addOption(valued(...option));
  const values = (...option: Parameters<typeof valued>) => command.addOption(repeatable(valued(...option)));
  /** Of the interface named before, once for each; without `general`, only behind a -i. */
  const ofInterface = (
    flags: string,
    description: string,
    general: InterfaceOptions | undefined,
    apply: (one: InterfaceOptions, text: string) => void,
  ) => {
    const given = new Map<InterfaceOptions, string>();
    values(flags, description, (text) => {
      const one = options.interfaces.at(-1) ?? general;
      if (one === undefined) throw new InvalidArgumentError('It must come after a -i option.');
      const before = given.get(one);
      if (before !== undefined) throw new InvalidArgumentError(`It was given as '${before}' already.`);
      given.set(one, text);
      apply(one, text);
    });
  };

  command.description('Writes copies of the packets of a running vhost-pci-testpmd to a file.');
  command.optionsGroup('Capture interface:');
  values('-i, --interface <interface>', 'name or port number of an interface (default: the first)', (text) =>
    options.interfaces.push({ ...general, wanted: text }),
  );
  ofInterface('-f, --filter <expression>', 'packet filter in the syntax of libpcap', general, (one, text) => {
    one.filter = text;
  });
  ofInterface('--ifname <name>', 'name of the interface in the capture file', undefined, (one, name) => {
    one.ifname = name;
  });
  ofInterface(
    '--ifdescr <description>',
    'description of the interface in the capture file',
    undefined,
    (one, words) => {
      one.ifdescr = words;
    },
  );
  ofInterface(
    '-s, --snapshot-length <bytes>',
    `most bytes of a packet; 0: all (default: ${DEFAULT_SNAPLEN})`,
    general,
    (one, text) => {
      one.snaplen = wholeNumber(0, MAX_SNAPLEN)(text) || MAX_SNAPLEN;
    },
  );
  flag(
    '-p, --no-promiscuous-mode',
    'accepted: ports here take every packet, and a capture changes nothing',
    () => {},
  );
  flag('-D, --list-interfaces', 'print the interfaces and exit', () => {
    options.listInterfaces = true;
  });
  flag('-d', "print the filter's BPF code and exit", () => {
    options.printCode = true;
  });
  flag('-S', 'print statistics of each interface once per second', () => {
    options.statistics = true;
  });
  command.optionsGroup('Stop conditions:');
  value('-c <packets>', 'stop after this many packets', (text) =>
    limitParser(options.autostop)(`packets:${text}`),
  );
  values(
    '-a, --autostop <condition>',
    'duration:SECONDS, filesize:KB, packets:N, or files:N with -b; may be repeated',
    limitParser(options.autostop),
  );
  command.optionsGroup('Output:');
  value('-w, --output-file <file>', 'file to write, - for stdout (default: one in --temp-dir)', (text) => {
    if (text === '') throw new InvalidArgumentError('It is empty.');
    options.output = text;
  });
  values(
    '-b, --ring-buffer <condition>',
    'next file after duration:SECONDS, filesize:KB or packets:N; files:N keeps the last N; may be repeated',
    limitParser(options.ring),
  );
  flag('-g', 'let the group read the files', () => {
    options.groupRead = true;
  });
  flag('-n', 'write pcapng (default)', () => {
    options.pcapng = true;
  });
  flag('-P', 'write pcap, with nanoseconds', () => {
    options.pcapng = false;
  });
  value('--capture-comment <comment>', 'comment of the capture file (pcapng)', (text) => {
    options.comment = text;
  });
  value('--temp-dir <folder>', 'where files without a name go (default: /tmp)', (text) => {
    options.tempDir = text;
  });
  command.optionsGroup('Miscellaneous:');
  value(
    '-N <packets>',
    `whole packets that find room in each queue's ring (default: ${DEFAULT_PACKETS})`,
    (text) => {
      options.packets = wholeNumber(1, MAX_PACKETS)(text);
    },
  );
  value('--lcore <cpu>', 'CPU to run on (default: any)', (text) => {
    options.lcore = usableCpus([wholeNumber(0, 1023)(text)])[0];
  });
  value(
    '--file-prefix <prefix>',
    "that of the process; PREFIX:1 for the prefix's second one (default: rte)",
    (text) => {
      const fault = prefixFault(text);
      if (fault !== null) throw new InvalidArgumentError(`${fault}.`);
      options.prefix = text;
    },
  );
  flag('-q', 'do not report counts of packets', () => {
    options.quiet = true;
  });
  command.helpOption(...HELP_OPTION).version(`${NAME} ${packageVersion()}`, '-v, --version');
  command.addHelpText('after', EXAMPLE);
  return command as unknown as Command;
}

const EXAMPLE = `
Example: a thousand packets of port 0 that are IPv4
  vhost-pci-dumpcap -i 0 -f ip -c 1000 -w ip.pcapng

Ctrl-C stops a capture at any time. Exit status: 0, 1 if the capture or the
file failed, 2 for a wrong option.`;

function faultOf({
  listInterfaces,
  statistics,
  pcapng,
  comment,
  ring,
  autostop,
  output,
  printCode,
  interfaces,
}: DumpcapOptions): string | null {
  const instead = (listInterfaces && '-D') || (statistics && '-S') || (printCode && '-d');
  const captures = output !== null || [...Object.keys(autostop), ...Object.keys(ring)].length > 0;
  if (instead && captures) return `${instead}: nothing is captured; leave out -w, -c, -a and -b`;
  if (!pcapng && comment !== undefined)
    return '--capture-comment: a pcap file has no place for it; leave out -P';
  if (!pcapng && interfaces.length > 1)
    return '-P: a pcap file has one interface; leave it out, or all -i but one';
  const series = rotates(ring);
  if (ring.files !== undefined && !series) return '-b files: needs duration:, filesize: or packets: as well';
  if (autostop.files !== undefined && !series) return '-a files: needs -b as well';
  if (autostop.filesize !== undefined && series)
    return '-a filesize: is of a single file; with -b, say -b filesize: and -a files:';
  if (series && (output === null || output === '-')) return '-b needs a file, -w FILE';
  if (printCode && interfaces.every(({ filter }) => filter === '')) return '-d needs a filter, -f EXPRESSION';
  return null;
}
