// SPDX-License-Identifier: BSD-3-Clause
// The fuzzer of the control path as a program: node --import tsx test/fuzz/control-path/main.ts [options]
//   --seconds N   how long (60); --seed N; --from A, --to B  only these sessions
//   --steps       print the plan; --minimise  find the fewest steps of session A that show the same fault
//   --device F    main.js of another build; --most N  stop after N findings (20)
import { parseArgs } from 'node:util';
import { type Finding, Fuzzer } from './fuzzer.ts';
import { describeStep, type Step } from './steps.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    to: { type: 'string' },
    steps: { type: 'boolean', default: false },
    minimise: { type: 'boolean', default: false },
    device: { type: 'string' },
    most: { type: 'string', default: '20' },
  },
});
const [seed, from] = [Number(values.seed), Number(values.from)];
const to = values.to === undefined ? Number.POSITIVE_INFINITY : Number(values.to);

const show = ({ session, kind, detail }: Finding) =>
  console.log(
    `FINDING ${kind}: ${detail.replaceAll('\n', ' | ')}; again: node --import tsx test/fuzz/control-path/main.ts --seed ${seed} --from ${session} --to ${session}`,
  );

process.exitCode = values.minimise ? await minimise() : await fuzz();

async function fuzz(): Promise<number> {
  const fuzzer = new Fuzzer(seed, values.device);
  const end = Date.now() + 1000 * Number(values.seconds);
  let findings = 0;
  let session = from;
  for (; session <= to && Date.now() < end && findings < Number(values.most); session++) {
    if (values.steps) printPlan(fuzzer, session);
    const finding = await fuzzer.session(session);
    if (!finding) continue;
    findings++;
    show(finding);
  }
  const last = await fuzzer.finish(session - 1);
  if (last) show(last);
  const { missing, ...counts } = fuzzer.summary;
  const rounded = Object.entries(counts).map(([name, value]) => `${name} ${Math.round(value)}`);
  console.log(`${findings + (last ? 1 : 0)} findings; ${rounded.join(', ')}`);
  for (const [kind, error] of missing) console.log(`left out: ${kind} (${error})`);
  return findings > 0 || last ? 1 : 0;
}

function printPlan(fuzzer: Fuzzer, session: number): void {
  const { steps, ...rest } = fuzzer.plan(session);
  console.log(`session ${session}: ${JSON.stringify(rest)}`);
  for (const [n, step] of steps.entries()) console.log(`  ${n} ${describeStep(step)}`);
}

/** Removes ever smaller parts as long as the rest shows the same fault (delta debugging). */
async function minimise(): Promise<number> {
  let steps: readonly Step[] = new Fuzzer(seed, values.device).plan(from).steps;
  const wanted = await attempt(steps);
  if (!wanted) {
    console.log('this session alone shows nothing');
    return 1;
  }
  for (let part = Math.ceil(steps.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
    for (let at = 0; at < steps.length; ) {
      const fewer = [...steps.slice(0, at), ...steps.slice(at + part)];
      if ((await attempt(fewer))?.kind === wanted.kind) steps = fewer;
      else at += part;
    }
    console.log(`${steps.length} steps left`);
  }
  show(wanted);
  for (const step of steps) console.log(`  ${describeStep(step)}`);
  return 1;
}

async function attempt(steps: readonly Step[]): Promise<Finding | null> {
  const fuzzer = new Fuzzer(seed, values.device);
  const finding = await fuzzer.session(from, steps);
  return finding ?? (await fuzzer.finish(from));
}
