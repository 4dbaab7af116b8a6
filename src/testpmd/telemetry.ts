// SPDX-License-Identifier: BSD-3-Clause
// testpmd's telemetry: the socket that DPDK's clients look for, and the metrics page, with what this session
// knows; and the socket of capture programs beside it.
import { ports } from '../drivers/registry.ts';
import type { Port } from '../ethdev/port.ts';
import { PdumpServer } from '../pdump/server.ts';
import type { TelemetryCommand } from '../telemetry/commands.ts';
import { ealCommands, type LcoreState } from '../telemetry/eal-commands.ts';
import { ethdevCommands } from '../telemetry/ethdev-commands.ts';
import type { LegacyPort } from '../telemetry/legacy.ts';
import { MetricsServer } from '../telemetry/metrics-server.ts';
import { portMetrics } from '../telemetry/port-metrics.ts';
import type { PortView, QueueView } from '../telemetry/port-view.ts';
import { TelemetryServer } from '../telemetry/server.ts';
import type { Lcores } from './lcores.ts';
import { RATE_NAMES } from './metrics/bit-rates.ts';
import type { Metric } from './metrics/metrics.ts';
import { offloadsOf } from './port-offloads.ts';
import { ringSize } from './ring-sizes.ts';
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
    const host = {
      xstats: (port: Port) => session.settings.soft.xstats(port),
      metrics: (port: Port | null) => figures(session, port),
    };
    const server = await MetricsServer.open(eal.metrics, () => portMetrics(host));
    session.output.complain(`Metrics: http://${server.address}/metrics`);
  }
}

function openSocket(eal: EalSettings, commands: TelemetryCommand[], session: Session): void {
  const { output } = session;
  const legacy = { ports: () => portStats(session), global: () => globalStats(session) };
  try {
    new TelemetryServer({ prefix: eal.filePrefix, commands, legacy });
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
      view: (port) => portView(session, port),
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

/** What --bitrate-stats measures of a port, and --latencystats of the process. */
function figures({ forwarding: { metrics } }: Session, port: Port | null): Metric[] {
  return port
    ? metrics.ofPort(port.id).filter(({ name }) => RATE_NAMES.includes(name))
    : metrics.global().filter(({ name }) => !RATE_NAMES.includes(name));
}

/** Every statistic of every port, as DPDK's metrics library has them. */
const portStats = (session: Session): LegacyPort[] =>
  ports().map((port) => ({
    port: port.id,
    stats: [
      ...session.forwarding.metrics.ofPort(port.id),
      ...[...session.settings.soft.xstats(port)].map(([name, value]) => ({ name, value })),
    ],
  }));

/** The names of all statistics are those of the process, too, where those of ports are 0. */
function globalStats({ forwarding, settings }: Session): LegacyPort['stats'] {
  const names = new Set(ports().flatMap((port) => [...settings.soft.xstats(port).keys()]));
  return [...forwarding.metrics.global(), ...[...names].map((name) => ({ name, value: 0 }))];
}

const NOT_HASHED = { types: 0, key: new Uint8Array(0) };

function portView({ settings, ports: all }: Session, port: Port): PortView {
  const soft = settings.soft.of(port);
  const { strip, filter, extend, qinqStrip } = soft.modes;
  const queues = (role: 'rx' | 'tx'): QueueView[] =>
    Array.from({ length: all.queues(port, role) }, (_, queue) => ({
      started: port.started && !soft.isStopped(role, queue),
      deferred: soft.isDeferred(role, queue),
      descriptors: ringSize(settings, port, role, queue),
    }));
  const hashes = settings.soft.hashesPort(port, all.queues(port, 'rx'));
  return {
    promiscuous: soft.promiscuous,
    allmulticast: soft.allmulticast,
    macs: [settings.soft.macOf(port).toUpperCase(), ...soft.macs],
    // Read by one command only: a poll of the others is not to pay for it.
    get xstats() {
      return settings.soft.xstats(port);
    },
    rxQueues: queues('rx'),
    txQueues: queues('tx'),
    rxOffloads: offloadsOf(settings, port, 'rx')
      .filter(({ on, set }) => on && set)
      .map(({ name }) => name),
    vlan: { strip, filter, extend, qinqStrip, pvid: soft.pvid, ids: soft.vlans },
    rss: hashes ? { types: settings.soft.typesOf(port), key: soft.rssKey } : NOT_HASHED,
  };
}

const byId = (a: LcoreState, b: LcoreState): number => a.id - b.id;

function state({ forwarding }: Session, { id, cpus }: { id: number; cpus: readonly number[] }): LcoreState {
  const usage = forwarding.lcoreUsage(id);
  return { id, cpus, ...(usage && { usage }) };
}
