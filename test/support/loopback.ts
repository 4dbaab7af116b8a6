// SPDX-License-Identifier: BSD-3-Clause
// Both sides of one queue pair in one thread: the built-in peer's driver queues, and the engine's device
// queues on the same memory. For data path tests without processes.
import { VIRTIO_F_RING_PACKED } from '../../src/abi/virtio-ring.ts';
import { type DriverQueueHandle, type MemoryHandle, native, type QueueHandle } from '../../src/native.ts';
import { hasFeature } from '../../src/virtio/features.ts';

export const GPA = 0x4000_0000n;
const PLACE = {
  txDesc: 0,
  txAvail: 0x8000,
  txUsed: 0x10000,
  rxDesc: 0x20000,
  rxAvail: 0x28000,
  rxUsed: 0x30000,
};
const BUFFER = 33 * 64;
const VERSION_1_MRG = (1n << 32n) | (1n << 15n);

export interface Loopback {
  /** The peer's queues. */
  readonly peerTx: DriverQueueHandle;
  readonly peerRx: DriverQueueHandle;
  /** Our queues: rx receives what peerTx sends, tx sends to peerRx. */
  readonly rx: QueueHandle;
  readonly tx: QueueHandle;
  readonly memory: MemoryHandle;
  /** The peer's memory as bytes, for tests that corrupt it. */
  readonly bytes: DataView;
  close(): void;
}

/**
 * The peer generates frames of `frame` bytes; `size` entries per ring (at most 512). The caller owns
 * `kickFd`.
 */
export function openLoopback(frame: Uint8Array, size = 256, features = VERSION_1_MRG, kickFd = -1): Loopback {
  const packed = hasFeature(features, VIRTIO_F_RING_PACKED);
  const buffers = { tx: 0x40000, rx: 0x40000 + size * BUFFER };
  const length = buffers.rx + size * BUFFER;
  const mapping = native.mapAnonymous(length, false);
  const ring = { mapping, gpa: GPA, size, bufferSize: BUFFER, features, kickFd };
  const peerTx = native.driverQueueCreate('tx', {
    ...ring,
    desc: PLACE.txDesc,
    avail: PLACE.txAvail,
    used: PLACE.txUsed,
    buffers: buffers.tx,
  });
  const peerRx = native.driverQueueCreate('rx', {
    ...ring,
    desc: PLACE.rxDesc,
    avail: PLACE.rxAvail,
    used: PLACE.rxUsed,
    buffers: buffers.rx,
  });
  native.driverTemplate(peerTx, frame);
  const memory = native.memoryCreate([{ gpa: GPA, size: BigInt(length), mapping, offset: 0 }]);
  const start = (role: 'rx' | 'tx', desc: number, avail: number, used: number): QueueHandle => {
    const queue = native.queueCreate(role);
    native.queueStart(queue, {
      memory,
      desc: GPA + BigInt(desc),
      avail: GPA + BigInt(avail),
      used: GPA + BigInt(used),
      size,
      // A packed ring's index has the wrap counter in its top bit, initially 1 (VIRTIO 1.2, 2.8.1).
      lastAvailIdx: packed ? 0x8000 : 0,
      features,
      notifyFd: -1,
    });
    return queue;
  };
  const rx = start('rx', PLACE.txDesc, PLACE.txAvail, PLACE.txUsed);
  const tx = start('tx', PLACE.rxDesc, PLACE.rxAvail, PLACE.rxUsed);
  return {
    peerTx,
    peerRx,
    rx,
    tx,
    memory,
    bytes: new DataView(native.mappingBuffer(mapping)),
    close() {
      native.queueDestroy(rx);
      native.queueDestroy(tx);
      native.memoryDestroy(memory);
      native.driverQueueDestroy(peerTx);
      native.driverQueueDestroy(peerRx);
      native.unmap(mapping);
    },
  };
}
