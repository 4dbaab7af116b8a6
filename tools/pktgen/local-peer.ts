// SPDX-License-Identifier: BSD-3-Clause
// Without a device: a device model and the built-in peer as child processes, so that one line gives traffic.

import { openPort } from '../../src/drivers/registry.ts';
import { PmdError } from '../../src/errors.ts';
import type { Port, PortListener } from '../../src/ethdev/port.ts';
import { PeerProcess } from '../run/builtin-peer.ts';
import type { Child } from '../run/child.ts';
import { DeviceProcess } from '../run/device-model.ts';
import { stopAll, Workspace } from '../run/workspace.ts';
import type { OpenedPort } from './opened-port.ts';

const START_MS = 20_000;
const POLL_MS = 5;
/** Milliseconds after which a wait for a link is worth a word. */
const TELL_MS = 1000;

export interface LocalOptions {
  /** CPU of the peer's loop. */
  readonly cpu: number;
  /** 'sink' does not send frames back. */
  readonly mode: 'echo' | 'sink';
  /** Frames per second above which the peer drops. */
  readonly dropAbove?: number | undefined;
  readonly queueSize: number;
  readonly hugepages: boolean;
  readonly maxRunMs: number;
  /** Ends the start. */
  readonly over?: AbortSignal;
}

/**
 * Starts both, and waits until the link is up. Throws the error of the one that failed: what is over ends
 * them.
 */
export async function startLocal(options: LocalOptions): Promise<OpenedPort> {
  const workspace = new Workspace();
  const [vhostUser, vfioUser] = [workspace.path('u'), workspace.path('f')];
  const { maxRunMs, cpu, mode, queueSize, hugepages, dropAbove, over } = options;
  const device = new DeviceProcess({ vhostUser, vfioUser, maxRunMs });
  const children: Child[] = [device];
  const end = () => void stopAll([...children].reverse());
  over?.addEventListener('abort', end);
  const close = async (port?: Port) => {
    port?.close();
    await stopAll([...children].reverse());
    workspace.remove();
  };
  let port: Port | undefined;
  try {
    over?.throwIfAborted();
    await device.ready(START_MS);
    port = openPort(`net_vhost_pci0,path=${vfioUser}`);
    const settings = { vhostUser, mode, cpu, frameSize: 64, burst: 32, queueSize, hugepages, maxRunMs };
    const peer = new PeerProcess({ ...settings, check: false, ...(dropAbove ? { dropAbove } : {}) });
    children.push(peer);
    await peer.up(START_MS);
    await linkUp(port, peer);
    const opened = port;
    const ends = children.map((child) =>
      child.gone.then(() => child.failure(`ended (${child.exit}) while packets flowed`)),
    );
    return { port: opened, broken: Promise.race(ends), close: () => close(opened) };
  } catch (error) {
    await close(port);
    throw error;
  } finally {
    over?.removeEventListener('abort', end);
  }
}

/** Throws if the port is gone meanwhile, though the programs are there. */
async function linkUp(port: Port, peer: Child): Promise<void> {
  const { broken, close } = ofUser(port);
  let gone: Error | undefined;
  void broken.then((error) => {
    gone = error;
  });
  await peer.until(() => port.link().up || gone !== undefined, START_MS, 'the link');
  await close();
  if (gone) throw gone;
}

/**
 * The user's device, once its link is up. Throws VPCI_NO_TRAFFIC if that does not happen in time, EINTR if it
 * does not before `over` says that nobody waits any more, or VPCI_REMOVED. `onWait` is told once if it takes
 * a while, with ": " and the reason if there is one.
 */
export async function openDevice(
  device: string,
  waitMs: number,
  over?: AbortSignal,
  onWait: (reason: string) => void = () => {},
): Promise<OpenedPort> {
  const port = openPort(device);
  const opened = { ...ofUser(port), close: async () => port.close() };
  let gone: Error | undefined;
  void opened.broken.then((error) => {
    gone = error;
  });
  const start = performance.now();
  const waited = () => performance.now() - start;
  const because = () => (port.link().reason ? `: ${port.link().reason}` : '');
  let told = false;
  while (!port.link().up && !gone && !over?.aborted && waited() < waitMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (told || port.link().up || waited() < TELL_MS) continue;
    told = true;
    onWait(because());
  }
  if (port.link().up) return opened;
  const failed = `Failed to use ${device}: the link did not come up`;
  const reason = because();
  port.close();
  if (over?.aborted) throw new PmdError('EINTR', `${failed} before the run was ended${reason}`);
  throw gone ?? new PmdError('VPCI_NO_TRAFFIC', `${failed} within ${waitMs / 1000} s${reason}`);
}

/** A port that stays open. */
export function ofUser(port: Port): OpenedPort {
  let onRemoved: PortListener = () => {};
  const broken = new Promise<Error>((resolve) => {
    onRemoved = ({ reason }) => {
      const cause = reason ? `: ${reason}` : '';
      resolve(new PmdError('VPCI_REMOVED', `${port.info.name} is gone, its device was removed${cause}`));
    };
  });
  port.once('removed', onRemoved);
  return { port, broken, close: async () => port.off('removed', onRemoved) };
}
