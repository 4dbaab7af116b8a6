// SPDX-License-Identifier: BSD-3-Clause
// Receives packets and frees them, counted by the port that they came from. No port here shares its queues
// with another, so that is the port of the queue.
import type { FwdEngine } from './engine.ts';
import { rxonly } from './rxonly.ts';

export const sharedRxq: FwdEngine = { ...rxonly, name: 'shared_rxq' };
