// SPDX-License-Identifier: BSD-3-Clause
// The states of a side: those of Linux' ivshmem-net, as a function of what both sides show (docs/device-
// abi.md, "RFC 2.1"). Each side reads the other's word when it can, so it may miss states in between, but
// never a restart: a side leaves RESET only after the other has left READY and RUN.
import {
  SECTION_STATE_INIT as INIT,
  SECTION_STATE_READY as READY,
  SECTION_STATE_RESET as RESET,
  SECTION_STATE_RUN as RUN,
} from '../abi/section.ts';

export interface SidesView {
  /** Our state. */
  readonly own: number;
  /** The peer's state that the last step accepted. */
  readonly peerBefore: number;
  /** What the peer's word says now: any number. */
  readonly peerWord: number;
  /** The port is started. */
  readonly started: boolean;
}

export interface SidesStep {
  readonly own: number;
  /** The peer's state; RESET for a word that the rules do not allow. */
  readonly peer: number;
  /** The peer's word is not allowed. */
  readonly illegal: boolean;
}

/** One step; a caller repeats it until `own` stays the same. */
export function nextStates(view: SidesView): SidesStep {
  const illegal = !allowed(view);
  const peer = illegal ? RESET : view.peerWord;
  return { own: nextOwn(view, peer), peer, illegal };
}

function nextOwn({ own, started, peerWord }: SidesView, peer: number): number {
  switch (own) {
    case RESET:
      // The word itself: a peer beyond READY has yet to see our reset, however it got there.
      return peerWord < READY ? INIT : RESET;
    case INIT:
      return peer > RESET ? READY : INIT;
    default:
      if (peer === RESET) return RESET;
      return started && peer >= READY ? RUN : own;
  }
}

function allowed({ own, peerBefore, peerWord }: SidesView): boolean {
  if (peerWord > RUN) return false;
  switch (own) {
    case RESET:
      return true;
    case INIT:
      // RUN needs a peer, us, that is READY.
      return peerWord !== RUN;
    default:
      // The only way back from READY and RUN leads through RESET, and out of RESET not before we are there.
      return peerWord === RESET || peerWord >= peerBefore;
  }
}
