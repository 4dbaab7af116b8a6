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
  /** Answers as testpmd does for a port driver without the operation. */
  readonly refused?: boolean;
  run(context: Context, args: Readonly<Record<string, string>>): void | Promise<void>;
}

export type Match<Context> =
  | { readonly kind: 'found'; readonly command: Command<Context>; readonly args: Record<string, string> }
  | {
      readonly kind: 'refused';
      readonly message: 'Command not found' | 'Bad arguments' | 'Ambiguous command';
    };

interface Kind {
  /** DPDK's name of the kind. */
  readonly type: string;
  accepts(word: string): boolean;
}

const matching = (type: string, pattern: RegExp): Kind => ({ type, accepts: (word) => pattern.test(word) });

/** A number of that many bits, decimal or hexadecimal. */
const unsigned = (bits: number): Kind => ({
  type: `UINT${bits}`,
  accepts: (word) => /^(\d{1,20}|0x[0-9a-f]{1,16})$/i.test(word) && BigInt(word) < 1n << BigInt(bits),
});

const KINDS: Readonly<Record<string, Kind>> = {
  '<u8>': unsigned(8),
  '<u16>': unsigned(16),
  '<uint>': unsigned(32),
  '<u64>': unsigned(64),
  '<port>': matching('UINT16', /^(\d{1,5}|all)$/),
  '<id>': unsigned(16),
  '<list>': matching('STRING', /^\d+(,\d+)*$/),
  '<mac>': matching('Ethernet address', /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i),
  '<text>': matching('STRING', /^.+$/),
  /** The rest of the line. */
  '<rest>': matching('STRING', /^.+$/),
};

interface Token {
  readonly name: string;
  /** Words that match; empty for a placeholder of a kind. */
  readonly words: readonly string[];
  readonly kind: Kind | null;
  readonly optional: boolean;
  /** How help shows the token, without and with the brackets of an optional one. */
  readonly bare: string;
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
        : `(${value === undefined ? name.slice(1, -1) : name})`
      : words.length > 1
        ? `(${text})`
        : text;
    return {
      name: value === undefined ? '' : name,
      words,
      kind,
      optional,
      bare,
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
  const open = tokens.at(-1)?.kind === KINDS['<rest>'] && words.length >= tokens.length;
  if (words.length < needed || (words.length > tokens.length && !open)) return null;
  const taken = open
    ? [...words.slice(0, tokens.length - 1), words.slice(tokens.length - 1).join(' ')]
    : words;
  const args: Record<string, string> = {};
  for (const [i, word] of taken.entries()) {
    if (!accepts(tokens[i], word)) return null;
    if (tokens[i].name !== '') args[tokens[i].name] = word;
  }
  return args;
}

function accepts(token: Token, word: string | undefined): boolean {
  if (word === undefined) return false;
  return token.kind ? token.kind.accepts(word) : token.words.includes(word);
}

export interface Completion {
  /** What the <TAB> key adds to the line: the rest of the only word that fits, and a blank. */
  readonly added: string;
  /** What may come next, where more than that is possible. */
  readonly options: readonly string[];
}

/** As in DPDK's cmdline; where several words fit, what they have in common is added first. */
export function complete<C>(commands: readonly Command<C>[], line: string): Completion {
  const { last, next } = continuations(commands, line);
  const words = new Set(next.flatMap(({ token }) => wordsOf(token).filter((word) => word.startsWith(last))));
  const others = last === '' && next.some(({ token }) => token === undefined || token.kind || token.optional);
  const added = others ? '' : whatFits([...words], last);
  return added !== '' ? { added, options: [] } : { added, options: choices(commands, line) };
}

/** What the "?" key lists, in the form of DPDK's cmdline: what may come next, and where it leads. */
export function choices<C>(commands: readonly Command<C>[], line: string): string[] {
  const { last, next } = continuations(commands, line);
  const listed = next.flatMap(({ command, token }) => {
    const what = (type: string) => `[${type}]: ${usage(command)}: ${helpOf(command)}`;
    const type = (token?.words.length ?? 0) > 1 ? 'Mul-choice STRING' : 'Fixed STRING';
    const words = wordsOf(token).filter((word) => word.startsWith(last));
    const kind = token?.kind && last === '' ? [what(token.kind.type)] : [];
    const end = last === '' && token?.optional !== false ? [RETURN] : [];
    return [...words.map((word) => `${word} ${what(type)}`), ...kind, ...end];
  });
  return [...new Set(listed)];
}

interface Continuation<C> {
  readonly command: Command<C>;
  /** Undefined where the command is complete. */
  readonly token: Token | undefined;
}

/** The commands that begin with the words of the line, all but the last, which may be incomplete. */
function continuations<C>(
  commands: readonly Command<C>[],
  line: string,
): { readonly last: string; readonly next: readonly Continuation<C>[] } {
  const typed = line.trimStart().split(/\s+/);
  const last = typed.pop() ?? '';
  const next = commands
    .map((command) => ({ command, tokens: compile(command.pattern) }))
    .filter(({ tokens }) => typed.length <= tokens.length)
    .filter(({ tokens }) => typed.every((word, i) => accepts(tokens[i], word)))
    .map(({ command, tokens }) => ({ command, token: tokens[typed.length] as Token | undefined }));
  return { last, next };
}

/** Shown where the line is complete. */
const RETURN = '[RETURN]';

function wordsOf(token: Token | undefined): readonly string[] {
  return token?.kind === KINDS['<port>'] ? ['all'] : (token?.words ?? []);
}

function whatFits(words: readonly string[], last: string): string {
  const [first = '', ...others] = words;
  if (words.length === 1) return `${first.slice(last.length)} `;
  let end = last.length;
  while (end < first.length && others.every((word) => word[end] === first[end])) end++;
  return first.slice(last.length, end);
}

/** The help of a command; of one that is refused, with that. */
export function helpOf<C>({ help, refused }: Command<C>): string {
  return refused ? `${help} Not supported by these ports.` : help;
}

/** The usage line of a command: `show port (info|stats) (port_id|all)`. */
export function usage<C>(command: Command<C>): string {
  return compile(command.pattern)
    .map((token) => token.shown)
    .join(' ');
}
