// SPDX-License-Identifier: BSD-3-Clause
// Queues of net_pcap on an interface of the kernel: each frame is one call, copied as libpcap copies it. For
// speed there is net_tap.
import { noPacket } from '../../capture/packet.ts';
import type { MbufVector } from '../../ethdev/mempool.ts';
import type { QueueSpec, RxInterrupt } from '../../ethdev/port.ts';
import { native } from '../../native.ts';
import { copyPacket } from './copy-packet.ts';
import { Gate } from './gate.ts';
import { FRAME_ROOM } from './interfaces.ts';
import { DropTxQueue, dataOf, PcapRxQueue } from './queues.ts';

export class InterfaceRxQueue extends PcapRxQueue {
  /** The socket is readable while a frame waits. */
  override readonly interrupt: RxInterrupt;
  readonly #fd: number;
  readonly #gate: Gate;
  readonly #frame = { ...noPacket(), bytes: new Uint8Array(FRAME_ROOM) };

  constructor(spec: QueueSpec) {
    super(spec);
    const { fd, counters } = dataOf(spec);
    this.#fd = fd;
    this.#gate = new Gate(counters);
    this.interrupt = { fd, arm: () => true, disarm: () => {}, counters: new Float64Array(2) };
  }

  override burst(pkts: MbufVector, wanted: number): number {
    if (!this.#gate.enter()) return 0;
    const n = super.burst(pkts, wanted);
    this.#gate.leave();
    return n;
  }

  /** The port has thrown away what came before its start. */
  protected override restart(): void {}

  /** An interface that is down, or gone, has none. */
  protected override next() {
    const length = native.packetReceive(this.#fd, this.#frame.bytes);
    if (length <= 0) return null;
    this.#frame.length = length;
    return this.#frame;
  }
}

export class InterfaceTxQueue extends DropTxQueue {
  readonly #fd: number;
  readonly #gate: Gate;
  readonly #bytes = new Uint8Array(FRAME_ROOM);

  constructor(spec: QueueSpec) {
    super(spec);
    const { fd, counters } = dataOf(spec);
    this.#fd = fd;
    this.#gate = new Gate(counters);
  }

  override burst(pkts: MbufVector, first: number, end: number): number {
    if (!this.#gate.enter()) return 0;
    const n = super.burst(pkts, first, end);
    this.#gate.leave();
    return n;
  }

  /** What the kernel does not take is lost: its queue is full, the frame too long, the interface down. */
  protected override write({ pool, ids }: MbufVector, from: number, to: number): boolean {
    for (let i = from; i < to; i++) {
      if (ids[i] >= pool.count) continue;
      const length = pool.pktLen[ids[i]];
      if (length <= FRAME_ROOM) {
        copyPacket(this.#bytes, 0, length, pool, ids[i]);
        if (native.packetSend(this.#fd, this.#bytes, length)) continue;
      }
      this.lost.packets++;
      this.lost.bytes += length;
    }
    return true;
  }
}
