// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-testpmd: the PMD as a process, one port per device model.
import { quoteDevarg } from '../../src/ethdev/devargs.ts';
import { ourProgram } from './programs.ts';
import { Testpmd } from './testpmd.ts';
import { lcoresOn, type TestpmdOptions, testpmdArguments } from './testpmd-options.ts';

export interface OurTestpmdOptions extends TestpmdOptions {
  /** The device models' vfio-user sockets. */
  readonly vfioUser: readonly string[];
  /** Further ports: arguments of --vdev. */
  readonly vdevs?: readonly string[];
  readonly cpu: number;
  /** CPU of the main lcore, when it differs from `cpu`. */
  readonly mainCpu?: number | undefined;
  readonly hugepages: boolean;
  /** $RUNTIME_DIRECTORY, for the sockets of telemetry and captures. */
  readonly runtimeFolder?: string | undefined;
  /** testpmd inherits the terminal: no output is collected. */
  readonly terminal?: boolean;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

export class OurTestpmd extends Testpmd {
  constructor(options: OurTestpmdOptions) {
    const { vfioUser, vdevs = [], cpu, mainCpu, terminal = false, maxRunMs, runtimeFolder } = options;
    const command = [
      ...ourProgram('vhost-pci-testpmd'),
      ...['--lcores', lcoresOn(cpu, 1, mainCpu)],
      ...(options.hugepages ? [] : ['--no-huge']),
      ...vfioUser.flatMap((path, port) => ['--vdev', `net_vhost_pci${port},path=${quoteDevarg(path)}`]),
      ...vdevs.flatMap((vdev) => ['--vdev', vdev]),
      '--',
      ...testpmdArguments(options),
    ];
    const env = runtimeFolder === undefined ? {} : { env: { RUNTIME_DIRECTORY: runtimeFolder } };
    super({ name: 'vhost-pci-testpmd', command, terminal, maxRunMs, ...env }, vfioUser.length + vdevs.length);
  }
}
