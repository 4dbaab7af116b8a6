// SPDX-License-Identifier: BSD-3-Clause
// The device model's two sockets: which clients may connect, and what happens to the socket files.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VHOST_USER } from '../../src/abi/vhost-user.ts';
import { native } from '../../src/native.ts';
import { until } from '../../test/support/wait.ts';
import { TestPeer } from './test-help/peer.test-help.ts';
import { stageForEachTest } from './test-help/stage.test-help.ts';

const stage = stageForEachTest();

describe('connections', () => {
  it('takes one peer at a time', async () => {
    const { peer } = await stage.linked();
    const second = stage.newPeer();
    await until('it was refused', () => second.channel.closedBecause !== null);
    expect(stage.logged('another peer refused')).toBe(1);
    expect((await peer.ask(VHOST_USER.GET_FEATURES)).byteLength).toBe(8);
  });

  it('answers a second driver with EBUSY', async () => {
    const { driver } = await stage.linked();
    const second = stage.newDriver();
    expect((await second.version()).error).toBe(16);
    await until('it was closed', () => second.channel.closedBecause !== null);
    expect(await driver.linkUp()).toBe(true);
  });

  it('regression: names a file that is not a socket where a listening peer was expected', () => {
    writeFileSync(stage.vhostUser, '');
    stage.make({ vhostUserMode: 'client' });
    expect(stage.lines).toContain(`waiting for a peer at ${stage.vhostUser} (it is not a socket)`);
    rmSync(stage.vhostUser);
  });

  it('regression: asks for the peer where nobody listens', () => {
    stage.make({ vhostUserMode: 'client' });
    const asked = 'is the peer running, as the server?';
    expect(stage.lines).toContain(`waiting for a peer at ${stage.vhostUser} (no such socket; ${asked})`);
    stage.device.close();
    native.close(native.unixListen(stage.vhostUser));
    stage.make({ vhostUserMode: 'client' });
    expect(stage.lines).toContain(`waiting for a peer at ${stage.vhostUser} (connection refused; ${asked})`);
    rmSync(stage.vhostUser);
  });

  it('connects to a listening peer, and reconnects', async () => {
    const listening = native.unixListen(stage.vhostUser);
    stage.make({ vhostUserMode: 'client' });
    for (let round = 0; round < 2; round++) {
      let fd = -1;
      await until('it connects', () => {
        fd = native.unixAccept(listening);
        return fd >= 0;
      });
      const peer = new TestPeer(fd);
      await peer.start();
      peer.close();
      await until('it noticed', () => stage.logged('peer disconnected') === round + 1);
    }
    native.close(listening);
  });

  it('removes its sockets when it closes, and can be closed twice', async () => {
    stage.make();
    expect([existsSync(stage.vhostUser), existsSync(stage.vfioUser)]).toEqual([true, true]);
    stage.device.close();
    stage.device.close();
    expect([existsSync(stage.vhostUser), existsSync(stage.vfioUser)]).toEqual([false, false]);
  });

  it('says what is wrong with a path, and leaves nothing behind', () => {
    expect(() => stage.make({ vfioUser: joinPath(stage.folder, 'no', 'such') })).toThrow(
      /Failed to listen on .*no\/such/,
    );
    expect(existsSync(stage.vhostUser)).toBe(false);
    stage.make();
    expect(() => stage.make()).toThrow(/Failed to listen on .*another process listens there/);
  });

  it.each([0, 129, 1.5])('refuses %s queue pairs', (queuePairs) => {
    stage.make();
    stage.device.close();
    expect(() => stage.make({ queuePairs })).toThrow('choose 1 to 128');
  });
});
