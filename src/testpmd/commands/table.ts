// SPDX-License-Identifier: BSD-3-Clause
// All prompt commands.
import type { Session } from '../session.ts';
import { configCommands } from './config.ts';
import { controlCommands } from './control.ts';
import { csumCommands } from './csum.ts';
import { displayCommands } from './display.ts';
import type { Command } from './grammar.ts';
import { offloadCommands } from './offloads.ts';
import { portCommands } from './ports.ts';
import { refusedConfigCommands } from './refused-config.ts';
import { driverCommands } from './refused-drivers.ts';
import { filterCommands } from './refused-filters.ts';
import { refusedPortCommands } from './refused-ports.ts';
import { trafficManagementCommands } from './refused-traffic.ts';
import { segmentationCommands } from './segmentation.ts';
import { trafficCommands } from './traffic.ts';

const table: Command<Session>[] = [];
table.push(
  ...controlCommands(table),
  ...displayCommands,
  ...configCommands,
  ...trafficCommands,
  ...portCommands,
  ...offloadCommands,
  ...csumCommands,
  ...segmentationCommands,
);
table.push(
  ...refusedConfigCommands,
  ...refusedPortCommands,
  ...filterCommands,
  ...trafficManagementCommands,
  ...driverCommands,
);

export const commands: readonly Command<Session>[] = table;
