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
import { newCommand, optionsWith } from '../run/command.ts';
import { socketAccess, socketMode, socketOwner, socketPath } from '../socket/listening-socket.ts';
import { createDevice, type Device, MAX_QUEUE_PAIRS } from './device.ts';
import { FEATURE_NAMES, parseFeatures } from './function/features.ts';

const EXIT_FAILURE = 1;

const command = newCommand('vhost-pci-device')
  .version(`vhost-pci-device ${packageVersion()}`)
  .description('Device model: a vhost-user back-end for the peer and a vfio-user PCI function for the driver')
  .option('--vhost-user <path>', 'UNIX socket for the peer', socketPath)
  .option('--vfio-user <path>', 'UNIX socket for the driver', socketPath)
  .addOption(
    new Option(
      '--vhost-user-mode <mode>',
      'listen on the vhost-user socket (server), or connect to a peer that listens there (client)',
    )
      .choices(['server', 'client'] as const)
      .default('server' as const),
  )
  .option('--queues <n>', `queue pairs, 1 to ${MAX_QUEUE_PAIRS}`, wholeOrHexNumber(1, MAX_QUEUE_PAIRS), 1)
  .option('--subsystem-id <n>', 'PCI subsystem id', wholeOrHexNumber(0, 0xffff), VHOST_PCI_SUBSYSTEM_ID)
  .option(
    '--max-peer-memory <size>',
    "most memory to accept from the peer, such as 8G (default: this machine's memory and swap)",
    byteSize,
  )
  .option('--socket-mode <mode>', 'permission bits of the sockets, in octal', socketMode)
  .option('--socket-owner <user:group>', 'owner of the sockets', socketOwner)
  .option(
    '--handshake-timeout <seconds>',
    'seconds that a connection has to negotiate, 1 to 3600',
    wholeOrHexNumber(1, 3600),
    10,
  )
  .option('--reference', 'the bare function of RFC 2.0, without extensions', false)
  .option('--features <list>', `offer only these net features: ${FEATURE_NAMES.join(', ')}`, features)
  .option(
    '--allow-memory-fs <names>',
    'also accept memory files on these file systems, such as ext4,xfs; touching a page there must never block or fail',
    fileSystems,
  )
  .option('-v, --verbose', 'log every message', false);

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
