// SPDX-License-Identifier: BSD-3-Clause
// A small explicit-state model checker for programs of a few threads on x86-TSO. It visits every interleaving
// of their steps and of their store buffers, breadth first, so that a counterexample is a shortest one.
//
// x86-TSO (Owens, Sarkar, Sewell 2009): each thread has a FIFO buffer of stores; a load sees the newest store
// in its own buffer, or memory; a buffer may drain at any time; a fence waits until the thread's own buffer
// is empty. C++ loads and stores with acquire and release are plain ones there.

/** Numbers that only the thread itself can see. */
export type Registers = Record<string, number>;

export type Step =
  | { readonly op: 'store'; readonly to: string; readonly value: (r: Registers) => number }
  | { readonly op: 'load'; readonly from: string; readonly into: string }
  /** One load of several fields in one word. */
  | { readonly op: 'load together'; readonly fields: readonly (readonly [from: string, into: string])[] }
  | { readonly op: 'fence' }
  /** One of several ways to continue. */
  | { readonly op: 'choose'; readonly into: string; readonly among: readonly number[] }
  /** An eventfd: several signals count as one until a thread waits; waiting consumes it and continues. */
  | { readonly op: 'signal'; readonly event: string }
  | { readonly op: 'wait'; readonly event: string }
  /** Steps invisible to other threads; they run together with the step before. */
  | { readonly op: 'set'; readonly run: (r: Registers) => void }
  | { readonly op: 'jump'; readonly to: string; readonly when?: (r: Registers) => boolean }
  | { readonly op: 'label'; readonly name: string };

export interface Thread {
  readonly name: string;
  readonly registers: Registers;
  readonly steps: readonly Step[];
}

export interface Model {
  readonly memory: Registers;
  readonly threads: readonly Thread[];
  /** The fault of a state in which no thread can run any more, or null. */
  readonly atEnd: (state: View) => string | null;
  /** The fault of any state, or null. */
  readonly always?: (state: View) => string | null;
}

/** A state as properties see it. */
export interface View {
  readonly memory: Registers;
  readonly registers: readonly Registers[];
}

export interface Verdict {
  readonly states: number;
  /** The fault and the steps that lead to it; null if there is none. */
  readonly failure: { readonly reason: string; readonly trace: readonly string[] } | null;
}

interface ThreadState {
  readonly at: number;
  readonly registers: Registers;
  /** Oldest first. */
  readonly buffer: readonly (readonly [string, number])[];
}

interface State {
  readonly memory: Registers;
  readonly threads: readonly ThreadState[];
}

/** How each state was first reached. */
type Origins = Map<string, { readonly parent: string; readonly text: string } | null>;

interface Move {
  readonly state: State;
  readonly text: string;
}

const MAX_STATES = 2_000_000;

export function explore(model: Model): Verdict {
  const start: State = {
    memory: model.memory,
    threads: model.threads.map((thread) => settle(thread, 0, { ...thread.registers }, [])),
  };
  const cameFrom: Origins = new Map([[keyOf(start), null]]);
  let wave: (readonly [string, State])[] = [[keyOf(start), start]];
  while (wave.length > 0) {
    const next: (readonly [string, State])[] = [];
    for (const [key, state] of wave) {
      const moves = movesOf(model, state);
      const reason = judge(model, state, moves.length === 0);
      if (reason) return { states: cameFrom.size, failure: { reason, trace: traceTo(key, cameFrom) } };
      for (const move of moves) {
        const to = keyOf(move.state);
        if (cameFrom.has(to)) continue;
        cameFrom.set(to, { parent: key, text: move.text });
        next.push([to, move.state]);
      }
    }
    if (cameFrom.size > MAX_STATES) throw new Error(`More than ${MAX_STATES} states: not a small model`);
    wave = next;
  }
  return { states: cameFrom.size, failure: null };
}

function judge(model: Model, state: State, ended: boolean): string | null {
  const view: View = { memory: state.memory, registers: state.threads.map(({ registers }) => registers) };
  return model.always?.(view) ?? (ended ? model.atEnd(view) : null);
}

