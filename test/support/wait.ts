// SPDX-License-Identifier: BSD-3-Clause
// Waiting for a condition, with a bound: tests never sleep for a fixed time.

export async function until(what: string, condition: () => boolean, boundMs = 60_000): Promise<void> {
  const end = Date.now() + boundMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Waited ${boundMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
