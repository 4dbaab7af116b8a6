// SPDX-License-Identifier: BSD-3-Clause
// dpdk-testpmd as a process: a virtio-net driver (net_virtio_user) or a vhost back-end (net_vhost).
import { type DpdkOptions, dpdkCommand } from './dpdk.ts';
import { Testpmd } from './testpmd.ts';
import { dpdkVersion } from './testpmd-output.ts';

export interface DpdkTestpmdOptions extends DpdkOptions {
  /** How messages name it; "dpdk-testpmd". */
  readonly name?: string;
  /** Folder for DPDK's own files; DPDK's default when left out. */
  readonly runtimeFolder?: string;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

/** DPDK processes that run at the same time must not share a file prefix. */
let prefixes = 0;

export class DpdkTestpmd extends Testpmd {
  /** Of this instance; where its files are, in `<runtimeFolder>/dpdk/<prefix>`. */
  readonly filePrefix: string;

  constructor(options: DpdkTestpmdOptions) {
    const { name = 'dpdk-testpmd', runtimeFolder, maxRunMs, vdevs } = options;
    const filePrefix = `vpci${process.pid}x${prefixes++}`;
    const command = dpdkCommand(options, filePrefix);
    const env: Record<string, string> =
      runtimeFolder === undefined ? {} : { RUNTIME_DIRECTORY: runtimeFolder };
    super({ name, command, env, maxRunMs }, vdevs.length);
    this.filePrefix = filePrefix;
  }

  /** DPDK's version, once testpmd has printed it. */
  get version(): string | undefined {
    return dpdkVersion(this.output + this.errors);
  }
}
