// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-device: the command line of the device model.
import { allowMemoryFileSystems } from '../../src/bus/memory-files.ts';
import { standardOutput } from '../../src/output/text-writer.ts';
import { exitProcess } from '../../src/process-end.ts';
import { TelemetryServer } from '../../src/telemetry/server.ts';
import { exitStatusOf } from '../run/exit-status.ts';
import { socketAccess } from '../socket/listening-socket.ts';
import { createDevice, type Device, type DeviceOptions } from './device.ts';
import { createIvshmemServer } from './ivshmem-server/server.ts';
import { type Choice, parseChoice } from './options.ts';
import { createIvshmem2Device } from './pair/ivshmem2.ts';
import { createSymmetricDevice } from './pair/symmetric.ts';
import { vhostCommands } from './vhost-commands.ts';

main();

function main(): void {
  const choice = parseChoice();
  allowMemoryFileSystems(choice.options.allowMemoryFs ?? []);
  // If the reader of the log stops or goes away, the machines at the sockets keep running.
  const { stdout, stderr } = standardOutput();
  const log = (line: string) => stderr.line(`vhost-pci-device: ${line}`);
  let device: Device | null = null;
  // Installed before the sockets exist: a signal may arrive as soon as they do.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      device?.close();
      exitProcess(0);
    });
  }
  try {
    device = open(choice, log);
  } catch (error) {
    log((error as Error).message);
    exitProcess(exitStatusOf(error));
  }
  stdout.line(`vhost-pci-device: ready, ${sockets(choice)}`);
}

function open(choice: Choice, log: (line: string) => void): Device {
  const { queues, handshakeTimeout, size, telemetry, ...options } = choice.options;
  const common = {
    ...options,
    ...(size === undefined ? {} : { size }),
    queuePairs: queues,
    socketAccess: socketAccess(options),
    handshakeMs: 1000 * handshakeTimeout,
    log,
  };
  switch (choice.kind) {
    case 'peer':
      return openPeerDevice({ ...common, vhostUser: choice.vhostUser, vfioUser: choice.vfioUser }, telemetry);
    case 'symmetric':
      return createSymmetricDevice({ ...common, vfioUser: choice.vfioUser });
    case 'ivshmem2':
      return createIvshmem2Device({ ...common, vfioUser: choice.vfioUser });
    case 'server':
      return createIvshmemServer({ ...common, path: choice.path });
  }
}

/** The device, and where it is wanted the socket that shows its state. */
function openPeerDevice(options: DeviceOptions, telemetry: string | undefined): Device {
  const device = createDevice(options);
  if (telemetry === undefined) return device;
  try {
    const server = new TelemetryServer({ prefix: telemetry, commands: vhostCommands(device.state) });
    return {
      close: () => {
        server.close();
        device.close();
      },
    };
  } catch (error) {
    device.close();
    throw error;
  }
}

function sockets(choice: Choice): string {
  switch (choice.kind) {
    case 'peer':
      return `vhost-user ${choice.vhostUser}, vfio-user ${choice.vfioUser}`;
    case 'server':
      return `ivshmem-server ${choice.path}`;
    default:
      return `vfio-user ${choice.vfioUser.join(' and ')}`;
  }
}
