// SPDX-License-Identifier: BSD-3-Clause
// A program that sends on an lcore indefinitely; once packets flow, its main thread does nothing but wait in
// a synchronous call. Arguments: the device's socket, and how to send: `burst`, or `in-place`, which waits
// between reserve and commit.
import { isMainThread } from 'node:worker_threads';
import { vhostPciDriver } from '../../src/drivers/vhost-pci/driver.ts';
import type { LcoreContext } from '../../src/lcore/context.ts';
import { launch } from '../../src/lcore/launch.ts';
import { until } from './wait.ts';

const nap = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

export default function send(lcore: LcoreContext): void {
  const pool = lcore.createPool();
  const pkts = pool.vector(32);
  const tx = lcore.txQueue(0, 0);
  while (lcore.running()) {
    if (lcore.data === 'in-place') {
      const reserved = tx.inPlace?.reserve(8) ?? 0;
      for (let i = 0; i < reserved; i++) (tx.inPlace as NonNullable<typeof tx.inPlace>).slots.length[i] = 60;
      if (reserved > 0) nap(300);
      tx.inPlace?.commit(reserved);
    } else {
      const n = pool.alloc(pkts, 32);
      for (let i = 0; i < n; i++) pool.dataLen[pkts.ids[i]] = pool.pktLen[pkts.ids[i]] = 60;
      pool.free(pkts, tx.burst(pkts, 0, n), n);
    }
  }
}

if (isMainThread) {
  const [path = '', data] = process.argv.slice(2);
  const port = vhostPciDriver.probe(0, 'net_vhost_pci0', new Map([['path', path]]));
  port.start();
  launch({ cpu: 1, module: import.meta.url, ports: [port], data });
  await until('packets are sent', () => port.stats().opackets > 20, 30_000);
  // In the write callback, so that the line is printed before the main thread is held.
  process.stdout.write('held\n', () => nap(Number.POSITIVE_INFINITY));
}
