// SPDX-License-Identifier: BSD-3-Clause
// The options of vhost-pci-device: four devices, of which a run offers one, and what each of them takes.
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { VHOST_PCI_SUBSYSTEM_ID } from '../../src/abi/vhost-pci.ts';
import { parseFileSystems } from '../../src/bus/memory-files.ts';
import { parseByteSize } from '../../src/byte-size.ts';
import { packageVersion } from '../../src/package-root.ts';
import { prefixFault } from '../../src/telemetry/socket-path.ts';
import { wholeOrHexNumber } from '../run/arguments.ts';
import { HELP_OPTION, newCommand, optionsWith, repeatable } from '../run/command.ts';
import { socketMode, socketOwner, socketPath } from '../socket/listening-socket.ts';
import { MAX_QUEUE_PAIRS } from './device.ts';
import { FEATURE_NAMES, parseFeatures } from './function/features.ts';
import { DEFAULT_VECTORS, MAX_VECTORS } from './ivshmem-server/server.ts';

export const command = newCommand('vhost-pci-device')
  .version(`vhost-pci-device ${packageVersion()}`)
  .description(
    'Device model of the vhost-pci PCI function: a vhost-user back-end for the peer, a vfio-user server for the driver. Or, for RFC 2.1, of what two drivers share: two vhost-pci functions, two ivshmem v2 functions, or the server of ivshmem-doorbell.',
  )
  .optionsGroup('Sockets:')
  .option('--vhost-user <path>', 'UNIX socket for the peer', socketPath)
  .addOption(
    repeatable(
      new Option(
        '--vfio-user <path>',
        'UNIX socket for the driver; given twice with --symmetric and --ivshmem2',
      )
        .argParser((path, paths: readonly string[]) => [...paths, socketPath(path)])
        .default([] as readonly string[]),
    ),
  )
  .addOption(
    new Option(
      '--vhost-user-mode <mode>',
      'server: listen on the vhost-user socket; client: connect to a peer that listens there',
    )
      .choices(['server', 'client'] as const)
      .default('server' as const),
  )
  .option('--socket-mode <mode>', 'permission bits of the sockets in octal, such as 0660', socketMode)
  .option(
    '--socket-owner <owner>',
    'owner of the sockets: USER, USER:GROUP or :GROUP, as names or numbers',
    socketOwner,
  )
  .option(
    '--handshake-timeout <seconds>',
    'time that a connection has to negotiate, 1 to 3600',
    wholeOrHexNumber(1, 3600),
    10,
  )
  .optionsGroup('Function:')
  .option('--queues <n>', `queue pairs, 1 to ${MAX_QUEUE_PAIRS}`, wholeOrHexNumber(1, MAX_QUEUE_PAIRS), 1)
  .option('--features <list>', `offer only these features, of ${FEATURE_NAMES.join(', ')}`, features)
  .option('--reference', 'the bare function of RFC 2.0, without extensions', false)
  .addOption(
    new Option('--subsystem-id <id>', 'PCI subsystem id')
      .argParser(wholeOrHexNumber(0, 0xffff))
      .default(VHOST_PCI_SUBSYSTEM_ID, `0x${VHOST_PCI_SUBSYSTEM_ID.toString(16)}`),
  )
  .optionsGroup("Peer's memory:")
  .option(
    '--max-peer-memory <size>',
    "most memory to accept, such as 8G (default: this machine's memory and swap)",
    byteSize,
  )
  .option(
    '--allow-memory-fs <list>',
    'also accept files on these file systems, such as ext4,xfs, if touching a page there never blocks or fails',
    fileSystems,
  )
  .optionsGroup('Two drivers and a memory of their own (RFC 2.1):')
  .option('--symmetric', 'two vhost-pci functions, at the two --vfio-user sockets', false)
  .option('--unidirectional', "with --symmetric: neither driver can write the other's side", false)
  .option('--ivshmem2', 'two ivshmem v2 functions, for tests of drivers: both can write all', false)
  .option('--ivshmem-server <path>', 'the server of ivshmem-doorbell, for any number of VMs', socketPath)
  .option('--size <size>', 'memory of both sides, a power of two, 128K to 1G (default: 2M)', byteSize)
  .option(
    '--vectors <n>',
    `interrupts of each client of the server, 1 to ${MAX_VECTORS}, as QEMU's vectors=`,
    wholeOrHexNumber(1, MAX_VECTORS),
    DEFAULT_VECTORS,
  )
  .optionsGroup('Other:')
  .option(
    '--telemetry <prefix>',
    'a telemetry socket for dpdk-telemetry.py -f <prefix>, with /vhost/*',
    filePrefix,
  )
  .helpOption(...HELP_OPTION)
  .option('-v, --verbose', 'log every message', false)
  .addHelpText(
    'after',
    `
Examples:
  vhost-pci-device --vhost-user /tmp/vhost.sock --vfio-user /tmp/vfio.sock
  vhost-pci-device --symmetric --vfio-user /tmp/a.sock --vfio-user /tmp/b.sock
  vhost-pci-device --ivshmem-server /tmp/ivshmem.sock --vectors 2

It prints one line when its sockets listen, and logs on stderr. Exit status:
0 after SIGINT, SIGTERM or SIGHUP, 1 if it cannot start, 2 for a wrong option.`,
  );

