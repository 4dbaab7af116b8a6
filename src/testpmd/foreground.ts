// SPDX-License-Identifier: BSD-3-Clause
// Job control. Reading the terminal from the background stops the whole process, including packet processing,
// statistics and the handling of the signals that would end it.
import { native } from '../native.ts';

/** Poll interval for a running background job to notice `fg`, which does not send it a signal. */
const POLL_MS = 200;

/**
 * Calls `gained` when this process owns the terminal at stdin: immediately if it does already, as soon as it
 * does, and each time the process is continued in the foreground. Calls `lost`, possibly several times, when
 * the process starts or is continued in the background. A stdin that is not a terminal counts as owned.
 * `look` checks again shortly; `end` stops watching.
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
