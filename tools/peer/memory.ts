// SPDX-License-Identifier: BSD-3-Clause
// The peer's "guest memory": one shared file, mapped once and kept while back-ends come and go, like a
// virtual machine's memory.
import { failedTo, PmdError } from '../../src/errors.ts';
import { requireMemory } from '../../src/machine-memory.ts';
import { type MappingHandle, native } from '../../src/native.ts';

export class PeerMemory {
  readonly fd: number;
  readonly bytes: number;
  readonly mapping: MappingHandle;
  readonly view: DataView;

  /**
   * `bytes` must be a multiple of the hugepage size with `hugepages`. Throws when there is not enough memory.
   */
  constructor(bytes: number, hugepages: boolean) {
    const what = `${bytes >>> 20} MiB of ${hugepages ? 'hugepages' : 'memory'} for the peer`;
    this.bytes = bytes;
    if (!hugepages) requireMemory(bytes, what);
    try {
      this.fd = native.memfdCreate('vhost-pci-peer', bytes, hugepages);
    } catch (cause) {
      throw failedTo(`get ${what}`, hugepages ? withoutHugepages(cause as NodeJS.ErrnoException) : cause);
    }
    try {
      this.mapping = native.mapFd(this.fd, 0, bytes, true);
    } catch (cause) {
      native.close(this.fd);
      throw failedTo(`map ${what}`, cause);
    }
    this.view = new DataView(native.mappingBuffer(this.mapping));
  }

  /** Call when nothing uses the memory any more. */
  close(): void {
    native.unmap(this.mapping);
    native.close(this.fd);
  }
}

/** The system call's error does not tell which kind of memory is short. */
function withoutHugepages(error: NodeJS.ErrnoException): Error {
  if (error.code !== 'ENOMEM') return error;
  return new PmdError(
    'ENOMEM',
    'too few are free (/proc/sys/vm/nr_hugepages), or a control group forbids them (hugetlb.2MB.max)',
  );
}
