// SPDX-License-Identifier: BSD-3-Clause
// Waits for a condition, with a time limit: tests never sleep for a fixed time.

export async function until(what: string, condition: () => boolean, boundMs = 60_000): Promise<void> {
  const end = Date.now() + boundMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Timed out after ${boundMs} ms waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
