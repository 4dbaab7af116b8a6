// SPDX-License-Identifier: BSD-3-Clause
// The lines entered before, for the keys that go back to them.

const MAX_LINES = 500;

export class History {
  /** The oldest first. */
  readonly #lines: string[] = [];
  /** Index of the line that is shown; the number of lines while a new one is typed. */
  #at = 0;
  /** The new line, while an older one is shown. */
  #draft = '';

  /** Adds a line, unless it is blank or the same as the last one. */
  add(line: string): void {
    if (line.trim() !== '' && line !== this.#lines.at(-1)) this.#lines.push(line);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
    this.rewind();
  }

  /** A new line begins. */
  rewind(): void {
    this.#at = this.#lines.length;
    this.#draft = '';
  }

  /** The line before the one that is shown, now `current`; null if there is none. */
  previous(current: string): string | null {
    if (this.#at === 0) return null;
    if (this.#at === this.#lines.length) this.#draft = current;
    return this.#lines[--this.#at];
  }

  /** The line after the one that is shown; null if that is the new one. */
  next(): string | null {
    if (this.#at === this.#lines.length) return null;
    return this.#lines[++this.#at] ?? this.#draft;
  }
}
