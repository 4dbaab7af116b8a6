// SPDX-License-Identifier: BSD-3-Clause
// The queues that the driver sets up for the device: 2N data queues with empty rings (they provide
// notification registers and vectors, and position and gate words in their driver areas, but never carry
// packets) and the control queue, all in one block of DMA memory.
import {
  VHOST_PCI_CTRLQ_SIZE,
  VHOST_PCI_GATE_ALIGN,
  VHOST_PCI_GATE_WORDS,
  VHOST_PCI_REFERENCE_VRING_SIZE,
  VHOST_PCI_VECTOR_CTRL,
  VHOST_PCI_VECTOR_QUEUES,
} from '../abi/vhost-pci.ts';
import { VIRTIO_MSI_NO_VECTOR } from '../abi/virtio-pci.ts';
import { alignUp } from '../alignment.ts';
import type { DmaMemory, PciDevice } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import type { DriverArea } from '../native.ts';
import { LocalRing, localRingBytes } from '../virtio/local-ring.ts';
import type { ModernTransport } from '../virtio/modern-transport.ts';
import { controlQueueBytes } from './control-queue.ts';

export interface LocalQueues {
  readonly memory: DmaMemory;
  readonly controlRing: LocalRing;
  /** One per data queue. */
  readonly areas: readonly DriverArea[];
  /** Byte offset of the control queue in `memory`, controlQueueBytes long. */
  readonly controlOffset: number;
  /** Number of the control queue. */
  readonly control: number;
}

const dataQueueBytes = (size: number): number =>
  alignUp(localRingBytes(size, VHOST_PCI_GATE_WORDS.size), VHOST_PCI_GATE_ALIGN);

/**
 * Memory for the queues of a device with `queuePairs`, also used for all later set-ups. Throws
 * VPCI_QUEUE_COUNT if the device has fewer queues than its configuration reports.
 */
export function allocateLocalQueues(
  device: PciDevice,
  transport: ModernTransport,
  queuePairs: number,
): DmaMemory {
  const sizes = queueSizes(transport, queuePairs);
  const dataBytes = sizes.data.reduce((sum, size) => sum + dataQueueBytes(size), 0);
  return device.allocateDma(dataBytes + controlQueueBytes(sizes.control, queuePairs));
}

/**
 * Initialisation step 7 for the queues: sets up all of them in `memory` and enables them; `gated` if GATE was
 * negotiated.
 */
export function setupLocalQueues(
  device: PciDevice,
  transport: ModernTransport,
  queuePairs: number,
  memory: DmaMemory,
  gated: boolean,
): LocalQueues {
  const sizes = queueSizes(transport, queuePairs);
  let offset = 0;
  const areas: DriverArea[] = [];
  sizes.data.forEach((size, queue) => {
    const vector = VHOST_PCI_VECTOR_QUEUES + queue;
    const ring = new LocalRing(memory, offset, size, VHOST_PCI_GATE_WORDS.size);
    transport.setupQueue(
      queue,
      size,
      ring.addresses,
      vector < device.vectors ? vector : VIRTIO_MSI_NO_VECTOR,
    );
    areas.push({ mapping: memory.mapping, offset: Number(ring.addresses.driver - memory.iova), gated });
    offset += dataQueueBytes(size);
  });
  const controlRing = new LocalRing(memory, offset, sizes.control);
  const control = 2 * queuePairs;
  transport.setupQueue(control, sizes.control, controlRing.addresses, VHOST_PCI_VECTOR_CTRL);
  return { memory, controlRing, areas, controlOffset: offset, control };
}

function queueSizes(transport: ModernTransport, queuePairs: number): { data: number[]; control: number } {
  const queues = transport.numQueues;
  if (queues < 2 * queuePairs + 1) {
    throw new PmdError(
      'VPCI_QUEUE_COUNT',
      `The device reports ${queuePairs} queue pairs but has only ${queues} queues`,
    );
  }
  const data = Array.from({ length: 2 * queuePairs }, (_, queue) =>
    usableSize(transport, queue, VHOST_PCI_REFERENCE_VRING_SIZE),
  );
  return { data, control: usableSize(transport, 2 * queuePairs, VHOST_PCI_CTRLQ_SIZE) };
}

function usableSize(transport: ModernTransport, queue: number, most: number): number {
  const offered = transport.queueSize(queue);
  if (offered < 2 || offered > 32768 || (offered & (offered - 1)) !== 0) {
    throw new PmdError('VPCI_BAD_QUEUE', `The device offers ${offered} entries for queue ${queue}`);
  }
  return Math.min(offered, most);
}
