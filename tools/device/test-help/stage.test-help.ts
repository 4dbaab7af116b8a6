// SPDX-License-Identifier: BSD-3-Clause
// A device model with its sockets in their own folder, and the peers and drivers of a test. After each test
// everything is closed and no descriptor may be left open.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { decode, encode } from '../../../src/abi/layout.ts';
import * as abi from '../../../src/abi/vhost-pci.ts';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { createDevice, type Device, type DeviceOptions } from '../device.ts';
import { type Machine, TestDriver } from './driver.test-help.ts';
import { NET_AND_PROTOCOL, TestPeer } from './peer.test-help.ts';

const HEAD = abi.VHOST_PCI_CTRL_HDR.size;
const KINDS: ReadonlyMap<string, string> = new Map([
  [`${abi.VHOST_PCI_CTRL_REMOTE_MEM}.${abi.VHOST_PCI_CTRL_REMOTE_MEM_PACKED}`, 'REMOTE_MEM packed'],
  [`${abi.VHOST_PCI_CTRL_REMOTE_MEM}.${abi.VHOST_PCI_CTRL_REMOTE_MEM_PLACED}`, 'REMOTE_MEM placed'],
  [`${abi.VHOST_PCI_CTRL_REMOTE_QUEUES}.0`, 'REMOTE_QUEUES'],
  [`${abi.VHOST_PCI_CTRL_SESSION}.${abi.VHOST_PCI_CTRL_SESSION_PEER_FEATURES}`, 'PEER_FEATURES'],
  [`${abi.VHOST_PCI_CTRL_SESSION}.${abi.VHOST_PCI_CTRL_SESSION_QUEUE_STOP}`, 'QUEUE_STOP'],
  [`${abi.VHOST_PCI_CTRL_SESSION}.${abi.VHOST_PCI_CTRL_SESSION_PEER_MTU}`, 'PEER_MTU'],
  [`${abi.VHOST_PCI_CTRL_SESSION}.${abi.VHOST_PCI_CTRL_SESSION_PEER_ANNOUNCE}`, 'PEER_ANNOUNCE'],
  [`${abi.VHOST_PCI_CTRL_SESSION}.${abi.VHOST_PCI_CTRL_SESSION_LINK_REASON}`, 'LINK_REASON'],
]);

export const PLACED = 'REMOTE_MEM placed';
export const PACKED = 'REMOTE_MEM packed';
export const QUEUES = 'REMOTE_QUEUES';
export const FEATURES = 'PEER_FEATURES';
export const STOP = 'QUEUE_STOP';
export const MTU = 'PEER_MTU';
export const ANNOUNCE = 'PEER_ANNOUNCE';

export const viewOf = (message: Uint8Array) =>
  new DataView(message.buffer, message.byteOffset, message.length);

/** The name of a control message's kind; its class and command when unknown. */
export function kind(message: Uint8Array): string {
  const { class: klass, cmd } = decode(abi.VHOST_PCI_CTRL_HDR, viewOf(message));
  return KINDS.get(`${klass}.${cmd}`) ?? `${klass}.${cmd}`;
}

/** The record of a ring in REMOTE_QUEUES. */
export const record = (message: Uint8Array, index: number) =>
  decode(
    abi.VHOST_PCI_REMOTE_QUEUE_ENTRY,
    viewOf(message),
    HEAD + index * abi.VHOST_PCI_REMOTE_QUEUE_ENTRY.size,
  );

export const stopOf = (message: Uint8Array) => decode(abi.VHOST_PCI_QUEUE_STOP, viewOf(message), HEAD);

/** QUEUE_STOPPED. */
export function stopped(index: number, last: number, token: number): Uint8Array {
  const size = HEAD + abi.VHOST_PCI_QUEUE_STOP.size;
  const view = new DataView(new ArrayBuffer(size));
  const head = {
    class: abi.VHOST_PCI_CTRL_SESSION,
    cmd: abi.VHOST_PCI_CTRL_SESSION_QUEUE_STOPPED,
    size,
  };
  encode(abi.VHOST_PCI_CTRL_HDR, head, view);
  encode(abi.VHOST_PCI_QUEUE_STOP, { index, last_avail_idx: last, token }, view, HEAD);
  return new Uint8Array(view.buffer);
}

/** Takes the next QUEUE_STOP and answers it. */
export async function answerStop(driver: TestDriver, last: number): Promise<number> {
  const [message] = await driver.messages(1);
  if (!message || kind(message) !== STOP) throw new Error(`${message && kind(message)} is not QUEUE_STOP`);
  const { index, token } = stopOf(message);
  await driver.send(stopped(index, last, token));
  return index;
}

export class Stage {
  device!: Device;
  folder = '';
  lines: string[] = [];
  readonly open: { close(): void }[] = [];
  #fdsBefore = 0;

  get vhostUser(): string {
    return joinPath(this.folder, 'vhost-user');
  }

  get vfioUser(): string {
    return joinPath(this.folder, 'vfio-user');
  }

  begin(): void {
    this.#fdsBefore = openFds();
    this.folder = mkdtempSync(joinPath(tmpdir(), 'vhost-pci-device-'));
    this.lines = [];
  }

  async end(): Promise<void> {
    for (const end of this.open.splice(0)) end.close();
    this.device.close();
    await until('no descriptor is left', () => openFds() <= this.#fdsBefore);
    rmSync(this.folder, { recursive: true });
  }

  make(options: Partial<DeviceOptions> = {}): void {
    const { vhostUser, vfioUser } = this;
    this.device = createDevice({
      vhostUser,
      vfioUser,
      log: (line) => this.lines.push(line),
      ...options,
    });
  }

  newPeer(): TestPeer {
    const peer = new TestPeer(native.unixConnect(this.vhostUser));
    this.open.push(peer);
    return peer;
  }

  newDriver(memory?: number, machine?: Machine): TestDriver {
    const driver = new TestDriver(native.unixConnect(this.vfioUser), memory, machine);
    this.open.push(driver);
    return driver;
  }

  /** Lines of the log that contain this text. */
  logged(text: string): number {
    return this.lines.filter((line) => line.includes(text)).length;
  }

  /** A peer and a driver with link up; the messages that led there have been taken. */
  async linked(
    options: Partial<DeviceOptions> = {},
    features = NET_AND_PROTOCOL,
  ): Promise<{ peer: TestPeer; driver: TestDriver }> {
    this.make(options);
    const peer = this.newPeer();
    await peer.start(features);
    const driver = this.newDriver();
    await driver.start();
    await driver.messages(3);
    await driver.untilLink(true);
    return { peer, driver };
  }
}

/** A stage for each test of the file. */
export function stageForEachTest(): Stage {
  const stage = new Stage();
  beforeEach(() => stage.begin());
  afterEach(() => stage.end());
  return stage;
}
