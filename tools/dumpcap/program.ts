// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-dumpcap: captures the packets of a running vhost-pci-testpmd, with the options of dpdk-dumpcap.
import { setTimeout as sleep } from 'node:timers/promises';
import { oneLine } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { standardOutput } from '../../src/output/text-writer.ts';
import { isInterrupt, PdumpConnection } from '../../src/pdump/connection.ts';
import { compileFilter } from '../../src/pdump/filter.ts';
import { exitProcess } from '../../src/process-end.ts';
import { exitStatusOf } from '../run/exit-status.ts';
import { findInterfaces } from './interfaces.ts';
import { type DumpcapOptions, NAME, parseOptions } from './options.ts';
import { Session } from './session.ts';

const STATISTICS_MS = 1000;

const print = (line: string) => standardOutput().stdout.line(line);
const onSignals = (end: () => void) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
};

/** `-d`: as dpdk-dumpcap prints it, and tcpdump. */
function printCode({ interfaces }: DumpcapOptions): void {
  for (const { filter, snaplen } of interfaces) {
    const { lines } = compileFilter(filter, snaplen);
    print(`cBPF program (${lines.length} insns)`);
    for (const line of lines) print(line);
  }
}

/** `-S`: instead of a capture, what the ports count. */
async function printStatistics(connection: PdumpConnection): Promise<void> {
  const row = (name: string, received: string | number, dropped: string | number) =>
    print(`${name.padEnd(15)}  ${String(received).padStart(10)}  ${String(dropped).padStart(10)}`);
  const stopped = new AbortController();
  onSignals(() => stopped.abort());
  row('Interface', 'Received', 'Dropped');
  while (!stopped.signal.aborted) {
    for (const { name, received, dropped } of connection.list()) row(name, received, dropped);
    await sleep(STATISTICS_MS, undefined, { signal: stopped.signal }).catch(() => {});
  }
}

async function run(options: DumpcapOptions): Promise<void> {
  if (options.lcore !== undefined) native.setAffinityOfAll([options.lcore]);
  if (options.printCode) return printCode(options);
  const connection = new PdumpConnection(options.prefix, (line) => standardOutput().stderr.line(line));
  try {
    if (options.listInterfaces) for (const { id, name } of connection.list()) print(`${id}. ${name}`);
    else if (options.statistics) await printStatistics(connection);
    else await capture(connection, options);
  } catch (error) {
    if (!isInterrupt(error)) throw error;
  } finally {
    connection.close();
  }
}

async function capture(connection: PdumpConnection, options: DumpcapOptions): Promise<void> {
  const interfaces = findInterfaces(options.interfaces, connection.list());
  // Before a file is made.
  for (const { filter, snaplen } of interfaces) compileFilter(filter, snaplen);
  const session = new Session(connection, interfaces, options);
  onSignals(() => session.stop());
  await session.run();
}

try {
  await run(parseOptions(process.argv));
  exitProcess();
} catch (error) {
  standardOutput().stderr.line(oneLine(`${NAME}: ${(error as Error).message}`));
  exitProcess(exitStatusOf(error));
}
