// SPDX-License-Identifier: BSD-3-Clause
// Runs sessions one after the other against real device models; each is judged before the next begins.
import { setTimeout as sleep } from 'node:timers/promises';
import { Accomplice } from './accomplice.ts';
import { Attacker } from './attacker.ts';
import { type Company, HonestDriver, HonestPeer } from './company.ts';
import { planSession } from './plan.ts';
import type { Plan, Step } from './steps.ts';
import { SESSIONS_PER_TARGET, Target, targetOptions } from './target.ts';
import { BOUNDS, creeps, type Fault, gaveBack, health, logs, rests } from './verdict.ts';

export interface Finding extends Fault {
  readonly seed: number;
  readonly session: number;
}

/** Counts and worst cases of a run. */
export interface Summary {
  sessions: number;
  steps: number;
  targets: number;
  slowestServiceMs: number;
  slowestAnswerMs: number;
  slowestEndMs: number;
  mostResidentMib: number;
  mostLogBytes: number;
  /** Connections of honest peers that were refused before one was served. */
  refusals: number;
  /** Kinds of descriptor that this machine does not have. */
  missing: ReadonlyMap<string, string>;
}

export class Fuzzer {
  readonly #seed: number;
  readonly #program: string | undefined;
  readonly #accomplice = new Accomplice();
  readonly summary: Summary;
  #target: Target | null = null;
  #resident: number[] = [];

  /** `program` is another build of the device model. */
  constructor(seed: number, program?: string) {
    this.#seed = seed;
    this.#program = program;
    this.summary = {
      sessions: 0,
      steps: 0,
      targets: 0,
      slowestServiceMs: 0,
      slowestAnswerMs: 0,
      slowestEndMs: 0,
      mostResidentMib: 0,
      mostLogBytes: 0,
      refusals: 0,
      missing: this.#accomplice.missing,
    };
  }

  plan(session: number): Plan {
    return planSession(this.#seed, session, targetOptions(this.#seed, session));
  }

  /** Runs one session, with all of its steps or those given; null if there is no finding. */
  async session(session: number, steps?: readonly Step[]): Promise<Finding | null> {
    const plan = this.plan(session);
    const played = { ...plan, steps: steps ?? plan.steps };
    this.summary.sessions++;
    this.summary.steps += played.steps.length;
    const target = await this.#targetFor(session);
    const fault = await this.#play(target, session, played);
    this.#accomplice.rest();
    if (fault || plan.ending === 'terminate') await this.#drop();
    return fault && { ...fault, seed: this.#seed, session };
  }

  /** Ends the last device model. */
  async finish(session: number): Promise<Finding | null> {
    const fault = this.#target && (await this.#terminated(this.#target));
    await this.#drop();
    this.#accomplice.close();
    return fault && { ...fault, seed: this.#seed, session };
  }

  /** The log of the current device model. */
  get log(): string {
    return this.#target?.subject.tail ?? '';
  }

  async #targetFor(session: number): Promise<Target> {
    if (this.#target && session % SESSIONS_PER_TARGET !== 0 && this.#target.subject.alive)
      return this.#target;
    await this.#drop();
    const target = await Target.start(targetOptions(this.#seed, session), this.#program);
    this.#target = target;
    this.#resident = [];
    this.summary.targets++;
    await target.warmUp();
    return target;
  }

  async #drop(): Promise<void> {
    await this.#target?.close();
    this.#target = null;
  }

  async #play(target: Target, session: number, plan: Plan): Promise<Fault | null> {
    const { subject, options } = target;
    const start = performance.now();
    const logged = subject.logBytes;
    const attacker = new Attacker(
      plan,
      this.#accomplice,
      (side) => target.connect(side),
      subject.pid,
      options.queuePairs,
    );
    try {
      const fault =
        (await this.#attack(target, plan, attacker)) ??
        (await this.#aftermath(target, session, plan, attacker)) ??
        (plan.ending === 'terminate' ? null : health(subject));
      const bytes = subject.logBytes - logged;
      this.summary.mostLogBytes = Math.max(this.summary.mostLogBytes, bytes);
      return fault ?? logs(bytes, performance.now() - start);
    } finally {
      attacker.close();
    }
  }

  async #attack(target: Target, plan: Plan, attacker: Attacker): Promise<Fault | null> {
    let company: Company | null = null;
    try {
      company = await enter(target, plan);
      await attacker.run(plan.steps);
      this.#accomplice.calm();
      await company?.leave();
    } catch (error) {
      this.#accomplice.calm();
      return health(target.subject) ?? { kind: plan.company, detail: (error as Error).message };
    }
    const answerMs = company?.slowestMs ?? 0;
    this.summary.slowestAnswerMs = Math.max(this.summary.slowestAnswerMs, answerMs);
    if (answerMs > BOUNDS.answerMs)
      return { kind: `${plan.company} waits`, detail: `${Math.round(answerMs)} ms for an answer` };
    return null;
  }

  async #aftermath(target: Target, session: number, plan: Plan, attacker: Attacker): Promise<Fault | null> {
    if (plan.ending === 'terminate') return this.#terminated(target);
    const restless = await rests(target.subject);
    if (restless) return restless;
    if (plan.ending === 'close') attacker.disconnect();
    const served = await this.#serve(target, session, plan);
    if (served) return served;
    attacker.close();
    this.#accomplice.rest();
    const usage = target.subject.alive ? target.subject.usage() : target.baseline;
    this.summary.mostResidentMib = Math.max(this.summary.mostResidentMib, usage.residentMib);
    this.#resident.push(usage.residentMib);
    return (await gaveBack(target.subject, target.baseline)) ?? creeps(this.#resident);
  }

  async #serve(target: Target, session: number, plan: Plan): Promise<Fault | null> {
    const boundMs = plan.ending === 'linger' ? BOUNDS.servedBesideMs : BOUNDS.servedMs;
    try {
      const served = await target.serveHonest(session % 3 === 0, session % 2 === 0, boundMs);
      this.summary.slowestServiceMs = Math.max(this.summary.slowestServiceMs, served.wholeMs);
      this.summary.refusals += served.refusals;
      const free = plan.ending === 'close' && !target.options.client;
      if (free && served.refusals > 0)
        return {
          kind: 'refused',
          detail: `an honest peer was refused ${served.refusals} times though no other peer was connected`,
        };
      return null;
    } catch (error) {
      return health(target.subject) ?? { kind: 'not served', detail: (error as Error).message };
    }
  }

  async #terminated(target: Target): Promise<Fault | null> {
    const before = health(target.subject);
    if (before) return before;
    const ms = await target.terminate();
    if (ms === null) return { kind: 'SIGTERM', detail: `it has not ended after ${BOUNDS.terminateMs} ms` };
    this.summary.slowestEndMs = Math.max(this.summary.slowestEndMs, ms);
    await sleep(0);
    if (target.subject.end !== 'exit code 0')
      return { kind: 'SIGTERM', detail: `it ended with ${target.subject.end}` };
    return target.subject.mistake === null ? null : { kind: 'mistake', detail: target.subject.mistake };
  }
}

async function enter(target: Target, plan: Plan): Promise<Company | null> {
  const connect = target.connect.bind(target);
  // A driver cannot come before the peer of the reference.
  if (plan.company === 'honest driver' && !target.options.reference)
    return HonestDriver.enter(connect, target.options.queuePairs);
  return plan.company === 'honest peer' ? HonestPeer.enter(connect) : null;
}