/** Names are always in the same order, so that the values identify a state. */
function keyOf({ memory, threads }: State): string {
  const parts = threads.map(
    ({ at, registers, buffer }) => `${at} ${Object.values(registers)} ${buffer.join(';')}`,
  );
  return `${Object.values(memory)}|${parts.join('|')}`;
}

function traceTo(key: string, cameFrom: Origins): string[] {
  const trace: string[] = [];
  for (let from = cameFrom.get(key); from; from = cameFrom.get(from.parent)) trace.push(from.text);
  return trace.reverse();
}

function movesOf(model: Model, state: State): Move[] {
  return model.threads.flatMap((thread, index) => [
    ...drains(thread, index, state),
    ...steps(thread, index, state),
  ]);
}

/** The oldest store of a thread's buffer reaches memory. */
function drains(thread: Thread, index: number, state: State): Move[] {
  const own = state.threads[index] as ThreadState;
  const [oldest, ...buffer] = own.buffer;
  if (!oldest) return [];
  const [to, value] = oldest;
  const memory = { ...state.memory, [to]: value };
  return [
    {
      state: { memory, threads: state.threads.with(index, { ...own, buffer }) },
      text: `memory: ${to} = ${value}, from the store buffer of the ${thread.name}`,
    },
  ];
}

function steps(thread: Thread, index: number, state: State): Move[] {
  const own = state.threads[index] as ThreadState;
  const step = thread.steps[own.at];
  if (!step) return [];
  const go = (text: string, change: Registers = {}, buffer = own.buffer, memory = state.memory): Move => {
    const registers = { ...own.registers, ...change };
    const moved = settle(thread, own.at + 1, registers, buffer);
    return { state: { memory, threads: state.threads.with(index, moved) }, text: `${thread.name}: ${text}` };
  };
  switch (step.op) {
    case 'store': {
      const value = step.value(own.registers);
      return [go(`stores ${step.to} = ${value}`, {}, [...own.buffer, [step.to, value]])];
    }
    case 'load': {
      const value = seen(own, state, step.from);
      return [go(`loads ${step.from} = ${value}`, { [step.into]: value })];
    }
    case 'load together': {
      const values = step.fields.map(([from, into]) => [from, into, seen(own, state, from)] as const);
      const text = values.map(([from, , value]) => `${from} = ${value}`).join(', ');
      return [go(`loads ${text}`, Object.fromEntries(values.map(([, into, value]) => [into, value])))];
    }
    case 'fence':
      return own.buffer.length === 0 ? [go('fence')] : [];
    case 'choose':
      return step.among.map((value) => go(`chooses ${step.into} = ${value}`, { [step.into]: value }));
    case 'signal':
      return [go(`signals ${step.event}`, {}, own.buffer, { ...state.memory, [step.event]: 1 })];
    case 'wait':
      if (state.memory[step.event] === 0) return [];
      return [go(`wakes by ${step.event}`, {}, own.buffer, { ...state.memory, [step.event]: 0 })];
    default:
      throw new Error(`A ${step.op} is not a separate step`);
  }
}

/** The newest store in the thread's own buffer, or memory. */
function seen(own: ThreadState, state: State, from: string): number {
  const buffered = own.buffer.findLast(([to]) => to === from);
  return buffered ? buffered[1] : (state.memory[from] as number);
}

/** Runs steps invisible to other threads, up to the next visible one. */
function settle(
  thread: Thread,
  from: number,
  registers: Registers,
  buffer: ThreadState['buffer'],
): ThreadState {
  let at = from;
  for (;;) {
    const step = thread.steps[at];
    if (step?.op === 'set') step.run(registers);
    else if (step?.op === 'jump') {
      if (!step.when || step.when(registers)) at = labelled(thread, step.to);
    } else if (step?.op !== 'label') return { at, registers, buffer };
    at++;
  }
}

function labelled(thread: Thread, name: string): number {
  const at = thread.steps.findIndex((step) => step.op === 'label' && step.name === name);
  if (at < 0) throw new Error(`The ${thread.name} has no label ${name}`);
  return at;
}
