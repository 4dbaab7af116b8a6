// SPDX-License-Identifier: BSD-3-Clause
// DPDK as a virtio-net driver that sends the frames of capture files, one file per queue, and writes the
// returned frames to other files.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Testpmd } from './dpdk.ts';
import { readPcap, writePcap } from './pcap.ts';

const PCAP = 0;
const VIRTIO = 1;
const POLL_MS = 10;
const BACK_MS = 60_000;

export interface PcapPeerOptions {
  /** Folder of the capture files. */
  readonly folder: string;
  /** The back-end's socket. */
  readonly vhostUser: string;
  readonly pairs: number;
  /** Arguments of net_virtio_user in addition to path and queues. */
  readonly virtio: string;
  readonly hugepages?: boolean;
}

export class PcapPeer {
  readonly testpmd: Testpmd;
  readonly #folder: string;

  private constructor(testpmd: Testpmd, folder: string) {
    this.testpmd = testpmd;
    this.#folder = folder;
  }

  static async start(options: PcapPeerOptions): Promise<PcapPeer> {
    const { folder, pairs } = options;
    const queues = Array.from({ length: pairs }, (_, queue) => queue);
    for (const queue of queues) writePcap(input(folder, queue), []);
    const files = [
      ...queues.map((queue) => `rx_pcap=${input(folder, queue)}`),
      ...queues.map((queue) => `tx_pcap=${output(folder, queue)}`),
    ];
    const testpmd = Testpmd.start({
      vdevs: [
        `net_pcap0,${files.join(',')}`,
        `net_virtio_user0,path=${options.vhostUser},queues=${pairs},${options.virtio}`,
      ],
      hugepages: options.hugepages ?? false,
      interactive: true,
      testpmd: ['--no-flush-rx', `--rxq=${pairs}`, `--txq=${pairs}`],
    });
    const peer = new PcapPeer(testpmd, folder);
    await testpmd.waitFor('testpmd>');
    // Mode csum does not change addresses, and no packets are dropped while a ring is full.
    for (const port of [PCAP, VIRTIO]) await testpmd.command(`csum mac-swap off ${port}`);
    await testpmd.command('set burst tx delay 100 retry 65535');
    return peer;
  }

  /**
   * Sends each queue's frames once, whole or cut into several mbufs, and returns the frames that came back on
   * each queue. Send at most as many frames as the receive ring has buffers: while testpmd waits for room in
   * one ring, it does not empty the others.
   */
  async roundTrip(frames: readonly (readonly Uint8Array[])[], cut = false): Promise<Buffer[][]> {
    // The capture files are opened when the port starts and are complete when it has stopped.
    await this.testpmd.command(`port stop ${PCAP}`);
    for (const [queue, list] of frames.entries()) writePcap(input(this.#folder, queue), list);
    await this.testpmd.command(`port start ${PCAP}`);
    await this.testpmd.command(`set fwd ${cut ? 'csum' : 'io'} retry`);
    await this.testpmd.command(`set txpkts ${cut ? '60,100,200' : '64'}`);
    // Only the queues in use are counted.
    await this.testpmd.command(`clear port stats ${VIRTIO}`);
    await this.testpmd.command('start');
    await this.#comeBack(frames.reduce((sum, list) => sum + list.length, 0));
    await this.testpmd.command('stop');
    await this.testpmd.command(`port stop ${PCAP}`);
    return frames.map((_, queue) => readPcap(output(this.#folder, queue)));
  }

  async #comeBack(count: number): Promise<void> {
    const end = Date.now() + BACK_MS;
    for (;;) {
      await this.testpmd.command(`show port stats ${VIRTIO}`);
      const back = this.testpmd.totals(VIRTIO)?.rxPackets ?? 0;
      if (back >= count) return;
      if (Date.now() > end)
        throw new Error(`${back} of ${count} frames came back:\n${this.testpmd.output.slice(-1500)}`);
      await sleep(POLL_MS);
    }
  }
}

const input = (folder: string, queue: number): string => join(folder, `in${queue}.pcap`);
const output = (folder: string, queue: number): string => join(folder, `out${queue}.pcap`);
