// SPDX-License-Identifier: BSD-3-Clause
// The steps of an attacker as data: a plan can be cut, repeated and printed. No step depends on the device's
// answers.

export type Side = 'peer' | 'driver';

export type Action =
  | { readonly act: 'connect' | 'close' | 'shutdown' }
  | {
      readonly act: 'send';
      /** The message's name, for the log. */
      readonly what: string;
      readonly bytes: Uint8Array;
      readonly fds: readonly string[];
      /** Lengths of the pieces in which it is sent; the remainder is never sent. */
      readonly pieces: readonly number[];
      readonly pauseMs: number;
    }
  | { readonly act: 'flood'; readonly what: string; readonly bytes: Uint8Array; readonly times: number }
  | { readonly act: 'wait'; readonly ms: number }
  /** A write into the side's memory. */
  | { readonly act: 'store'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly act: 'resize'; readonly bytes: number }
  | { readonly act: 'signal'; readonly event: string; readonly value: bigint; readonly times: number }
  | { readonly act: 'fill' | 'block'; readonly event: string }
  /** Stops reading answers, or starts again. */
  | { readonly act: 'deaf'; readonly on: boolean }
  /** Further silent connections. */
  | { readonly act: 'strangers'; readonly count: number };

export type Step = Action & { readonly side: Side };

/** The party at the other socket meanwhile. */
export type Company = 'both hostile' | 'honest driver' | 'honest peer';

/** How a hostile driver reacts to QUEUE_STOP. */
export type Manners = 'answers' | 'lies' | 'ignores';

/**
 * `close`: everything ends at once. `linger`: it falls silent, in the middle of a message or before
 * negotiation, and stays connected. `terminate`: the device model gets SIGTERM while the attackers are
 * connected.
 */
export type Ending = 'close' | 'linger' | 'terminate';

export interface Plan {
  readonly company: Company;
  readonly manners: Manners;
  readonly ending: Ending;
  readonly memory: Readonly<Record<Side, string>>;
  readonly steps: readonly Step[];
}

export function describeStep(step: Step): string {
  switch (step.act) {
    case 'send': {
      const sent = step.pieces.reduce((sum, length) => sum + length, 0);
      const cut = sent < step.bytes.length ? ` (the first ${sent} bytes)` : '';
      const hex = Buffer.from(step.bytes.subarray(0, 96)).toString('hex');
      const fds = step.fds.length > 0 ? ` with ${step.fds.join(', ')}` : '';
      return `${step.side} sends ${step.what}${cut} ${hex}${fds}`;
    }
    case 'flood':
      return `${step.side} sends ${step.times} times ${step.what} ${Buffer.from(step.bytes.subarray(0, 96)).toString('hex')}`;
    case 'store':
      return `${step.side} stores ${Buffer.from(step.bytes.subarray(0, 64)).toString('hex')} at 0x${step.at.toString(16)}`;
    case 'wait':
      return `${step.side} waits ${step.ms} ms`;
    case 'resize':
      return `${step.side} makes its memory ${step.bytes} bytes`;
    case 'signal':
      return `${step.side} adds ${step.value} to ${step.event}, ${step.times} times`;
    case 'fill':
    case 'block':
      return `${step.side} ${step.act}s ${step.event}`;
    case 'deaf':
      return `${step.side} ${step.on ? 'stops reading' : 'reads again'}`;
    case 'strangers':
      return `${step.side} has ${step.count} connections that say nothing`;
    default:
      return `${step.side}: ${step.act}`;
  }
}
