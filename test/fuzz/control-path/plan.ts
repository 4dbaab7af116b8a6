// SPDX-License-Identifier: BSD-3-Clause
// A session as a plan: correct scripts of both sides, disturbed at each level, in one order. The same number
// gives the same plan.

import { VFIO_USER_HEADER } from '../../../src/abi/vfio-user.ts';
import { VHOST_USER_HEADER } from '../../../src/abi/vhost-user.ts';
import { Disorder } from '../mutator.ts';
import { DriverScript } from './driver-script.ts';
import { anyDescriptor, MEMORY_KINDS } from './kinds.ts';
import { PeerScript } from './peer-script.ts';
import type { Ending, Plan, Side, Step } from './steps.ts';

/** Disturbs message by message, so that sooner or later every kind is cut, moved and duplicated. */
const HEADER = { peer: VHOST_USER_HEADER.size, driver: VFIO_USER_HEADER.size } as const;

export interface SessionRules {
  readonly queuePairs: number;
  /** The device connects to the peer. */
  readonly client: boolean;
}

export function planSession(seed: number, session: number, { queuePairs, client }: SessionRules): Plan {
  const chaos = new Disorder(Math.imul(seed, 0x9e37_79b1) ^ Math.imul(session + 1, 0x85eb_ca6b));
  const ending: Ending = chaos.pick(['close', 'close', 'close', 'close', 'linger', 'terminate']);
  const company =
    ending === 'close'
      ? chaos.pick(['both hostile', 'both hostile', 'honest driver', 'honest peer'] as const)
      : 'both hostile';
  const memory = { peer: memoryOf(chaos, 'peer'), driver: memoryOf(chaos, 'driver') };
  const scripts = {
    peer: new PeerScript(chaos, queuePairs, memory.peer),
    driver: new DriverScript(chaos, queuePairs, memory.driver),
  };
  const strength = chaos.pick([0, 1, 4, 15]);
  const disturbed = (side: Side): Step[] => {
    const steps = lifetime(chaos, scripts[side]);
    const usable = client && side === 'peer' ? steps.filter(({ act }) => act !== 'strangers') : steps;
    return disturb(chaos, usable, [...scripts.peer.known, ...scripts.driver.known], strength);
  };
  const peer = company === 'honest peer' ? [] : disturbed('peer');
  const driver = company === 'honest driver' ? [] : disturbed('driver');
  const steps = interleave(chaos, peer, driver);
  if (company === 'both hostile' && chaos.chance(30)) steps.push(...storm(chaos, scripts));
  if (ending === 'linger')
    steps.push(...lingering(chaos, peer, 'peer'), ...lingering(chaos, driver, 'driver'));
  return { company, manners: chaos.pick(['answers', 'answers', 'lies', 'ignores']), ending, memory, steps };
}

/** Both sides use one eventfd, which is full whenever it is written, and make the device write it. */
function storm(chaos: Disorder, { peer, driver }: { peer: PeerScript; driver: DriverScript }): Step[] {
  const event = `${chaos.pick(['event', 'event', 'event-blocking', 'semaphore'])}#storm`;
  const side = chaos.pick(['peer', 'driver'] as const);
  const both = [...peer.storm(event), ...driver.storm(event)];
  return chaos.chance(70) ? [{ side, act: 'fill', event }, ...both] : both;
}

function memoryOf(chaos: Disorder, side: Side): string {
  return `${chaos.chance(60) ? 'memfd' : chaos.pick(MEMORY_KINDS)}#${side}`;
}

function lifetime(chaos: Disorder, script: { opening(): Step[]; moment(): Step[] }): Step[] {
  const steps = script.opening();
  for (let moments = chaos.below(25); moments > 0; moments--) steps.push(...script.moment());
  // A side that stops anywhere has stopped in the middle of something.
  return chaos.chance(30) ? steps.slice(0, 1 + chaos.below(steps.length)) : steps;
}

/** Reconnects, sends less than a message, and then nothing: this connection never counts as active. */
function lingering(chaos: Disorder, steps: readonly Step[], side: Side): Step[] {
  if (chaos.chance(30)) return [{ side, act: 'close' }];
  const sends = steps.filter((step) => step.act === 'send');
  const message = chaos.pick(sends);
  const connect: Step[] = [
    { side, act: 'close' },
    { side, act: 'connect' },
  ];
  if (message?.act !== 'send' || chaos.chance(30)) return connect;
  return [...connect, { ...message, pieces: [1 + chaos.below(message.bytes.length - 1)] }];
}

/** Changes `strength` percent of the messages. */
function disturb(
  chaos: Disorder,
  script: readonly Step[],
  known: readonly string[],
  strength: number,
): Step[] {
  const steps: Step[] = [];
  for (const step of script) {
    if (!chaos.chance(strength)) {
      steps.push(step);
      continue;
    }
    switch (chaos.below(9)) {
      case 0:
        break;
      case 1:
        steps.push(...Array.from({ length: 2 + chaos.below(30) }, () => step));
        break;
      case 2:
        steps.splice(chaos.below(steps.length + 1), 0, step);
        break;
      case 3:
        steps.push(step, { side: step.side, act: 'wait', ms: 1 + chaos.below(60) });
        break;
      case 4:
        steps.push({ side: step.side, act: 'deaf', on: chaos.chance(70) }, step);
        break;
      case 5:
        steps.push(
          step,
          { side: step.side, act: chaos.pick(['close', 'shutdown']) },
          { side: step.side, act: 'connect' },
        );
        break;
      default:
        steps.push(changed(chaos, step, known));
    }
  }
  return steps;
}

function changed(chaos: Disorder, step: Step, known: readonly string[]): Step {
  if (step.act !== 'send') return step;
  switch (chaos.below(5)) {
    case 0:
    case 1: {
      const header = HEADER[step.side];
      const bytes = chaos.chance(85)
        ? withPayload(step.bytes.slice(0, header), chaos.mutate(step.bytes.subarray(header)), step.side)
        : chaos.mutate(step.bytes);
      return { ...step, what: `${step.what} (changed)`, bytes, pieces: [bytes.length] };
    }
    case 2: {
      const fds = Array.from({ length: chaos.pick([0, 1, 1, 1, 2, 8, 20]) }, () =>
        anyDescriptor(chaos, known),
      );
      return { ...step, fds };
    }
    case 3: {
      const pieces = chaos.cut(step.bytes).map((piece) => piece.length);
      return { ...step, pieces, pauseMs: chaos.below(20) };
    }
    default:
      return { ...step, fds: step.fds.map(() => anyDescriptor(chaos, known)) };
  }
}

/** A message whose header has the new size. */
function withPayload(header: Uint8Array, payload: Uint8Array, side: Side): Uint8Array {
  const message = new Uint8Array(header.length + payload.length);
  message.set(header);
  message.set(payload, header.length);
  const view = new DataView(message.buffer);
  if (side === 'peer') view.setUint32(VHOST_USER_HEADER.fields.size.offset, payload.length, true);
  else view.setUint32(VFIO_USER_HEADER.fields.size.offset, message.length, true);
  return message;
}

/** Merges both, each in its own order, in turns of any length. */
function interleave(chaos: Disorder, a: readonly Step[], b: readonly Step[]): Step[] {
  const steps: Step[] = [];
  const rest = [[...a], [...b]];
  while (rest.some((side) => side.length > 0)) {
    const side = rest[chaos.below(2)] as Step[];
    steps.push(...side.splice(0, 1 + chaos.below(12)));
  }
  return steps;
}
