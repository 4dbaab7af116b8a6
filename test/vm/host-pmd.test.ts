// SPDX-License-Identifier: BSD-3-Clause
// The PMD on the host with the virtio-net driver of a real guest kernel as its peer, behind stock QEMU's vhost-user front-end.
import { beforeAll, expect, it } from 'vitest';
import type { Child } from '../../tools/run/child.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { allCameBack, command, describeRig, echo, START_MS, startHostPmd } from './rig.test-help.ts';

const FRAMES = 3000;

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

  it('exchange frames of all sizes, contents unchanged', async () => {
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('agree on the features that the device offers', async () => {
    const info = await command(pmd, 'show port info 0');
    expect(info).toMatch(/Peer features: .*MRG_RXBUF.*VERSION_1/);
    expect(info).toMatch(/Remote memory \(bytes\): 536870912/);
  });

  it('interrupt the guest when frames come', async () => {
    const interrupts = () => peer.run("awk '/virtio0-input/ { print $2 }' /proc/interrupts");
    const before = Number(await interrupts());
    await echo(peer, 100);
    expect(Number(await interrupts())).toBeGreaterThan(before);
  });

  it('go on after the interface went down and up twenty times', async () => {
    await peer.run('for i in $(seq 20); do ip link set eth0 down; ip link set eth0 up; done');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('go on after the guest unbound and bound its driver ten times', async () => {
    const script =
      'cd /sys/bus/virtio/drivers/virtio_net; D=$(basename $(readlink -f /sys/class/net/eth0/device))';
    await peer.run(`${script}; for i in $(seq 10); do echo $D >unbind; echo $D >bind; done`, START_MS);
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('go on after the guest rebooted', async () => {
    await peer.reboot();
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
    expect(await command(pmd, 'show port xstats 0')).toMatch(/rx_q0_invalid_desc: 0\b/);
  });

  it('go on with a new PMD after the first was killed', async () => {
    process.kill(pmd.pid as number, 'SIGKILL');
    await pmd.ended(START_MS);
    pmd = await startHostPmd(rig(), 'macswap');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('go on after device model and PMD were started anew, to which QEMU reconnects', async () => {
    await pmd.stop();
    await device.stop();
    device = await rig().startDevice();
    pmd = await startHostPmd(rig(), 'macswap');
    await pmd.waitFor(/link state change event/, START_MS);
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });
});
