// SPDX-License-Identifier: BSD-3-Clause
// Commands as rows of a table: parsing, help and completion all come from the same row.
//
// A pattern consists of words and named placeholders: `show port what=info|stats id=<port>`. KINDS lists the
// kinds of placeholders; trailing tokens in brackets are optional. As in DPDK's cmdline, words are matched
// whole.

export interface Command<Context> {
  readonly pattern: string;
  readonly section: string;
  readonly help: string;
  run(context: Context, args: Readonly<Record<string, string>>): void | Promise<void>;
}

export type Match<Context> =
  | { readonly kind: 'found'; readonly command: Command<Context>; readonly args: Record<string, string> }
  | {
      readonly kind: 'refused';
      readonly message: 'Command not found' | 'Bad arguments' | 'Ambiguous command';
    };

const KINDS: Readonly<Record<string, RegExp>> = {
  '<uint>': /^\d{1,10}$/,
  '<port>': /^(\d{1,5}|all)$/,
  '<id>': /^\d{1,5}$/,
  '<list>': /^\d+(,\d+)*$/,
  '<text>': /^.+$/,
};

interface Token {
  readonly name: string;
  /** Words that match; empty for a placeholder of a kind. */
  readonly words: readonly string[];
  readonly kind: RegExp | null;
  readonly optional: boolean;
  /** How help shows the token. */
  readonly shown: string;
}

const compiled = new Map<string, Token[]>();

/** Compiles a pattern into tokens; throws on an invalid pattern, which is a programming error. */
export function compile(pattern: string): Token[] {
  const known = compiled.get(pattern);
  if (known) return known;
  const tokens = pattern.split(' ').map((part): Token => {
    const optional = part.startsWith('[');
    const [name = '', value] = (optional ? part.slice(1, -1) : part).split('=');
    const text = value ?? name;
    const kind = text.startsWith('<') ? KINDS[text] : null;
    if (kind === undefined) throw new RangeError(`pattern '${pattern}': no kind ${text}`);
    const words = kind ? [] : text.split('|');
    const bare = kind
      ? text === '<port>'
        ? '(port_id|all)'
        : `(${name})`
      : words.length > 1
        ? `(${text})`
        : text;
    return {
      name: value === undefined ? '' : name,
      words,
      kind,
      optional,
      shown: optional ? `[${bare}]` : bare,
    };
  });
  compiled.set(pattern, tokens);
  return tokens;
}

/** Words are separated by blanks, except within double quotes, which devargs may contain. */
const WORDS = /(?:"(?:\\.|[^"\\])*"|\S)+/g;

/** Returns the command that matches a line, or testpmd's error. */
export function match<C>(commands: readonly Command<C>[], line: string): Match<C> {
  const words = line.match(WORDS) ?? [];
  const found: Extract<Match<C>, { kind: 'found' }>[] = [];
  let begun = false;
  for (const command of commands) {
    const tokens = compile(command.pattern);
    if (accepts(tokens[0], words[0])) begun = true;
    const args = matchTokens(tokens, words);
    if (args) found.push({ kind: 'found', command, args });
  }
  if (found.length === 1) return found[0];
  if (found.length > 1) return { kind: 'refused', message: 'Ambiguous command' };
  return { kind: 'refused', message: begun ? 'Bad arguments' : 'Command not found' };
}

function matchTokens(tokens: readonly Token[], words: readonly string[]): Record<string, string> | null {
  const needed = tokens.filter((token) => !token.optional).length;
  if (words.length < needed || words.length > tokens.length) return null;
  const args: Record<string, string> = {};
  for (const [i, word] of words.entries()) {
    if (!accepts(tokens[i], word)) return null;
    if (tokens[i].name !== '') args[tokens[i].name] = word;
  }
  return args;
}

function accepts(token: Token, word: string | undefined): boolean {
  if (word === undefined) return false;
  return token.kind ? token.kind.test(word) : token.words.includes(word);
}

/** Returns completions of the last word of an unfinished line, for the <TAB> key. */
export function complete<C>(commands: readonly Command<C>[], line: string): string[] {
  const words = line.trimStart().split(/\s+/);
  const last = words.pop() ?? '';
  const candidates = new Set<string>();
  for (const command of commands) {
    const tokens = compile(command.pattern);
    if (!words.every((word, i) => tokens[i] && accepts(tokens[i], word))) continue;
    const next = tokens[words.length];
    if (!next) continue;
    const choices = next.kind === KINDS['<port>'] ? ['all'] : next.words;
    for (const word of choices) if (word.startsWith(last)) candidates.add(word);
  }
  return [...candidates].sort();
}

/** The usage line of a command: `show port (info|stats) (port_id|all)`. */
export function usage<C>(command: Command<C>): string {
  return compile(command.pattern)
    .map((token) => token.shown)
    .join(' ');
}
