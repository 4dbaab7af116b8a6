// SPDX-License-Identifier: BSD-3-Clause
// Two output sections and the queues of one end; the other end is worked by hand. For data path tests without
// processes.
import { type MappingHandle, native, type QueueHandle, type SectionSetup } from '../../src/native.ts';
import { sectionLayout } from '../../src/sections/layout.ts';

export interface SectionPair {
  readonly setup: SectionSetup;
  /** Our queues. */
  readonly tx: QueueHandle;
  readonly rx: QueueHandle;
  /** Bytes of both sections, for the peer's part by hand. */
  readonly own: DataView;
  readonly peer: DataView;
  /** A descriptor in a section. */
  descriptor(section: DataView, id: number): { addr: number; len: number; flags: number };
  /** The peer returns the oldest `n` frames that it holds. */
  returnFrames(n: number): void;
  /** Unmaps the sections; close() does it too. */
  unmap(): void;
  close(): void;
}

/** Sections of `size` bytes; the queues have the peer's mapped for reading only. */
export function openSectionPair(size = 0x1_0000, change: Partial<SectionSetup> = {}): SectionPair {
  const layout = sectionLayout(size);
  if (!layout) throw new Error(`no layout for ${size} bytes`);
  const fd = native.memfdCreate('section', size, false);
  const readOnly = native.mapFd(fd, 0, size, false);
  const peerMapping = native.mapFd(fd, 0, size, true);
  native.close(fd);
  const ownMapping = native.mapAnonymous(size, false);
  const setup: SectionSetup = {
    own: { mapping: ownMapping, offset: 0 },
    peer: { mapping: readOnly, offset: 0 },
    ...layout,
    headerBytes: 0,
    maxFrame: 1518,
    features: 0n,
    notifyFd: -1,
    ...change,
  };
  const [tx, rx] = [native.queueCreate('tx'), native.queueCreate('rx')];
  native.queueStartSection(tx, setup);
  native.queueStartSection(rx, setup);
  const view = (mapping: MappingHandle) => new DataView(native.mappingBuffer(mapping));
  const [own, peer] = [view(ownMapping), view(peerMapping)];
  const mappings = [ownMapping, peerMapping, readOnly];
  const unmap = () => {
    for (const mapping of mappings.splice(0)) native.unmap(mapping);
  };
  let returned = 0;
  return {
    setup,
    tx,
    rx,
    own,
    peer,
    descriptor: (section, id) => ({
      addr: Number(section.getBigUint64(16 * id, true)),
      len: section.getUint32(16 * id + 8, true),
      flags: section.getUint16(16 * id + 12, true),
    }),
    returnFrames(n) {
      for (let i = 0; i < n; i++, returned++) {
        const id = returned % setup.entries;
        peer.setUint32(setup.usedOffset + 4 + 8 * id, id, true);
        peer.setUint32(setup.usedOffset + 8 + 8 * id, 1, true);
      }
      peer.setUint16(setup.usedOffset + 2, returned & 0xffff, true);
    },
    unmap,
    close() {
      for (const queue of [tx, rx]) native.queueDestroy(queue);
      unmap();
    },
  };
}
