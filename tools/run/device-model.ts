// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-device as a process.
import { Child } from './child.ts';
import { onCpu, ourProgram } from './programs.ts';

export interface DeviceModelOptions {
  /** Socket towards the peer. */
  readonly vhostUser: string;
  /** Socket towards the driver. */
  readonly vfioUser: string;
  /** Queue pairs; 1. */
  readonly queues?: number;
  /** Logs every message. */
  readonly verbose?: boolean;
  /** Further command-line options, verbatim. */
  readonly more?: readonly string[];
}

export interface DeviceProcessOptions extends DeviceModelOptions {
  /** CPU that all its threads are pinned to; unpinned when left out. */
  readonly cpu?: number | undefined;
  /** File that receives all its output. */
  readonly log?: string;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

export const deviceModelArguments = (options: DeviceModelOptions): string[] => [
  ...['--vhost-user', options.vhostUser, '--vfio-user', options.vfioUser],
  ...(options.queues === undefined ? [] : ['--queues', `${options.queues}`]),
  ...(options.verbose ? ['--verbose'] : []),
  ...(options.more ?? []),
];

export class DeviceProcess extends Child {
  readonly vhostUser: string;
  readonly vfioUser: string;

  constructor(options: DeviceProcessOptions) {
    const { cpu, log, maxRunMs } = options;
    const command = [...onCpu(cpu), ...ourProgram('vhost-pci-device'), ...deviceModelArguments(options)];
    super({ name: 'vhost-pci-device', command, ...(log === undefined ? {} : { log }), maxRunMs });
    this.vhostUser = options.vhostUser;
    this.vfioUser = options.vfioUser;
  }

  /** Waits until a peer and a driver can connect. */
  async ready(ms: number): Promise<void> {
    await this.waitFor(/ready/, ms);
  }
}

export interface SymmetricProcessOptions {
  /** The sockets of the two drivers. */
  readonly vfioUser: readonly [string, string];
  readonly unidirectional: boolean;
  /** Queue pairs. */
  readonly queues: number;
  readonly verbose: boolean;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

/** vhost-pci-device --symmetric. */
export class SymmetricProcess extends Child {
  constructor({ vfioUser, unidirectional, queues, verbose, maxRunMs }: SymmetricProcessOptions) {
    const command = [
      ...ourProgram('vhost-pci-device'),
      ...['--symmetric', ...(unidirectional ? ['--unidirectional'] : []), '--queues', `${queues}`],
      ...vfioUser.flatMap((path) => ['--vfio-user', path]),
      ...(verbose ? ['--verbose'] : []),
    ];
    super({ name: 'vhost-pci-device', command, maxRunMs });
  }

  /** Waits until both drivers can connect. */
  async ready(ms: number): Promise<void> {
    await this.waitFor(/ready/, ms);
  }
}
