// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-testpmd: DPDK's testpmd over this package's ports. Exit status: 2 for a wrong command line, 1 for
// any other failure, 0 after quit or a signal.
import { constants } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { allowMemoryFileSystems } from '../bus/memory-files.ts';
import { hurryVfioUser } from '../bus/vfio-user-client.ts';
import { oneLine, PmdError } from '../errors.ts';
import type { Port } from '../ethdev/port.ts';
import { native } from '../native.ts';
import { standardOutput } from '../output/text-writer.ts';
import { packageVersion } from '../package-root.ts';
import { exitProcess } from '../process-end.ts';
import { setWarningSink } from '../warnings.ts';
import { type CommandLine, helpText, parseCommandLine } from './command-line.ts';
import { CommandRunner } from './commands/command-runner.ts';
import { commands } from './commands/table.ts';
import { watchForeground } from './foreground.ts';
import { UsageError } from './getopt.ts';
import { chooseLcores, lcoreFault } from './lcores.ts';
import { metricsNotes } from './metrics/metrics.ts';
import { TerminalOutput } from './output.ts';
import { runPrompt } from './prompt.ts';
import { Session } from './session.ts';
import { openTelemetry } from './telemetry.ts';

const NAME = 'vhost-pci-testpmd';
const CLEAR_SCREEN = '\x1b[2J\x1b[1;1H';

const output = new TerminalOutput();
// Not through Node, whose own printing would block on a terminal that is held.
setWarningSink(({ code, message }) => {
  output.complain(message);
  // A capture that is not whole is a failure, though everything else goes on.
  if (code === 'VPCI_CAPTURE_LOST') process.exitCode = 1;
});

async function main(args: readonly string[]): Promise<void> {
  // A reader that exits early, such as `| head`, is not an error.
  standardOutput().stdout.onReaderGone(() => exitProcess(0));
  const line = parseCommandLine(args);
  if (line.eal.help || line.settings.help || line.eal.version) {
    output.print(line.eal.version ? `${NAME} ${packageVersion()}` : helpText());
    await output.settled();
    return;
  }
  // pgrep -f finds it by its name, and ps shows its options, as with a program of its own.
  process.title = [NAME, ...args].join(' ');
  const lcores = chooseLcores(line.eal, native.getAffinity());
  const { settings } = line;
  if (settings.nbCores > lcores.forwarding.length) {
    throw new UsageError(`option '--nb-cores': nb-cores should be > 0 and <= ${lcores.forwarding.length}`);
  }
  const fault = lcoreFault(lcores, settings.coreList ?? []);
  if (fault !== null) throw new UsageError(`option '--coremask': ${fault}`);
  const session = new Session(settings, lcores, output);
  watchSignals(session);
  standardOutput().stdout.onReaderGone(() => leave(session));
  sayHello(line);
  // With --lcores, keep the prompt off the forwarding CPUs, and V8's own threads too, unless the main lcore
  // is on one of these CPUs.
  allowMemoryFileSystems(line.eal.memoryFileSystems);
  await openTelemetry(line.eal, session, lcores, args);
  if (line.eal.lcores.length > 0) {
    const busy = new Set(lcores.forwarding.flatMap(({ cpus }) => cpus));
    if (lcores.main.cpus.some((cpu) => busy.has(cpu))) native.setAffinity(lcores.main.cpus);
    else native.setAffinityOfAll(lcores.main.cpus);
  }
  try {
    await session.serialize(() => openDevices(session, [...line.eal.allowed, ...line.eal.vdevs]));
    const forwarding = lcores.forwarding.slice(0, settings.nbCores).map(({ id }) => id);
    for (const note of metricsNotes(settings, settings.coreList ?? forwarding)) output.complain(note);
    if (session.quitting) await session.ended;
    else await (settings.interactive ? interact(session) : runAlone(session));
  } catch (error) {
    if (!session.quitting) {
      for (const port of session.ports.open) port.close();
      throw error;
    }
    output.complain(`${NAME}: ${(error as Error).message}`);
    await session.ended;
  }
  // Whoever saw an lcore fail and started it again has mended it.
  if (!session.forwarding.endedInOrder) process.exitCode = 1;
  // All resources are released. A slow reader still gets all output; a signal ends the wait.
  await session.untilHurried(output.settled());
}

/**
 * A signal may end the wait for a device: the session then ends in order, after the line that says what it
 * waited for.
 */
async function openDevices(session: Session, devices: readonly string[]): Promise<void> {
  try {
    await session.init(devices);
  } catch (error) {
    // Let the signal's listener run.
    while (native.endSignalWaits()) await turn();
    if (!session.quitting) throw error;
    output.complain(`${NAME}: ${(error as Error).message}`);
  }
}

