// SPDX-License-Identifier: BSD-3-Clause
// What telemetry says of a port beyond its driver's own figures: how the application has set it up.
import type { Port } from '../ethdev/port.ts';

/** A port as the application has set it up, over what its driver says. */
export interface PortView {
  readonly promiscuous: boolean;
  readonly allmulticast: boolean;
  /** Its addresses, its own first. */
  readonly macs: readonly string[];
  readonly xstats: ReadonlyMap<string, number>;
  readonly rxQueues: readonly QueueView[];
  readonly txQueues: readonly QueueView[];
  /** DPDK's names of what is done to received packets. */
  readonly rxOffloads: readonly string[];
  readonly vlan: VlanView;
  /** What is hashed, and with which key: an empty one where nothing is. */
  readonly rss: { readonly types: number; readonly key: Uint8Array };
}

export interface QueueView {
  readonly started: boolean;
  /** It is started by a command of its own. */
  readonly deferred: boolean;
  /** 0 while there is no ring, and for a queue that software adds. */
  readonly descriptors: number;
}

export interface VlanView {
  readonly pvid: number | null;
  readonly strip: boolean;
  readonly filter: boolean;
  readonly extend: boolean;
  readonly qinqStrip: boolean;
  /** Bit v: VLAN v passes the filter. */
  readonly ids: Uint8Array;
}

/** A port of an application that does nothing in software. */
export function plainView(port: Port): PortView {
  const { info, config, started } = port;
  const queues = (role: 'rx' | 'tx', count: number) =>
    Array.from({ length: count }, (_, queue) => ({
      started,
      deferred: false,
      get descriptors() {
        return port.descriptors(role, queue);
      },
    }));
  return {
    promiscuous: true,
    allmulticast: true,
    macs: [info.mac.toUpperCase()],
    get xstats() {
      return port.xstats();
    },
    rxQueues: queues('rx', config.rxQueues),
    txQueues: queues('tx', config.txQueues),
    rxOffloads: [],
    vlan: {
      ...{ pvid: null, strip: false, filter: false, extend: false, qinqStrip: false },
      ids: new Uint8Array(),
    },
    rss: { types: 0, key: new Uint8Array(0) },
  };
}
