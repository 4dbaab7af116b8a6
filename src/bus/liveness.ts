// SPDX-License-Identifier: BSD-3-Clause
// Detects the removal of a kernel-bound function without a notification: its configuration space then reads
// as all ones (PCI 3.0, 6.1), or cannot be read. We poll revision and class: vfio-pci shows cached ids
// (drivers/vfio/pci/vfio_pci_config.c), and no function has revision 0xff and an unassigned class.
import { PCI_CONFIG } from '../abi/pci.ts';
import type { Registers } from '../pci/registers.ts';

const INTERVAL_MS = 500;
const ALL_ONES = 0xffff_ffff;

/** Why a function is considered gone. */
export const NO_ANSWER = 'it no longer responds';

export class Liveness {
  readonly #timer: NodeJS.Timeout;

  /** Calls `onGone` once, when the function first fails to respond. Does not keep the event loop alive. */
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

/** False if the function with this configuration space does not respond, or has disappeared. */
export function answers(config: Registers): boolean {
  try {
    return config.read32(PCI_CONFIG.fields.revision_id.offset) !== ALL_ONES;
  } catch {
    return false;
  }
}
