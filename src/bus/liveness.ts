// SPDX-License-Identifier: BSD-3-Clause
// Notices that a function behind the kernel is gone although nobody said so: its configuration space then reads as all ones
// (PCI 3.0, 6.1), or cannot be read. The register to look at is revision and class: vfio-pci shows ids that it remembers
// (drivers/vfio/pci/vfio_pci_config.c), and no function is of revision 0xff of an unassigned class.
import { PCI_CONFIG } from '../abi/pci.ts';
import type { Registers } from '../pci/registers.ts';

const INTERVAL_MS = 500;
const ALL_ONES = 0xffff_ffff;

/** Why a function is taken to be gone. */
export const NO_ANSWER = 'it does not answer any more';

export class Liveness {
  readonly #timer: NodeJS.Timeout;

  /** Calls `onGone` once, at the first time that the function does not answer. Does not keep the event loop alive. */
  constructor(config: Registers, onGone: (reason: string) => void) {
    this.#timer = setInterval(() => {
      if (answers(config)) return;
      this.close();
      onGone(NO_ANSWER);
    }, INTERVAL_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** False when the function whose configuration space this is does not answer, or is not there any more. */
export function answers(config: Registers): boolean {
  try {
    return config.read32(PCI_CONFIG.fields.revision_id.offset) !== ALL_ONES;
  } catch {
    return false;
  }
}
