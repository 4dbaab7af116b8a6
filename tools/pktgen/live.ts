// SPDX-License-Identifier: BSD-3-Clause
// The live page of a terminal: 80 columns, 24 lines, and keys that change the rate while frames are sent.
import { oneLine } from '../../src/errors.ts';
import { rateText } from './plan/rate.ts';
import type { TrialResult } from './result.ts';
import { bitsText, percentText, stoppedText, us } from './text.ts';

export const COLUMNS = 80;
export const LINES = 24;
export interface PageContext {
  /** "net_vhost_pci0, CPU 0; …". */
  readonly headline: string;
  readonly factor: number;
  readonly returns: boolean;
  /** The last line. */
  readonly footer: string;
  /** The stream that the keys are for; undefined: all. */
  readonly selected?: number | undefined;
  /** Numbers of streams. */
  readonly stopped: readonly number[];
}

/** At most 24 lines of at most 80 columns; streams that find no room are counted. */
export function pageLines(now: TrialResult, before: TrialResult | undefined, context: PageContext): string[] {
  const { headline, factor, returns, footer, selected, stopped } = context;
  const elapsed = now.seconds - (before?.seconds ?? 0);
  const rate = (key: 'sent' | 'received' | 'txBytes') =>
    elapsed > 0 ? (now[key] - (before?.[key] ?? 0)) / elapsed : 0;
  const row = (name: string, text: string) => `${name.padEnd(14)} ${text}`;
  const lines = [
    headline,
    [
      `t=${now.seconds.toFixed(1)} s   rate x ${factor.toFixed(2)}`,
      ...(selected === undefined ? [] : [`keys for ${now.streams[selected]?.name}`]),
      ...stoppedText(now.streams, stopped),
    ].join('   '),
    '',
    row('sending', `${rateText(rate('sent'))}   ${bitsText(8 * rate('txBytes'))}`),
    row('sent', `${now.sent}   unsent ${now.unsent} (${percentText(now.unsent, now.offered)})`),
  ];
  if (returns) {
    lines.push(row('receiving', rateText(rate('received'))));
    lines.push(row('received', `${now.received}   away or lost ${now.inFlight + now.lost}`));
    lines.push(row('order', `overtaken ${now.reordered}   duplicates ${now.duplicates}`));
    if (now.latency) {
      const { minNs, p50Ns, p99Ns, p999Ns, maxNs } = now.latency;
      const times = `min ${us(minNs)}  p50 ${us(p50Ns)}  p99 ${us(p99Ns)}  p99.9 ${us(p999Ns)}  max ${us(maxNs)}`;
      lines.push(row('latency us', times));
    }
  }
  if (now.gaps) lines.push(row('gap error us', `median ${us(now.gaps.medianNs)}  p99 ${us(now.gaps.p99Ns)}`));
  const { count, longestUs } = now.stalls;
  lines.push(row('off its CPU', `${count} times   longest ${Math.round(longestUs)} us`), '');
  const room = LINES - lines.length - 3;
  const { streams } = now;
  if (streams.length > 1)
    for (const [i, { name, sent, inFlight, lost, unsent }] of streams.slice(0, room).entries()) {
      const away = returns ? `   away or lost ${inFlight + lost}` : '';
      lines.push(
        row(
          name.slice(0, 14),
          `${stopped.includes(i) ? 'stopped   ' : ''}sent ${sent}   unsent ${unsent}${away}`,
        ),
      );
    }
  if (streams.length > room) lines.push(`… and ${streams.length - room} streams more`);
  // Of a generator that is watched, names and headline may be any text.
  return [...lines, footer].map((line) => oneLine(line).slice(0, COLUMNS));
}

export type PageInput = Pick<typeof process.stdin, 'setRawMode' | 'setEncoding' | 'on' | 'resume' | 'pause'>;

/** The terminal in raw mode, from open() to close(). */
export class LivePage {
  readonly #write: (text: string) => void;
  readonly #input: PageInput;
  #open = false;

  constructor(write: (text: string) => void, input: PageInput = process.stdin) {
    this.#write = write;
    this.#input = input;
  }

  static get possible(): boolean {
    return Boolean(process.stdin.isTTY && process.stdout.isTTY);
  }

  /**
   * `onKeys` gets what was typed since the last time, or pasted. Keys that are sequences, as an arrow is, are
   * no keys here.
   */
  open(onKeys: (keys: readonly string[]) => void): void {
    this.#open = true;
    this.#input.setRawMode(true);
    this.#input.setEncoding('utf8');
    this.#input.on('data', (text: string) => {
      if (!text.startsWith('\u001b') || text.length === 1) onKeys([...text]);
    });
    this.#input.resume();
    this.#write('\u001b[?25l\u001b[2J');
    process.once('exit', () => this.close());
  }

  show(lines: readonly string[]): void {
    this.#write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\n')}\u001b[J`);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#input.setRawMode(false);
    this.#input.pause();
    this.#write('\u001b[?25h\n');
  }
}
