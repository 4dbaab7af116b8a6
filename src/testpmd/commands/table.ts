// SPDX-License-Identifier: BSD-3-Clause
// All prompt commands.
import type { Session } from '../session.ts';
import { configCommands } from './config.ts';
import { controlCommands } from './control.ts';
import { displayCommands } from './display.ts';
import type { Command } from './grammar.ts';
import { portCommands } from './ports.ts';

const table: Command<Session>[] = [];
table.push(...controlCommands(table), ...displayCommands, ...configCommands, ...portCommands);

export const commands: readonly Command<Session>[] = table;
