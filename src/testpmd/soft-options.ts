// SPDX-License-Identifier: BSD-3-Clause
// Options of what is done in software for every port.
import type { OptionRow } from './getopt.ts';
import type { Settings } from './settings.ts';
import type { RxModes } from './soft-port.ts';
import { RSS_IP, RSS_UDP } from './text/rss-text.ts';

type Row = OptionRow<Settings>;

function modes(long: string, help: string, ...names: (keyof RxModes)[]): Row {
  return {
    long: [long],
    help,
    apply: ({ soft }) => {
      for (const name of names) soft.modes[name] = true;
    },
  };
}

function rss(long: string, help: string, types: number): Row {
  return {
    long: [long],
    help,
    apply: ({ soft }) => {
      soft.spreads = types !== 0;
      soft.rssOption = long;
      soft.rssTypes = types;
    },
  };
}

export const softOptions: readonly Row[] = [
  modes('enable-hw-vlan', 'the four below together', 'strip', 'filter', 'extend', 'qinqStrip'),
  modes('enable-hw-vlan-strip', 'remove the VLAN tag of received packets', 'strip'),
  modes('enable-hw-vlan-filter', 'receive tagged packets only of the VLANs of rx_vlan add', 'filter'),
  modes('enable-hw-vlan-extend', 'look for the VLAN tag behind an outer one', 'extend'),
  modes('enable-hw-qinq-strip', 'remove both tags of received packets that have two', 'qinqStrip'),
  modes(
    'enable-rx-cksum',
    'count wrong checksums of received packets in mode csum',
    'ipCksum',
    'udpCksum',
    'tcpCksum',
  ),
  rss(
    'rss-ip',
    'ports may have more queues than their devices; spread packets by their IP addresses',
    RSS_IP,
  ),
  rss('rss-udp', 'the same by addresses and ports of UDP', RSS_UDP),
  rss('enable-rss', 'the same as --rss-ip', RSS_IP),
  rss('disable-rss', 'ports have the queues of their devices (default)', 0),
];
