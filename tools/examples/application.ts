// SPDX-License-Identifier: BSD-3-Clause
// The main thread of the examples: opens the ports, starts the lcore, shows what happens, and ends in order.
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { exitProcess, type Lcore, launch, openPort, type Port, pdumpInit } from 'vhost-pci-pmd';

export interface Application<Option extends string> {
  /** `import.meta.url` of the module whose default export runs on the lcore. */
  readonly module: string;
  /** "bridge.ts DEVICE DEVICE…", for a command line without devices. */
  readonly usage: string;
  /** How many devices it takes. */
  readonly devices: readonly [min: number, max: number];
  /** What the first numbers of `lcore.stats` are. */
  readonly counters: readonly string[];
  /** Options and their defaults, besides `--cpu` and `--file-prefix`. */
  readonly options?: Readonly<Record<Option, string>>;
  /** Makes `lcore.data`. */
  data?(options: Readonly<Record<Option, string>>, ports: readonly Port[]): unknown;
}

type Common = 'cpu' | 'file-prefix';

/** Runs until SIGINT, SIGTERM, or the end of a device. An error is one line, and the exit status 1. */
export function run<Option extends string = never>(application: Application<Option>): void {
  main(application).catch((error: Error) => {
    // Arguments may hold anything, and a terminal would obey it.
    console.error(`${application.usage.split(' ')[0]}: ${error.message.replace(/\p{Cc}+/gu, ' ')}`);
    exitProcess(1);
  });
}

async function main<Option extends string>(application: Application<Option>): Promise<void> {
  const { cpu, options, devices, filePrefix } = commandLine(application);
  const ports = devices.map((device) => openPort(device));
  if (filePrefix !== '') pdumpInit({ filePrefix });
  const { module } = application;
  const lcore = launch({ cpu, module, ports, data: application.data?.(options, ports) });
  for (const port of ports) report(port, lcore);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void lcore.stop());
  await lcore.ready;
  const show = () =>
    console.log(application.counters.map((name, i) => `${name} ${lcore.stats[i]}`).join(', '));
  const timer = setInterval(show, 1000);
  const warning = setTimeout(() => warnOfSharedCpu(lcore), 5000);
  await lcore.exited;
  clearInterval(timer);
  clearTimeout(warning);
  show();
  for (const port of ports) port.close();
}

function commandLine<Option extends string>({ usage, devices, options: defaults }: Application<Option>) {
  const settings = { cpu: '0', 'file-prefix': '', ...defaults } as Record<Option | Common, string>;
  const names = Object.entries<string>(settings);
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: Object.fromEntries(names.map(([name, text]) => [name, { type: 'string', default: text }])),
  });
  if (positionals.length < devices[0] || positionals.length > devices[1])
    throw new Error(`usage: ${usage} [--cpu N]`);
  const options = { ...settings, ...values } as Record<Option | Common, string>;
  const { cpu, 'file-prefix': filePrefix } = options;
  return { cpu: wholeNumber('cpu', cpu, 0, 1023), filePrefix, options, devices: positionals };
}

/** The whole number that an option's text is; throws an error that names the option if it is none. */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : -1;
  if (number >= min && number <= max) return number;
  throw new Error(`--${option} must be a whole number from ${min} to ${max}, not '${text}'`);
}

/** A peer may come and go: the port's bursts do nothing meanwhile. A device that goes is gone for good. */
function report(port: Port, lcore: Lcore): void {
  const { name } = port.info;
  let told = '';
  const tell = () => {
    const { up, reason } = port.link();
    const state = up ? 'up' : `down${reason ? `: ${reason}` : ''}`;
    // One transition can raise both events.
    if (state !== told) console.log(`${name}: link ${state}`);
    told = state;
  };
  tell();
  port.on('link', tell);
  port.on('reason', tell);
  port.on('removed', () => {
    console.error(`${name}: the device is gone`);
    process.exitCode = 1;
    void lcore.stop();
  });
}

/** Two poll loops on one CPU starve each other. The kernel counts how long a thread waits for its CPU. */
function warnOfSharedCpu({ id, cpus }: Lcore): void {
  const threads = '/proc/self/task';
  for (const thread of readdirSync(threads)) {
    const share = shareWaited(`${threads}/${thread}`, `vpci-lcore${id}`);
    if (share > 10)
      console.error(
        `lcore ${id}: CPU ${cpus} was busy for ${share} % of the time that it wanted to run (--cpu)`,
      );
  }
}

/** Per cent of its time that the thread waited for its CPU; 0 for one of another name, or that has ended. */
function shareWaited(folder: string, name: string): number {
  try {
    if (readFileSync(`${folder}/comm`, 'utf8') !== `${name}\n`) return 0;
    const [ran, waited] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ').map(Number);
    return Math.round((100 * waited) / (ran + waited));
  } catch {
    return 0;
  }
}