function sayHello({ eal, settings }: CommandLine): void {
  if (eal.showVersion) output.complain(`EAL: RTE Version: '${NAME} ${packageVersion()}'`);
  output.complain(`EAL: Detected CPU lcores: ${native.getAffinity().length}`);
  output.complain('EAL: Detected NUMA nodes: 1');
  if (settings.interactive) output.print('Interactive-mode selected');
  if (settings.autoStart) output.print('Auto-start selected');
  if (settings.mode !== 'io') output.print(`Set ${settings.mode} packet forwarding mode`);
  if (settings.txFirst) output.print('Ports to start sending a burst of packets first');
  if (settings.txFirst && settings.lscInterrupt) {
    output.complain('Warning: lsc_interrupt needs to be off when using tx_first. Disabling.');
    settings.lscInterrupt = false;
  }
  if (settings.interactive && settings.statsPeriod > 0) {
    output.complain('Warning: --stats-period has no effect in interactive mode');
  }
  for (const note of settings.notes) output.complain(`Note: ${note}`);
  if (settings.commandFile !== null)
    output.print(oneLine(`CLI commands to be read from ${settings.commandFile}`));
}

/** The first signal ends the session in order, the second ends the process at once. */
function watchSignals(session: Session): void {
  let received = false;
  const signalled = (signal: NodeJS.Signals) => {
    const number = constants.signals[signal];
    if (received) native.exitNow(128 + number);
    received = true;
    hurryVfioUser();
    output.complain(`\nSignal ${number} received, preparing to exit...`);
    leave(session);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, signalled);
  session.forwarding.onFailure = (error) => {
    if (session.settings.interactive) output.complain(`testpmd: ${error.message}`);
    else fail(session, error.message);
  };
}

/** Ends the session in order, with exit status 1. */
function fail(session: Session, reason: string): void {
  output.complain(`testpmd: ${reason}`);
  process.exitCode = 1;
  leave(session);
}

/** Ends the session in order. A session that is ending already just stops waiting. */
function leave(session: Session): void {
  const ends = session.quitting;
  session.hurry();
  if (!ends) void session.serialize(() => session.quit());
}

async function runCommandFile({ settings }: Session, runner: CommandRunner): Promise<void> {
  const { commandFile, commandFileEcho } = settings;
  if (commandFile !== null) await runner.runFile(commandFile, commandFileEcho);
}

async function interact(session: Session): Promise<void> {
  const runner = new CommandRunner(session, commands);
  await runCommandFile(session, runner);
  if (session.settings.autoStart && !session.quitting) {
    output.print('Start automatic packet forwarding');
    await session.serialize(async () => void (await session.forwarding.start(session.ports.forwarding, 0)));
  }
  const { autoStart, commandFile } = session.settings;
  if (!autoStart && commandFile === null && !session.quitting)
    output.complain("Note: no packets are forwarded until the command 'start'; --auto-start starts at once");
  if (!session.quitting) await runPrompt(session, runner, output);
  await session.ended;
}

/**
 * Forwards until a signal arrives or no port is left; without --stats-period also until Enter or the end of
 * input.
 */
async function runAlone(session: Session): Promise<void> {
  const { settings } = session;
  if (!settings.hotPlug)
    session.onLastRemoved = () => fail(session, 'the last port was removed, see --hot-plug');
  if (session.ports.open.length === 0 && !session.quitting) {
    throw new PmdError(
      'VPCI_NO_PORTS',
      'no ports; specify --vdev net_vhost_pci0,path=SOCKET or -a 0000:00:04.0, or -- -i for a prompt',
    );
  }
  await runCommandFile(session, new CommandRunner(session, commands));
  if (!session.quitting) {
    output.print('No commandline core given, start packet forwarding');
    const burst = settings.txFirst ? 1 : 0;
    await session.serialize(async () => {
      const started = await session.forwarding.start(session.ports.forwarding, burst);
      if (!started) process.exitCode = 1;
    });
  }
  let foreground: ReturnType<typeof watchForeground> | undefined;
  const timer = setInterval(() => showStatistics(session), (settings.statsPeriod || 1e6) * 1000);
  if (settings.statsPeriod === 0 && !session.quitting) {
    output.print('Press enter to exit');
    const quit = () => void session.serialize(() => (session.quitting ? undefined : session.quit()));
    const input = process.stdin.once('data', quit).once('end', quit);
    foreground = watchForeground(
      () => input.resume(),
      () => input.pause(),
    );
  }
  await session.ended;
  foreground?.end();
  clearInterval(timer);
}

function showStatistics(session: Session): void {
  if (session.settings.statsPeriod === 0 || session.quitting) return;
  const { displayXstats } = session.settings;
  const blocks = session.ports.forwarding.map((port) =>
    [session.ports.statsText(port), ...chosenXstats(session, port, displayXstats)].join('\n'),
  );
  session.output.print(
    `${CLEAR_SCREEN}\nPort statistics ====================================${blocks.join('\n')}`,
  );
}

/** --display-xstats */
function chosenXstats({ settings }: Session, port: Port, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const xstats = settings.soft.xstats(port);
  return names.flatMap((name) => {
    const value = xstats.get(name);
    return value === undefined ? [] : [`${name}: ${value}`];
  });
}

try {
  await main(process.argv.slice(2));
  exitProcess();
} catch (error) {
  output.complain(`${NAME}: ${(error as Error).message}`);
  if (!(error instanceof PmdError)) output.complain(`${(error as Error).stack}`);
  exitProcess(error instanceof UsageError ? 2 : 1);
}
