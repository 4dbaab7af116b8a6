// SPDX-License-Identifier: BSD-3-Clause
// The BAR with the MSI-X table and its pending bits. The client keeps the table (SET_IRQS says what it
// means), so this is memory that reads back what was written; pending bits are read-only and read as 0.
import { MSIX_BAR_BYTES, MSIX_PBA_OFFSET } from './bars.ts';

export class MsixBar {
  readonly #bytes = new Uint8Array(MSIX_BAR_BYTES);

  read(offset: number, count: number): Uint8Array {
    return this.#bytes.slice(offset, offset + count);
  }

  write(offset: number, data: Uint8Array): void {
    const kept = data.subarray(0, Math.max(0, MSIX_PBA_OFFSET - offset));
    this.#bytes.set(kept, Math.min(offset, MSIX_PBA_OFFSET));
  }

  reset(): void {
    this.#bytes.fill(0);
  }
}
