// SPDX-License-Identifier: BSD-3-Clause
// forward.ts SECONDS DEVICE [DEVICE]: forwards between two ports, or out of one, and swaps MAC addresses.
import { isMainThread } from 'node:worker_threads';
import { exitProcess, type LcoreContext, launch, type Mempool, openPort } from 'vhost-pci-pmd';

export default function forward(lcore: LcoreContext): void {
  const pool = lcore.createPool();
  const pkts = pool.vector(32);
  const last = lcore.portCount - 1;
  const rx = [lcore.rxQueue(0), lcore.rxQueue(last)];
  const tx = [lcore.txQueue(last), lcore.txQueue(0)];
  for (let i = 0; lcore.running(); i ^= last) {
    const n = rx[i].burst(pkts, pkts.capacity);
    for (let k = 0; k < n; k++) swapMacs(pool, pkts.ids[k]);
    const sent = tx[i].burst(pkts, 0, n);
    pool.free(pkts, sent, n);
    lcore.stats[0] += sent;
    lcore.stats[1] += n - sent;
  }
}

function swapMacs({ bytes, stride, dataOff }: Mempool, mbuf: number): void {
  const dst = mbuf * stride + dataOff[mbuf];
  for (let at = dst; at < dst + 6; at++) [bytes[at], bytes[at + 6]] = [bytes[at + 6], bytes[at]];
}

async function main([seconds, ...devices]: string[]): Promise<void> {
  if (!(Number(seconds) > 0) || devices.length < 1 || devices.length > 2)
    throw new Error('usage: forward.ts SECONDS DEVICE [DEVICE]');
  const ports = devices.map((name) => openPort(name));
  const lcore = launch({ cpu: 0, module: import.meta.url, ports });
  await lcore.ready;
  setInterval(() => console.log(`forwarded ${lcore.stats[0]}, dropped ${lcore.stats[1]}`), 1000).unref();
  setTimeout(() => lcore.stop(), Number(seconds) * 1000).unref();
  process.on('SIGINT', () => lcore.stop());
  await lcore.exited;
  for (const port of ports) port.close();
}

if (isMainThread)
  main(process.argv.slice(2)).catch(({ message }) => {
    console.error(`forward.ts: ${message}`);
    exitProcess(1);
  });
