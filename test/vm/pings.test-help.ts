// SPDX-License-Identifier: BSD-3-Clause
// ping, as a user of a guest would run it: a counted number, and one that continues while other things
// happen.
import type { Machine } from '../../tools/vm/machine.ts';
import { START_MS } from './rig.test-help.ts';

/** A late answer on a busy machine is not lost: how long ping waits for the last ones if some are missing. */
const PATIENCE_S = 30;
const LOG = '/tmp/ping.log';

/** Waits until `host` answers: the link may be up before forwarding has begun. */
export const answers = (machine: Machine, host: string): Promise<string> =>
  machine.run(`until ping -q -c 1 -W 1 ${host}; do :; done`, START_MS);

/** Sends this many pings, one every `interval` seconds; returns ping's summary. */
export const ping = (machine: Machine, host: string, count: number, interval: number, options = '') =>
  machine.run(`ping -q -c ${count} -i ${interval} -W ${PATIENCE_S} ${options} ${host}`, START_MS);

/** Checks that none was lost. */
export const allAnswered = (count: number): string =>
  `${count} packets transmitted, ${count} received, 0% packet loss`;

/** Starts a ping that runs until stopPinging. */
export const startPinging = (machine: Machine, host: string): Promise<string> =>
  machine.run(`(setsid ping -n -i 0.1 ${host} >${LOG} 2>&1 </dev/null & echo $! >/tmp/ping.pid)`);

/** Waits for `count` more answers. */
export const repliesCome = (machine: Machine, count: number): Promise<string> =>
  machine.run(
    `replies() { grep -c 'icmp_seq=.* time=' ${LOG}; }
     from=$(replies)
     for i in $(seq 1000); do [ $(replies) -ge $((from + ${count})) ] && exit 0; sleep 0.1; done
     tail -n 5 ${LOG}; exit 1`,
    START_MS,
  );

/** Stops it; returns its summary line. It must still be the process that was started. */
export const stopPinging = (machine: Machine): Promise<string> =>
  machine.run(
    `kill -INT $(cat /tmp/ping.pid) || exit 1
     for i in $(seq 100); do grep 'packets transmitted' ${LOG} && exit 0; sleep 0.1; done; exit 1`,
  );
