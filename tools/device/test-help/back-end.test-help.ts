// SPDX-License-Identifier: BSD-3-Clause
// A vhost-user back-end without a device model, and one front-end connected to it.
import { afterEach, beforeEach } from 'vitest';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { logTo } from '../log.ts';
import { type ConnectionHost, VhostUserConnection } from '../vhost-user/connection.ts';
import type { PeerRing } from '../vhost-user/peer.ts';
import { NET_AND_PROTOCOL, TestPeer } from './peer.test-help.ts';

export class BackEndStage {
  connection!: VhostUserConnection;
  peer!: TestPeer;
  /** Reasons why the connection was closed. */
  closed: string[] = [];
  /** Rings that were stopped. */
  stopped: number[] = [];
  stopRings: (rings: readonly PeerRing[]) => Promise<void> = async () => {};
  #fdsBefore = 0;

  begin(): void {
    this.#fdsBefore = openFds();
    this.closed = [];
    this.stopped = [];
    this.stopRings = async (rings) => {
      this.stopped.push(...rings.map(({ index }) => index));
    };
    const host: ConnectionHost = {
      offeredFeatures: NET_AND_PROTOCOL,
      acceptFeatures: () => {},
      session: { stopRings: (rings) => this.stopRings(rings) },
      kicks: { watch: () => {}, unwatch: () => {} },
      changed: () => {},
      closed: (reason) => this.closed.push(reason),
      onFault: () => {},
      introduced: () => {},
      refused: () => {},
      log: logTo(() => {}, false),
    };
    const [a, b] = native.socketPair();
    this.connection = new VhostUserConnection(b, 2, host);
    this.peer = new TestPeer(a);
  }

  async end(): Promise<void> {
    this.peer.close();
    this.connection.close('the test is done');
    await until('no descriptor is left', () => openFds() <= this.#fdsBefore);
  }

  ring(index: number): PeerRing {
    return this.connection.peer.rings[index] as PeerRing;
  }
}

export function backEndForEachTest(): BackEndStage {
  const stage = new BackEndStage();
  beforeEach(() => stage.begin());
  afterEach(() => stage.end());
  return stage;
}
