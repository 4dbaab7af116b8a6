// SPDX-License-Identifier: BSD-3-Clause
// responder.ts DEVICE [--ip 10.0.0.1] [--port 7]: answers ARP and ping, and returns UDP datagrams.
import { isMainThread } from 'node:worker_threads';
import { ipv4Number, type LcoreContext, macBytes } from 'vhost-pci-pmd';
import { run, wholeNumber } from './application.ts';
import { answer, type Host } from './replies.ts';

export default function responder(lcore: LcoreContext<Host>): void {
  const host = lcore.data;
  const [rx, tx] = [lcore.rxQueue(0), lcore.txQueue(0)];
  const pool = lcore.createPool();
  const pkts = pool.vector(32);
  const { ids } = pkts;
  while (lcore.running()) {
    const n = rx.burst(pkts, 32);
    let replies = 0;
    // Replies move to the front of the vector, the rest stays behind them to be freed.
    for (let i = 0; i < n; i++) {
      const mbuf = ids[i];
      if (!answer(pool, mbuf, host)) continue;
      ids[i] = ids[replies];
      ids[replies++] = mbuf;
    }
    const sent = tx.burst(pkts, 0, replies);
    pool.free(pkts, sent, n);
    lcore.stats[0] += n;
    lcore.stats[1] += sent;
  }
}

if (isMainThread)
  run({
    ...{ module: import.meta.url, usage: 'responder.ts DEVICE [--ip ADDRESS] [--port N]', devices: [1, 1] },
    counters: ['received', 'answered'],
    options: { ip: '10.0.0.1', port: '7' },
    data: ({ ip, port }, [device]): Host => ({
      mac: macBytes(device.info.mac),
      ip: ipv4Number(ip),
      port: wholeNumber('port', port, 0, 0xffff),
    }),
  });
