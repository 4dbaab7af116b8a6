// SPDX-License-Identifier: BSD-3-Clause
// The PMD on the host with the virtio-net driver of a real guest kernel as its peer, behind stock QEMU's
// vhost-user front-end.
import { beforeAll, expect, it } from 'vitest';
import type { Child } from '../../tools/run/child.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { PEER_ADDRESS } from '../../tools/vm/qemu.ts';
import { holdings } from '../support/holdings.ts';
import { allCameBack, command, describeRig, echo, START_MS, startHostPmd } from './rig.test-help.ts';

const FRAMES = 2000;
const FEW = 300;
/** Number of traffic checks during a loop. */
const ROUNDS = 4;
const LOOP_MS = 280_000;
/** Sets $D to VM2's card among the devices of its driver. */
const DRIVER =
  'cd /sys/bus/virtio/drivers/virtio_net; D=$(basename $(readlink -f /sys/bus/pci/devices/' +
  PEER_ADDRESS +
  '/virtio*))';

describeRig('the PMD on the host and a Linux guest', (rig) => {
  let device: Child;
  let pmd: Child;
  let peer: Machine;

  beforeAll(async () => {
    device = await rig().startDevice();
    pmd = await startHostPmd(rig(), 'macswap');
    peer = await rig().startPeer();
    await pmd.waitFor(/link state change event/, START_MS);
  });

  const held = () => [device, pmd].map((child) => holdings(child.pid as number));

  it('exchange frames of all sizes, contents unchanged', async () => {
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('agree on the features that the device offers', async () => {
    const info = await command(pmd, 'show port info 0');
    expect(info).toMatch(/Peer features: .*MRG_RXBUF.*VERSION_1/);
    expect(info).toMatch(/Remote memory \(bytes\): 536870912/);
  });

  it('interrupt the guest when frames arrive', async () => {
    const interrupts = () => peer.run("awk '/virtio0-input/ { print $2 }' /proc/interrupts");
    const before = Number(await interrupts());
    await echo(peer, 100);
    expect(Number(await interrupts())).toBeGreaterThan(before);
  });

  it("see the guest's driver go and come back", async () => {
    const link = async () => /Link status: (\w+)/.exec(await command(pmd, 'show port info 0'))?.[1];
    await peer.run(`${DRIVER}; echo $D >unbind`);
    await expect.poll(link, { timeout: START_MS }).toBe('down');
    await peer.run(`${DRIVER}; echo $D >bind`);
    await expect.poll(link, { timeout: START_MS }).toBe('up');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('continue while the interface goes down and up two hundred times, and keep nothing of it', async () => {
    const before = held();
    for (let round = 0; round < ROUNDS; round++) {
      await peer.run(`for i in $(seq ${200 / ROUNDS}); do ip link set eth0 down; ip link set eth0 up; done`);
      expect(await echo(peer, FEW)).toBe(allCameBack(FEW));
    }
    await expect.poll(held).toEqual(before);
  });

  it('continue while the guest unbinds and binds its driver two hundred times, and keep nothing of it', async () => {
    const before = held();
    for (let round = 0; round < ROUNDS; round++) {
      const loop = `for i in $(seq ${200 / ROUNDS}); do echo $D >unbind; echo $D >bind; done`;
      await peer.run(`${DRIVER}; ${loop}`, LOOP_MS);
      expect(await echo(peer, FEW)).toBe(allCameBack(FEW));
    }
    await expect.poll(held).toEqual(before);
  });

  it('continue after each of five reboots of the guest, and keep nothing of them', async () => {
    const before = held();
    for (let boot = 0; boot < 5; boot++) {
      await peer.reboot();
      expect(await echo(peer, FEW)).toBe(allCameBack(FEW));
    }
    await expect.poll(held).toEqual(before);
    expect(await command(pmd, 'show port xstats 0')).toMatch(/rx_q0_invalid_desc: 0\b/);
  });

  it('continue with a new PMD after the first was killed', async () => {
    process.kill(pmd.pid as number, 'SIGKILL');
    await pmd.ended(START_MS);
    pmd = await startHostPmd(rig(), 'macswap');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('continue after device model and PMD were restarted and QEMU has reconnected', async () => {
    await pmd.stop();
    await device.stop();
    device = await rig().startDevice();
    pmd = await startHostPmd(rig(), 'macswap');
    await pmd.waitFor(/link state change event/, START_MS);
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });
});
