// SPDX-License-Identifier: BSD-3-Clause
// The reactive part of a hostile driver: it takes what the device puts into the control queue and answers
// QUEUE_STOP in its own way. Without it no peer's ring would ever stop in time, and most of the device model
// would not be reached.
import { CONTROL, CONTROL_WRITABLE } from './driver-script.ts';
import type { Manners } from './steps.ts';

const [SESSION, QUEUE_STOP, QUEUE_STOPPED] = [2, 1, 2];
const ANSWER_BYTES = 12;

export class ControlAgent {
  readonly #view: DataView;
  readonly #manners: Manners;
  #used = 0;

  constructor(view: DataView, manners: Manners) {
    this.#view = view;
    this.#manners = manners;
  }

  /** True if it has posted something of which the device must be notified. */
  turn(): boolean {
    const index = this.#view.getUint16(CONTROL.used + 2, true);
    if (index === 0) this.#used = 0;
    if (this.#manners === 'ignores') return false;
    let posted = false;
    for (let n = 0; n < CONTROL.entries && this.#used !== index; n++) {
      const head = this.#view.getUint32(CONTROL.used + 4 + 8 * (this.#used % CONTROL.entries), true);
      this.#used = (this.#used + 1) & 0xffff;
      if (head >= CONTROL_WRITABLE) continue;
      this.#answer(CONTROL.buffers + head * CONTROL.bufferBytes);
      this.#post(head);
      posted = true;
    }
    return posted;
  }

  #answer(at: number): void {
    if (this.#view.getUint8(at) !== SESSION || this.#view.getUint8(at + 1) !== QUEUE_STOP) return;
    const own = CONTROL_WRITABLE + (this.#used % (CONTROL.entries - CONTROL_WRITABLE));
    const answer = CONTROL.buffers + own * CONTROL.bufferBytes;
    const token = this.#view.getUint32(at + 8, true);
    const lie = this.#manners === 'lies' ? 1 + (token % 3) : 0;
    this.#view.setUint32(answer, SESSION | (QUEUE_STOPPED << 8) | (ANSWER_BYTES << 16), true);
    this.#view.setUint16(answer + 4, this.#view.getUint16(at + 4, true) + (lie === 1 ? 1 : 0), true);
    this.#view.setUint16(answer + 6, lie === 2 ? 0xffff : 0, true);
    this.#view.setUint32(answer + 8, token + (lie === 3 ? 1 : 0), true);
    this.#view.setUint32(CONTROL.desc + 16 * own + 8, ANSWER_BYTES, true);
    this.#post(own);
  }

  #post(head: number): void {
    const index = this.#view.getUint16(CONTROL.avail + 2, true);
    this.#view.setUint16(CONTROL.avail + 4 + 2 * (index % CONTROL.entries), head, true);
    this.#view.setUint16(CONTROL.avail + 2, (index + 1) & 0xffff, true);
  }
}
