// SPDX-License-Identifier: BSD-3-Clause
// A line that is being typed, and what a terminal has to be sent to show it. Text at the end of the line is
// sent as it is, so that a line typed in one go is echoed without any escape sequence.
import type { Edit } from './keys.ts';

const ERASE_TO_END = '\x1b[K';
const BELL = '\x07';

const LETTER = /[\p{L}\p{N}_]/u;

/** The edits that delete: up to where, and whether `yank` brings it back. */
const CUTS: Readonly<Partial<Record<Edit, { readonly to: string; readonly keep: boolean }>>> = {
  backspace: { to: 'left', keep: false },
  delete: { to: 'right', keep: false },
  'delete-word-left': { to: 'word-left', keep: true },
  'delete-blank-word-left': { to: 'blank-word-left', keep: true },
  'delete-word-right': { to: 'word-right', keep: true },
  'delete-to-start': { to: 'start', keep: true },
  'delete-to-end': { to: 'end', keep: true },
};

export class EditedLine {
  readonly #write: (text: string) => void;
  readonly #maxLength: number;
  /** Code points, each of which is taken for one column. */
  #chars: string[] = [];
  #cursor = 0;
  /** What was deleted last, for `yank`. */
  #killed: string[] = [];

  constructor(write: (text: string) => void, maxLength: number) {
    this.#write = write;
    this.#maxLength = maxLength;
  }

  get text(): string {
    return this.#chars.join('');
  }

  get beforeCursor(): string {
    return this.#chars.slice(0, this.#cursor).join('');
  }

  /** Empties the line without showing it. */
  clear(): void {
    this.#chars = [];
    this.#cursor = 0;
  }

  /** The line and the way back to its cursor, to be written after the prompt. */
  shown(): string {
    return this.text + back(this.#chars.length - this.#cursor);
  }

  insert(text: string): void {
    const added = [...text];
    if (this.#chars.length + added.length > this.#maxLength) {
      this.#write(BELL);
      return;
    }
    const rest = this.#chars.slice(this.#cursor);
    this.#chars.splice(this.#cursor, 0, ...added);
    this.#cursor += added.length;
    this.#write(text + (rest.length > 0 ? rest.join('') + back(rest.length) : ''));
  }

  /** Shows another line instead, with the cursor at its end. */
  replace(text: string): void {
    const before = back(this.#cursor);
    this.#chars = [...text];
    this.#cursor = this.#chars.length;
    this.#write(before + text + ERASE_TO_END);
  }

  edit(edit: Edit): void {
    if (edit === 'yank') {
      this.insert(this.#killed.join(''));
      return;
    }
    const cut = CUTS[edit];
    const to = this.#target(cut?.to ?? edit);
    if (cut) this.#cut(Math.min(this.#cursor, to), Math.max(this.#cursor, to), cut.keep);
    else this.#move(to);
  }

  #target(move: string): number {
    switch (move) {
      case 'left':
        return Math.max(0, this.#cursor - 1);
      case 'right':
        return Math.min(this.#chars.length, this.#cursor + 1);
      case 'start':
        return 0;
      case 'word-left':
        return this.#boundary(LETTER, -1);
      case 'word-right':
        return this.#boundary(LETTER, 1);
      case 'blank-word-left':
        return this.#boundary(/\S/, -1);
      default:
        return this.#chars.length;
    }
  }

  /** The other end of the word beside the cursor, past what is between them. */
  #boundary(word: RegExp, step: 1 | -1): number {
    const beside = (at: number) => this.#chars[step > 0 ? at : at - 1];
    let at = this.#cursor;
    while (beside(at) !== undefined && !word.test(beside(at))) at += step;
    while (beside(at) !== undefined && word.test(beside(at))) at += step;
    return at;
  }

  #move(to: number): void {
    this.#write(to < this.#cursor ? back(this.#cursor - to) : forth(to - this.#cursor));
    this.#cursor = to;
  }

  #cut(from: number, to: number, keep: boolean): void {
    if (from === to) return;
    const before = back(this.#cursor - from);
    const cut = this.#chars.splice(from, to - from);
    if (keep) this.#killed = cut;
    this.#cursor = from;
    const rest = this.#chars.slice(from);
    this.#write(before + rest.join('') + ERASE_TO_END + back(rest.length));
  }
}

const back = (columns: number): string => (columns > 0 ? `\x1b[${columns}D` : '');
const forth = (columns: number): string => (columns > 0 ? `\x1b[${columns}C` : '');