type Given = ReturnType<typeof command.opts>;
type Name = keyof Given;

/** The device to offer, with its sockets. */
export type Choice = { readonly options: Given } & (
  | { readonly kind: 'peer'; readonly vhostUser: string; readonly vfioUser: string }
  | { readonly kind: 'symmetric' | 'ivshmem2'; readonly vfioUser: readonly [string, string] }
  | { readonly kind: 'server'; readonly path: string }
);

const EVERY: readonly Name[] = ['socketMode', 'socketOwner', 'verbose'];
const PAIR: readonly Name[] = [...EVERY, 'vfioUser', 'handshakeTimeout', 'queues', 'size'];
/** The options that each device takes; each is named by the first. */
const TAKES: Readonly<Record<Choice['kind'], readonly Name[]>> = {
  peer: [
    ...(['vhostUser', 'vfioUser', 'vhostUserMode', 'handshakeTimeout', 'queues', 'features'] as const),
    ...(['reference', 'subsystemId', 'maxPeerMemory', 'allowMemoryFs', 'telemetry'] as const),
    ...EVERY,
  ],
  symmetric: ['symmetric', 'unidirectional', ...PAIR],
  ivshmem2: ['ivshmem2', ...PAIR],
  server: ['ivshmemServer', 'size', 'vectors', ...EVERY],
};

/** Parses the command line; a mistake ends the program with one line. */
export function parseChoice(): Choice {
  command.parse();
  const options = command.opts();
  const kind = options.ivshmemServer
    ? 'server'
    : options.symmetric
      ? 'symmetric'
      : options.ivshmem2
        ? 'ivshmem2'
        : 'peer';
  refuseOthers(kind);
  if (kind === 'server') return { kind, options, path: options.ivshmemServer ?? '' };
  if (kind === 'peer') {
    const { vhostUser } = optionsWith(command, 'vhostUser', 'vfioUser');
    const [vfioUser] = sockets(options, 1, '--vhost-user and --vfio-user', vhostUser);
    return { kind, options, vhostUser, vfioUser: vfioUser ?? '' };
  }
  const [a, b] = sockets(options, 2, 'both --vfio-user');
  return { kind, options, vfioUser: [a ?? '', b ?? ''] };
}

/** An option without effect is a mistake. */
function refuseOthers(kind: Choice['kind']): void {
  const taken = TAKES[kind];
  const given = command.options.filter((option) => {
    const source = command.getOptionValueSource(option.attributeName() as Name);
    return source === 'cli' && !taken.includes(option.attributeName() as Name);
  });
  const [other] = given;
  if (!other) return;
  const flag = (name: string) => command.options.find((option) => option.attributeName() === name)?.long;
  const hint =
    kind === 'peer' ? needs(other.attributeName() as Name) : `has no use with ${flag(taken[0] ?? '')}`;
  command.error(`error: ${other.long} ${hint}`);
}

const needs = (name: Name): string =>
  name === 'vectors'
    ? 'needs --ivshmem-server'
    : name === 'unidirectional'
      ? 'needs --symmetric'
      : 'needs --symmetric, --ivshmem2 or --ivshmem-server';

/** The --vfio-user sockets, if there are so many of them and all sockets differ. */
function sockets({ vfioUser }: Given, count: number, which: string, other?: string): readonly string[] {
  if (vfioUser.length === 0) command.error("error: required option '--vfio-user <path>' not specified");
  if (vfioUser.length !== count) {
    const wanted = count === 1 ? 'one driver: give --vfio-user once' : 'two drivers: give --vfio-user twice';
    command.error(`error: this device has ${wanted}`);
  }
  const paths = [...vfioUser, ...(other === undefined ? [] : [other])].map(realPath);
  if (new Set(paths).size < paths.length)
    command.error(`error: ${which} are two sockets: give each its own path`);
  return vfioUser;
}

/** Real path of a file that may not exist yet; follows links in the path to its folder. */
function realPath(path: string): string {
  const folder = dirname(resolve(path));
  return join(existsSync(folder) ? realpathSync(folder) : folder, basename(path));
}

function byteSize(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes === null || bytes === 0) throw new InvalidArgumentError('Choose a size such as 512M or 8G.');
  return bytes;
}

function filePrefix(text: string): string {
  const fault = prefixFault(text);
  if (fault !== null) throw new InvalidArgumentError(`${fault}.`);
  return text;
}

function fileSystems(text: string): string[] {
  const names = parseFileSystems(text);
  if (!names) throw new InvalidArgumentError('Give file system names separated by commas.');
  return names;
}

function features(text: string): bigint {
  try {
    return parseFeatures(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
