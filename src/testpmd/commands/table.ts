// SPDX-License-Identifier: BSD-3-Clause
// All prompt commands.
import type { Session } from '../session.ts';
import { addressCommands } from './addresses.ts';
import { configCommands } from './config.ts';
import { controlCommands } from './control.ts';
import { csumCommands } from './csum.ts';
import { displayCommands } from './display.ts';
import { flowCommands } from './flow.ts';
import { flowControlCommands } from './flow-control.ts';
import type { Command } from './grammar.ts';
import { offloadCommands } from './offloads.ts';
import { portCommands } from './ports.ts';
import { queueCommands } from './queues.ts';
import { refusedConfigCommands } from './refused-config.ts';
import { driverCommands } from './refused-drivers.ts';
import { filterCommands } from './refused-filters.ts';
import { refusedPortCommands } from './refused-ports.ts';
import { trafficManagementCommands } from './refused-traffic.ts';
import { rssCommands } from './rss.ts';
import { segmentationCommands } from './segmentation.ts';
import { trafficCommands } from './traffic.ts';
import { vlanCommands } from './vlan.ts';

const table: Command<Session>[] = [];
table.push(
  ...controlCommands(table),
  ...displayCommands,
  ...configCommands,
  ...trafficCommands,
  ...addressCommands,
  ...vlanCommands,
  ...portCommands,
  ...queueCommands,
  ...rssCommands,
  ...offloadCommands,
  ...csumCommands,
  ...segmentationCommands,
  ...flowControlCommands,
  ...flowCommands,
);
table.push(
  ...refusedConfigCommands,
  ...refusedPortCommands,
  ...filterCommands,
  ...trafficManagementCommands,
  ...driverCommands,
);

export const commands: readonly Command<Session>[] = table;
