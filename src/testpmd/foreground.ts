// SPDX-License-Identifier: BSD-3-Clause
// Job control. Reading a terminal in the background stops the process: packets, statistics and the signals that would end it.
import { native } from '../native.ts';

/** How soon a job that runs in the background sees `fg`, which sends it no signal. */
const POLL_MS = 200;

/**
 * Calls `gained` when the terminal at stdin is this process's: now, as soon as it is, and each time that the process is continued there.
 * Calls `lost`, perhaps several times, when it starts or is continued in the background. What is no terminal is always its own. `look`
 * looks again after a moment, `end` ends all that.
 */
export function watchForeground(gained: () => void, lost: () => void): { look(): void; end(): void } {
  let timer: NodeJS.Timeout | undefined;
  const lookLater = () => {
    clearTimeout(timer);
    timer = setTimeout(look, POLL_MS);
  };
  const look = () => {
    clearTimeout(timer);
    if (native.isForeground(0)) return gained();
    lost();
    lookLater();
  };
  process.on('SIGCONT', look);
  look();
  return {
    look: lookLater,
    end: () => {
      clearTimeout(timer);
      process.off('SIGCONT', look);
    },
  };
}
