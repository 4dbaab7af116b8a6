// SPDX-License-Identifier: BSD-3-Clause
// testpmd's telemetry: the socket that DPDK's clients look for, and the metrics page, with what this session
// knows; and the socket of capture programs beside it.
import { ports } from '../drivers/registry.ts';
import { PdumpServer } from '../pdump/server.ts';
import type { TelemetryCommand } from '../telemetry/commands.ts';
import { ealCommands, type LcoreState } from '../telemetry/eal-commands.ts';
import { ethdevCommands } from '../telemetry/ethdev-commands.ts';
import type { LegacyPort } from '../telemetry/legacy.ts';
import { MetricsServer } from '../telemetry/metrics-server.ts';
import { portMetrics } from '../telemetry/port-metrics.ts';
import { TelemetryServer } from '../telemetry/server.ts';
import type { Lcores } from './lcores.ts';
import type { Session } from './session.ts';
import { type EalSettings, poolSize } from './settings.ts';

/**
 * Opens what the options ask for; the socket also by default, as in DPDK, and then with a line on stderr
 * where it cannot be opened.
 */
export async function openTelemetry(
  eal: EalSettings,
  session: Session,
  lcores: Lcores,
  args: readonly string[],
): Promise<void> {
  if (eal.telemetry !== 'off') openSocket(eal, sessionCommands(session, lcores, args), session);
  if (eal.metrics !== null) {
    const server = await MetricsServer.open(eal.metrics, () => portMetrics());
    session.output.complain(`Metrics: http://${server.address}/metrics`);
  }
}

function openSocket(eal: EalSettings, commands: TelemetryCommand[], { output }: Session): void {
  try {
    new TelemetryServer({ prefix: eal.filePrefix, commands, legacy: { ports: portStats, global: () => [] } });
    new PdumpServer(eal.filePrefix);
  } catch (error) {
    if (eal.telemetry === 'on') throw error;
    output.complain(`TELEMETRY: no socket: ${(error as Error).message}`);
  }
}

function sessionCommands(session: Session, lcores: Lcores, args: readonly string[]): TelemetryCommand[] {
  const { settings } = session;
  const split = args.indexOf('--');
  // Each forwarding lcore makes its own when it starts; this is what they are called and have.
  const pools = () => Array.from({ length: settings.nbCores }, (_, i) => `mb_pool_${i}`);
  return [
    ...ethdevCommands({
      promiscuous: (port) => settings.soft.of(port).promiscuous,
      mbufSize: settings.mbufSize,
      poolName: () => pools()[0] ?? '',
    }),
    ...ealCommands({
      params: ['vhost-pci-testpmd', ...(split < 0 ? args : args.slice(0, split))],
      appParams: split < 0 ? [] : args.slice(split + 1),
      lcores: () => [lcores.main, ...lcores.forwarding].map((place) => state(session, place)).sort(byId),
      pools: () => pools().map((name) => ({ name, size: poolSize(settings), mbufSize: settings.mbufSize })),
    }),
  ];
}

/** Every statistic of every port, as DPDK's metrics library has them. */
const portStats = (): LegacyPort[] =>
  ports().map((port) => ({
    port: port.id,
    stats: [...port.xstats()].map(([name, value]) => ({ name, value })),
  }));

const byId = (a: LcoreState, b: LcoreState): number => a.id - b.id;

function state({ forwarding }: Session, { id, cpus }: { id: number; cpus: readonly number[] }): LcoreState {
  const usage = forwarding.lcoreUsage(id);
  return { id, cpus, ...(usage && { usage }) };
}
