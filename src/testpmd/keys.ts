// SPDX-License-Identifier: BSD-3-Clause
// What the keys of a terminal mean to the line editor: the sequences of VT100 and xterm.

/** An edit within the line; edited-line.ts does it. */
export type Edit =
  | 'left'
  | 'right'
  | 'word-left'
  | 'word-right'
  | 'start'
  | 'end'
  | 'backspace'
  | 'delete'
  | 'delete-word-left'
  | 'delete-blank-word-left'
  | 'delete-word-right'
  | 'delete-to-start'
  | 'delete-to-end'
  | 'yank';

export type Key =
  | { readonly name: 'text'; readonly text: string }
  | { readonly name: Edit }
  | {
      readonly name:
        | 'enter'
        | 'cancel'
        | 'end-of-input'
        | 'previous'
        | 'next'
        | 'complete'
        | 'help'
        | 'clear-screen'
        | 'none';
    };

type Name = Exclude<Key['name'], 'text'>;

/** ^Z is among those that do nothing: a poll loop must not be stopped by a slip of the hand. */
const CONTROLS: Readonly<Record<string, Name>> = {
  '\x01': 'start',
  '\x02': 'left',
  '\x03': 'cancel',
  '\x04': 'end-of-input',
  '\x05': 'end',
  '\x06': 'right',
  '\x08': 'backspace',
  '\t': 'complete',
  '\n': 'enter',
  '\x0b': 'delete-to-end',
  '\x0c': 'clear-screen',
  '\r': 'enter',
  '\x0e': 'next',
  '\x10': 'previous',
  '\x15': 'delete-to-start',
  '\x17': 'delete-blank-word-left',
  '\x19': 'yank',
  '\x7f': 'backspace',
  '?': 'help',
};

/** After ESC. */
const META: Readonly<Record<string, Name>> = {
  b: 'word-left',
  f: 'word-right',
  d: 'delete-word-right',
  '\x7f': 'delete-word-left',
  '\x08': 'delete-word-left',
};

/** After ESC [ or ESC O, parameters included. */
const CURSOR: Readonly<Record<string, Name>> = {
  A: 'previous',
  B: 'next',
  C: 'right',
  D: 'left',
  H: 'start',
  F: 'end',
  '1~': 'start',
  '7~': 'start',
  '4~': 'end',
  '8~': 'end',
  '3~': 'delete',
  '1;5C': 'word-right',
  '1;5D': 'word-left',
  '1;3C': 'word-right',
  '1;3D': 'word-left',
  '5C': 'word-right',
  '5D': 'word-left',
};

/** ECMA-48: parameters and intermediates, then one final character. */
const SEQUENCE = /^(?:\[([\x20-\x3f]*[\x40-\x7e])|O([\x40-\x7e])|([^[O]))/;
/** A longer beginning of a sequence is none. */
const MAX_SEQUENCE = 32;

export class KeyParser {
  /** The beginning of a sequence whose end has not arrived. */
  #rest = '';

  parse(input: string): Key[] {
    const keys: Key[] = [];
    let text = this.#rest + input;
    this.#rest = '';
    while (text !== '') {
      if (text[0] !== '\x1b') {
        const [character] = text;
        keys.push(keyOf(character));
        text = text.slice(character.length);
        continue;
      }
      const found = SEQUENCE.exec(text.slice(1));
      if (found) {
        keys.push({ name: sequenceName(found) });
        text = text.slice(1 + found[0].length);
      } else if (text.length < MAX_SEQUENCE) {
        this.#rest = text;
        break;
      } else text = text.slice(1);
    }
    return keys;
  }
}

function keyOf(character: string): Key {
  const name = CONTROLS[character];
  if (name !== undefined) return { name };
  return character < ' ' ? { name: 'none' } : { name: 'text', text: character };
}

function sequenceName([, cursor, application, meta]: RegExpExecArray): Name {
  return CURSOR[cursor ?? application ?? ''] ?? META[meta ?? ''] ?? 'none';
}
