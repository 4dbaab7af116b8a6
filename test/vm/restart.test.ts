// SPDX-License-Identifier: BSD-3-Clause
// VM2's QEMU is killed and restarted while VM1 and its PMD keep running: with its memory in a file at a fixed
// path, the link comes back by itself; with another file, VM1 is told why it does not.
import { beforeAll, expect, it } from 'vitest';
import type { Machine } from '../../tools/vm/machine.ts';
import { say, startGuestPrompt } from './guest-prompt.test-help.ts';
import { allCameBack, bind, describeRig, echo, PMD_LOG, PMD_PROCESS, START_MS } from './rig.test-help.ts';

const FRAMES = 500;
const NO_LINK =
  'VM2 has a different memory file from the one that VM1 has mapped: start VM2 with memory-backend-file on tmpfs at a fixed path (mem-path=/dev/shm/NAME,share=on), or restart VM1';

describeRig("VM2's QEMU is killed and restarted", (rig) => {
  let peer: Machine;
  let guest: Machine;
  /** Process id of the PMD, which no restart of VM2 may end. */
  let pid: string;

  beforeAll(async () => {
    await rig().startDevice();
    peer = await rig().startPeer({ memoryFile: rig().memoryFile('vm2') });
    guest = await rig().startPmdGuest();
    await bind(guest, 'vfio-pci');
    await startGuestPrompt(guest, 'macswap', '');
    pid = await guest.run(`pgrep -o ${PMD_PROCESS}`);
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  const info = () => say(guest, 'show port info 0');
  const link = async () => /Link status: (\w+)/.exec(await info())?.[1];

  async function restart(memoryFile: string): Promise<void> {
    await peer.kill();
    await expect.poll(link, { timeout: START_MS }).toBe('down');
    peer = await rig().startPeer({ memoryFile });
  }

  it('the link comes back by itself when the memory is in the same file', async () => {
    await restart(rig().memoryFile('vm2'));
    await expect.poll(link, { timeout: START_MS }).toBe('up');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
    expect(await guest.run(`pgrep -o ${PMD_PROCESS}`)).toBe(pid);
  });

  it('VM1 reports what to do when the memory is in another file', async () => {
    await restart(rig().memoryFile('other'));
    await expect.poll(info, { timeout: START_MS }).toContain(`No link: ${NO_LINK}`);
    const log = await guest.run(`cat ${PMD_LOG}`);
    expect(log).toContain(`Port 0: no link: ${NO_LINK}`);
    expect(log.lastIndexOf('link state change event')).toBeLessThan(log.indexOf(`no link: ${NO_LINK}`));
    expect(await link()).toBe('down');
  });

  it('the link comes back when VM2 uses its first file again', async () => {
    await restart(rig().memoryFile('vm2'));
    await expect.poll(link, { timeout: START_MS }).toBe('up');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
    expect(await guest.run(`pgrep -o ${PMD_PROCESS}`)).toBe(pid);
  });
});
