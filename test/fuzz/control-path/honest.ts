// SPDX-License-Identifier: BSD-3-Clause
// An honest peer and an honest driver, which must connect within a bound after each attack and be served
// correctly: this project's own front-end and driver, with a link, frames there and back, and the correct
// index when the rings stop.
import { setTimeout as sleep } from 'node:timers/promises';
import { vhostPciDriver } from '../../../src/drivers/vhost-pci/driver.ts';
import type { Port } from '../../../src/ethdev/port.ts';
import { Echo } from '../../support/echo.ts';
import { SENT_AT_START, StillPeer } from '../../support/still-peer.ts';
import type { Connect } from './attacker.ts';

const RETRY_MS = 10;
const RING_ENTRIES = 256;

export interface Served {
  /** Milliseconds until each was connected. */
  readonly peerMs: number;
  readonly driverMs: number;
  /** Milliseconds until the frames were back. */
  readonly wholeMs: number;
  /** Connections of the peer that the device closed before it was served. */
  readonly refusals: number;
}

export interface HonestPlace {
  readonly connect: Connect;
  readonly driverPath: string;
  readonly packed: boolean;
  readonly driverFirst: boolean;
  readonly boundMs: number;
}

/** Throws an Error that names the party that was not served, and how. */
export async function serveHonest(place: HonestPlace): Promise<Served> {
  const start = performance.now();
  const since = () => performance.now() - start;
  let refusals = 0;
  let driver: { port: Port; echo: Echo } | null = null;
  let peer: StillPeer | null = null;
  let [peerMs, driverMs] = [0, 0];
  const enterDriver = async () => {
    driver = await within(place.boundMs, 'driver', since, () => openDriver(place.driverPath));
    driverMs = since();
  };
  const enterPeer = async () => {
    peer = await within(place.boundMs, 'peer', since, async () => {
      const fd = await place.connect('peer');
      if (fd === null) throw new Error('its connection was not accepted');
      refusals++;
      const options = { packed: place.packed, inOrder: true, eventIdx: false, queueSize: RING_ENTRIES };
      return StillPeer.start('the device model', options, fd);
    });
    refusals--;
    peerMs = since();
  };
  try {
    if (place.driverFirst) await enterDriver();
    await enterPeer();
    if (!place.driverFirst) await enterDriver();
    await exchange(peer as unknown as StillPeer, place, since);
    return { peerMs, driverMs, wholeMs: since(), refusals };
  } finally {
    const [lastPeer, lastDriver] = [peer as StillPeer | null, driver as { port: Port; echo: Echo } | null];
    await lastPeer?.close('killed');
    lastDriver?.echo.stop();
    lastDriver?.port.close();
  }
}

async function exchange(peer: StillPeer, place: HonestPlace, since: () => number): Promise<void> {
  let back = 0;
  while (back < SENT_AT_START) {
    if (since() > place.boundMs)
      throw new Error(`${back} of ${SENT_AT_START} frames of an honest peer came back`);
    await sleep(1);
    back += peer.receive();
  }
  const wrap = place.packed ? 0x8000 : 0;
  for (const role of ['rx', 'tx'] as const) {
    const index = await peer.stopRing(role);
    if (index !== (SENT_AT_START | wrap))
      throw new Error(`an honest peer's ${role} ring stops at ${index}, ${SENT_AT_START} frames passed`);
  }
}

function openDriver(path: string): Promise<{ port: Port; echo: Echo }> {
  const port = vhostPciDriver.probe(0, 'net_vhost_pci0', new Map([['path', path]]));
  try {
    port.start();
    return Promise.resolve({ port, echo: new Echo(port) });
  } catch (error) {
    port.close();
    throw error;
  }
}

/** Retries until it succeeds. */
async function within<T>(
  boundMs: number,
  who: string,
  since: () => number,
  attempt: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (since() > boundMs)
        throw new Error(
          `an honest ${who} is not served after ${Math.round(since())} ms: ${(error as Error).message}`,
        );
      await sleep(RETRY_MS);
    }
  }
}
