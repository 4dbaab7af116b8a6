// SPDX-License-Identifier: BSD-3-Clause
// A program that opens the device at the socket given as its argument and echoes; on a message it reports its
// counters and what it holds.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { vhostPciDriver } from '../../src/drivers/vhost-pci/driver.ts';
import { Echo } from './echo.ts';
import { type Holdings, holdings } from './holdings.ts';

export interface Watched extends Holdings {
  readonly linkUp: boolean;
  readonly received: number;
  /** Rings broken by their peer since the start. */
  readonly brokenRings: number;
  /** Unusable entries returned to the peer since the start. */
  readonly unusable: number;
  /** Bytes of the JavaScript heap and of external memory attached to it, after a collection. */
  readonly heap: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const port = vhostPciDriver.probe(0, 'net_vhost_pci0', new Map([['path', process.argv[2] ?? '']]));
port.start();
new Echo(port);

const counted = (name: string): number => Number(port.xstats().get(name));

process.on('message', () => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  const watched: Watched = {
    ...holdings(process.pid),
    linkUp: port.link().up,
    received: port.stats().ipackets,
    brokenRings: counted('rx_q0_invalid_desc') + counted('tx_q0_invalid_desc'),
    unusable:
      counted('rx_q0_undersize_errors') + counted('rx_q0_invalid_buffers') + counted('tx_q0_invalid_buffers'),
    heap: heapUsed + external,
  };
  process.send?.(watched);
});
