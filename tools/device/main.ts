#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-device: the command line of the device model.
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { VHOST_PCI_SUBSYSTEM_ID } from '../../src/abi/vhost-pci.ts';
import { allowMemoryFileSystems, parseFileSystems } from '../../src/bus/memory-files.ts';
import { parseByteSize } from '../../src/byte-size.ts';
import { standardOutput } from '../../src/output/text-writer.ts';
import { packageVersion } from '../../src/package-root.ts';
import { wholeOrHexNumber } from '../run/arguments.ts';
import { HELP_OPTION, newCommand, optionsWith } from '../run/command.ts';
import { socketAccess, socketMode, socketOwner, socketPath } from '../socket/listening-socket.ts';
import { createDevice, type Device, MAX_QUEUE_PAIRS } from './device.ts';
import { FEATURE_NAMES, parseFeatures } from './function/features.ts';

const EXIT_FAILURE = 1;

const command = newCommand('vhost-pci-device')
  .version(`vhost-pci-device ${packageVersion()}`)
  .description(
    'Device model of the vhost-pci PCI function: a vhost-user back-end for the peer, a vfio-user server for the driver.',
  )
  .optionsGroup('Sockets:')
  .option('--vhost-user <path>', 'UNIX socket for the peer (required)', socketPath)
  .option('--vfio-user <path>', 'UNIX socket for the driver (required)', socketPath)
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
  .optionsGroup('Other:')
  .helpOption(...HELP_OPTION)
  .option('-v, --verbose', 'log every message', false)
  .addHelpText(
    'after',
    `
Example:
  vhost-pci-device --vhost-user /tmp/vhost.sock --vfio-user /tmp/vfio.sock

It prints one line when both sockets listen, and logs on stderr. Exit status:
0 after SIGINT, SIGTERM or SIGHUP, 1 if it cannot start, 2 for a wrong option.`,
  );

main();

function main(): void {
  const options = optionsWith(command.parse(), 'vhostUser', 'vfioUser');
  if (realPath(options.vhostUser) === realPath(options.vfioUser))
    command.error('error: --vhost-user and --vfio-user are two sockets: give each its own path');
  allowMemoryFileSystems(options.allowMemoryFs ?? []);
  // If the reader of the log stops or goes away, the machines at both sockets keep running.
  const { stdout, stderr } = standardOutput();
  const log = (line: string) => stderr.line(`vhost-pci-device: ${line}`);
  let device: Device | null = null;
  // Installed before the sockets exist: a signal may arrive as soon as they do.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      device?.close();
      process.exit(0);
    });
  }
  try {
    device = createDevice({
      ...options,
      queuePairs: options.queues,
      socketAccess: socketAccess(options),
      handshakeMs: 1000 * options.handshakeTimeout,
      log,
    });
  } catch (error) {
    log((error as Error).message);
    process.exit(EXIT_FAILURE);
  }
  stdout.line(`vhost-pci-device: ready, vhost-user ${options.vhostUser}, vfio-user ${options.vfioUser}`);
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
