// SPDX-License-Identifier: BSD-3-Clause
// Traffic of VM2 that continues while other things happen, and whether it comes back.
import { readFileSync } from 'node:fs';
import type { Machine } from '../../tools/vm/machine.ts';
import { START_MS } from './rig.test-help.ts';

const PROGRAM = readFileSync(new URL('./guest/steady.py', import.meta.url), 'utf8');
const STATE = '/tmp/steady';

export async function startSteady(peer: Machine): Promise<void> {
  await peer.run(
    `ip link set eth0 up; tc qdisc replace dev eth0 root pfifo limit 1000
     cat >/tmp/steady.py <<'END'\n${PROGRAM}\nEND
     (setsid python3 /tmp/steady.py eth0 ${STATE} >/tmp/steady.log 2>&1 </dev/null & echo $! >/tmp/steady.pid)
     for i in $(seq 600); do [ -s ${STATE} ] && exit 0; sleep 0.1; done; cat /tmp/steady.log; exit 1`,
    START_MS,
  );
}

/** Waits until a frame sent after this call has come back. */
export const comesBack = (peer: Machine): Promise<string> =>
  peer.run(
    `read -r sent last bad <${STATE}
     for i in $(seq 1000); do
       read -r now last bad <${STATE}
       [ "$last" -ge "$sent" ] && exit 0
       sleep 0.1
     done
     echo "sent $sent, then $now; the last that came back is $last"; exit 1`,
    START_MS,
  );

/** Stops it; returns how many frames came back with other bytes. */
export async function stopSteady(peer: Machine): Promise<number> {
  return Number(await peer.run(`kill $(cat /tmp/steady.pid); cut -d' ' -f3 ${STATE}`));
}
