// SPDX-License-Identifier: BSD-3-Clause
// The line editor of the prompt. Programs drive testpmd through a terminal and wait for a line that ends in
// its prompt, so the prompt is written bare, and a line is echoed when it is executed, not while another
// command still prints. Escape sequences are written only for the keys that edit within a line.
import { StringDecoder } from 'node:string_decoder';
import { EditedLine } from './edited-line.ts';
import { History } from './history.ts';
import { type Key, KeyParser } from './keys.ts';

export interface EditorHost {
  write(text: string): void;
  /** Executes a line; the editor waits until `ready` is called. */
  enter(line: string): void;
  /** ^D on an empty line. */
  end(): void;
  /** <TAB>: what to add to the line, or else what may come next. */
  complete(line: string): { readonly added: string; readonly options: readonly string[] };
  /** "?": what may come next, with help. */
  choices(line: string): readonly string[];
}

/** As the terminal is raw, line feeds do not return the cursor. */
const NEWLINE = '\r\n';
const CLEAR_SCREEN = '\x1b[H\x1b[2J';
/** Typed-ahead text beyond this is refused, with a bell. */
const MAX_AHEAD = 1 << 20;
const BELL = '\x07';

export class LineEditor {
  readonly #host: EditorHost;
  readonly #prompt: string;
  readonly #decoder = new StringDecoder('utf8');
  readonly #keys = new KeyParser();
  readonly #history = new History();
  readonly #line: EditedLine;
  /** Keys that wait for the running command to end. */
  readonly #ahead: Key[] = [];
  /** False before the first prompt, while a command runs and after the end. */
  #editing = false;
  #ended = false;

  constructor(host: EditorHost, prompt: string, maxLength: number) {
    this.#host = host;
    this.#prompt = prompt;
    this.#line = new EditedLine((text) => host.write(text), maxLength);
  }

  /** Takes input of the terminal. */
  feed(input: Uint8Array): void {
    const keys = this.#keys.parse(this.#decoder.write(Buffer.from(input)));
    if (this.#ahead.length + keys.length > MAX_AHEAD) this.#host.write(BELL);
    else for (const key of keys) this.#ahead.push(key);
    this.#work();
  }

  /** Shows the prompt for the first or the next line, and goes on with what was typed ahead. */
  ready(): void {
    this.#editing = true;
    this.#host.write(this.#prompt);
    this.#work();
  }

  /** Shows prompt and line again, after other text was printed. */
  show(): void {
    if (this.#editing) this.#host.write(`${this.#prompt}${this.#line.shown()}`);
  }

  #work(): void {
    let next = 0;
    while (this.#editing && !this.#ended && next < this.#ahead.length) {
      // Handling a key may run a command, which may call ready() at once.
      const key = this.#ahead[next++];
      if (key.name === 'enter') {
        this.#ahead.splice(0, next);
        next = 0;
        this.#enter();
      } else this.#handle(key);
    }
    this.#ahead.splice(0, next);
  }

  #enter(): void {
    const { text } = this.#line;
    this.#editing = false;
    this.#line.clear();
    this.#history.add(text);
    this.#host.write(NEWLINE);
    this.#host.enter(text);
  }

  #handle(key: Key): void {
    switch (key.name) {
      case 'cancel':
        this.#line.clear();
        this.#history.rewind();
        this.#host.write(`${NEWLINE}${this.#prompt}`);
        break;
      case 'end-of-input':
        this.#endOrDelete();
        break;
      case 'previous':
        this.#recall(this.#history.previous(this.#line.text));
        break;
      case 'next':
        this.#recall(this.#history.next());
        break;
      case 'complete':
        this.#complete();
        break;
      case 'help':
        this.#list(this.#host.choices(this.#line.beforeCursor));
        break;
      case 'clear-screen':
        this.#host.write(CLEAR_SCREEN);
        this.show();
        break;
      case 'text':
        this.#line.insert(key.text);
        break;
      case 'enter':
      case 'none':
        break;
      default:
        this.#line.edit(key.name);
    }
  }

  #endOrDelete(): void {
    if (this.#line.text !== '') {
      this.#line.edit('delete');
      return;
    }
    this.#ended = true;
    this.#host.end();
  }

  #recall(text: string | null): void {
    if (text !== null) this.#line.replace(text);
  }

  #complete(): void {
    const { added, options } = this.#host.complete(this.#line.beforeCursor);
    if (added !== '') this.#line.insert(added);
    else this.#list(options);
  }

  #list(options: readonly string[]): void {
    if (options.length === 0) return;
    this.#host.write(NEWLINE + options.map((option) => ` ${option}${NEWLINE}`).join(''));
    this.show();
  }
}
