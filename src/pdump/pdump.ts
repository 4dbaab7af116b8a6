// SPDX-License-Identifier: BSD-3-Clause
// Captures of an application's packets, where the application allows them.
import { argumentError, requireOptions } from '../arguments.ts';
import { DEFAULT_PREFIX, prefixFault } from '../telemetry/socket-path.ts';
import { PdumpServer } from './server.ts';

/** Where capture programs find this process. */
export interface PdumpOptions {
  /** As `--file-prefix` of DPDK's programs and of `vhost-pci-dumpcap`. Default: "rte". */
  readonly filePrefix?: string;
}

/** A process that can be captured. */
export interface Pdump {
  /** The socket; that of a second process of the same prefix ends in ":1". */
  readonly path: string;
  /** Ends all captures and removes the socket. May be called twice. */
  close(): void;
}

/**
 * Lets `vhost-pci-dumpcap` take copies of the packets of this process's ports, as `rte_pdump_init` does in
 * DPDK: of those that are open when a capture begins, opened before this call or later. To be called on the
 * main thread, once. While nobody captures, a burst looks at one word of memory.
 *
 * Only this user's processes, and root's, can connect. The socket does not keep the process alive, and is
 * removed when it ends. Throws a PmdError if there is no place for it.
 *
 * @example
 * ```ts
 * import { openPort, pdumpInit } from 'vhost-pci-pmd';
 *
 * openPort('net_null0');
 * const pdump = pdumpInit();
 * console.log(`vhost-pci-dumpcap -i net_null0 finds ${pdump.path}`);
 * pdump.close();
 * ```
 */
export function pdumpInit(options: PdumpOptions = {}): Pdump {
  requireOptions('pdumpInit()', 'options', options, ['filePrefix']);
  const { filePrefix = DEFAULT_PREFIX } = options;
  if (typeof filePrefix !== 'string' || prefixFault(filePrefix) !== null)
    throw argumentError('pdumpInit()', 'filePrefix', 'the name of a folder', filePrefix);
  return new PdumpServer(filePrefix);
}
