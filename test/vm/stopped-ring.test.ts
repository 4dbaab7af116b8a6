// SPDX-License-Identifier: BSD-3-Clause
// A ring that VM2 has taken back is not written to by the PMD in VM1, which sends without a pause while its
// main thread is held: only GATE can stop its lcore then. The host looks at VM2's memory and makes buffers
// available in the stopped ring.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Child } from '../../tools/run/child.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { PEER_ADDRESS } from '../../tools/vm/qemu.ts';
import { say, startGuestPrompt } from './guest-prompt.test-help.ts';
import { hashOfFile, type PeerRing, readIndex, receiveRing, writeIndex } from './peer-ring.test-help.ts';
import { Qmp } from './qmp.test-help.ts';
import { bind, describeRig, PMD_PROCESS } from './rig.test-help.ts';

const HOLD = readFileSync(new URL('./guest/hold.py', import.meta.url), 'utf8');
const HELD = '/tmp/held';
/** The device model's message about a driver that it considers dead, as it would here without GATE. */
const NOT_RELEASED = /did not release|did not stop/;
const LOOK_MS = 2000;
const FLOW_MS = 30_000;
/** What Linux logs when its memory was written to. */
const DAMAGE = /BUG|Oops|panic|Bad page|corrupt|id \d+ is not a head/i;
const DRIVER = `cd /sys/bus/virtio/drivers/virtio_net; D=$(basename $(readlink -f /sys/bus/pci/devices/${PEER_ADDRESS}/virtio*))`;

describeRig('a ring that VM2 has taken back', (rig) => {
  let device: Child;
  let peer: Machine;
  let guest: Machine;
  let qmp: Qmp;
  let memory: string;
  let fd = -1;

  beforeAll(async () => {
    memory = rig().memoryFile('vm2');
    device = await rig().startDevice();
    peer = await rig().startPeer({ memoryFile: memory });
    guest = await rig().startPmdGuest();
    await bind(guest, 'vfio-pci');
    await guest.run(`cat >/tmp/hold.py <<'END'\n${HOLD}\nEND`);
    await startGuestPrompt(guest, 'txonly', '');
    await peer.run('ip link set eth0 up');
    qmp = await Qmp.connect(peer.paths.qmp);
    fd = openSync(memory, 'r+');
  });

  // Also when a test has failed in between.
  afterEach(goOn);

  afterAll(() => {
    qmp?.close();
    if (fd >= 0) closeSync(fd);
  });

  /** Holds the PMD's main thread. */
  const hold = () =>
    guest.run(
      `(setsid python3 /tmp/hold.py $(pgrep -o ${PMD_PROCESS}) ${HELD} >/tmp/hold.log 2>&1 </dev/null & echo $! >/tmp/hold.pid)
       for i in $(seq 300); do [ -e ${HELD} ] && exit 0; sleep 0.1; done; cat /tmp/hold.log; exit 1`,
    );
  async function goOn(): Promise<void> {
    await qmp.run('cont');
    await guest.run(
      `rm -f ${HELD}; while [ -e /proc/$(cat /tmp/hold.pid || echo none) ]; do sleep 0.1; done`,
    );
  }

  /** Not while it is held: VM2 waits for interrupts, which the main thread sends. */
  const flows = async (ring: PeerRing) => {
    const before = readIndex(fd, ring.used);
    await expect.poll(() => readIndex(fd, ring.used), { timeout: FLOW_MS }).not.toBe(before);
  };

  /**
   * While VM2's ring is stopped, all its buffers are available for a while: none may be taken, and its memory
   * must stay unchanged.
   */
  async function staysAsItIs(ring: PeerRing): Promise<void> {
    const before = await hashOfFile(memory);
    const [available, used] = [readIndex(fd, ring.avail), readIndex(fd, ring.used)];
    writeIndex(fd, ring.avail, used + ring.size);
    await sleep(LOOK_MS);
    writeIndex(fd, ring.avail, available);
    expect(readIndex(fd, ring.used)).toBe(used);
    expect(await hashOfFile(memory)).toBe(before);
  }

  it('is guarded by GATE, which the guest has negotiated', async () => {
    const info = await say(guest, 'show device info all');
    console.log(/Device features: .*/.exec(info)?.[0]);
    expect(info).toMatch(/Device features: .*\bSESSION\b.*\bGATE\b/);
  });

  it('is not written to when VM2 is stopped', async () => {
    const ring = await receiveRing(qmp);
    await flows(ring);
    await hold();
    const start = performance.now();
    await qmp.run('stop');
    console.log(`stopped in ${(performance.now() - start).toFixed(0)} ms`);
    await staysAsItIs(ring);
    await goOn();
    await flows(ring);
  });

  it('is not written to when its driver was unbound', async () => {
    const ring = await receiveRing(qmp);
    await flows(ring);
    await hold();
    await peer.run(`${DRIVER}; echo $D >unbind`);
    await qmp.run('stop');
    await staysAsItIs(ring);
    await goOn();
    await peer.run(`${DRIVER}; echo $D >bind; ip link set eth0 up`);
    await flows(await receiveRing(qmp));
  });

  it('is not written to when VM2 reboots or sets its interface down: its kernel reports no error', async () => {
    await peer.run('for i in $(seq 10); do ip link set eth0 down; ip link set eth0 up; done');
    await flows(await receiveRing(qmp));
    await peer.reboot();
    await peer.run('ip link set eth0 up');
    await flows(await receiveRing(qmp));
    const problems = await peer.run("dmesg | grep -iE 'virtio|eth0' | tail -n 20");
    expect(peer.consoleOutput + problems).not.toMatch(DAMAGE);
    expect(device.errors).not.toMatch(NOT_RELEASED);
  });
});
