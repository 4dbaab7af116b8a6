// SPDX-License-Identifier: BSD-3-Clause
// The commands about what software does for a port, typed one after the other: what they say, and the plan
// that an lcore gets in the end.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ports, probePort } from '../../drivers/registry.ts';
import type { Port } from '../../ethdev/port.ts';
import type { Forwarding } from '../forwarding.ts';
import type { Output } from '../output.ts';
import { Ports } from '../ports.ts';
import type { Session } from '../session.ts';
import { defaultSettings, type Settings } from '../settings.ts';
import { rxtxConfigText } from '../text/port-text.ts';
import { RSS_IP } from '../text/rss-text.ts';
import { match } from './grammar.ts';
import { commands } from './table.ts';

let port: Port;
let settings: Settings;
let printed: string[];
let applied: number;
let fake: Session;

beforeEach(() => {
  port = probePort('net_null0,queues=1');
  printed = [];
  applied = 0;
  settings = defaultSettings();
  const keep = (line: string) => printed.push(line);
  const output = { print: keep, complain: keep } as unknown as Output;
  const apply = async () => {
    applied++;
  };
  const rxtxText = () => rxtxConfigText(settings, [port], 1);
  const forwarding = { running: false, uses: () => false, apply, rxtxText } as unknown as Forwarding;
  const host = { settings, output, forwarding, quitting: false };
  fake = { ...host, ports: new Ports(host) } as unknown as Session;
});
afterEach(() => {
  for (const open of ports()) open.close();
});

/** Types a line; returns what it says. */
async function type(line: string): Promise<string> {
  printed = [];
  const keep = (text: string) => printed.push(text);
  Object.assign(fake.output, { print: keep, complain: keep });
  const found = match(commands, line);
  if (found.kind === 'refused') return found.message;
  await found.command.run(fake, found.args);
  return printed.join('\n');
}

const rxPlan = () => settings.soft.rxPlan(port, settings.rxQueues);
const txPlan = () => settings.soft.of(port).txPlan();
const macs = (list: readonly Uint8Array[] | null | undefined) =>
  list?.map((mac) => Buffer.from(mac).toString('hex'));

describe('a port for which nothing is set', () => {
  it('has no plan, so that its lcores open the queues of the driver', () => {
    expect(rxPlan()).toBeNull();
    expect(txPlan()).toBeNull();
  });

  it('has none again when what was set is taken back, or the port is reset', async () => {
    for (const [line, back] of [
      ['vlan set strip on 0', 'vlan set strip off 0'],
      ['set promisc 0 off', 'set promisc 0 on'],
      ['flow create 0 ingress pattern eth / end actions drop / end', 'flow flush 0'],
      ['vlan set filter on 0', 'port reset 0'],
    ] as const) {
      await type(line);
      expect(rxPlan(), line).not.toBeNull();
      await type(back);
      expect(rxPlan(), back).toBeNull();
    }
    expect(applied).toBeGreaterThan(6);
  });
});

describe('VLAN commands', () => {
  it('filter only what the filter has, once it is on', async () => {
    expect(await type('rx_vlan add 5 0')).toBe(
      'Port 0: VLAN-filtering disabled\nrte_eth_dev_vlan_filter(port_pi=0, vlan_id=5, on=1) failed diag=-38',
    );
    expect(await type('vlan set filter on 0')).toBe('');
    expect(await type('rx_vlan add 5 0')).toBe('');
    expect(await type('rx_vlan add 4096 0')).toBe('Invalid vlan_id 4096 (must be < 4096)');
    expect(rxPlan()?.vlan.filter?.[0]).toBe(1 << 5);
    await type('rx_vlan add all 0');
    await type('rx_vlan rm 5 0');
    expect(rxPlan()?.vlan.filter?.[0]).toBe(0xff & ~(1 << 5));
    expect(await type('show port info 0')).toContain('strip off, filter on, extend off, qinq strip off');
  });

  it('add tags to what is sent, of a stopped port', async () => {
    expect(await type('tx_vlan set 0 5')).toBe('');
    expect(txPlan()?.tags).toEqual([{ tpid: 0x8100, tci: 5 }]);
    expect(await type('tx_vlan set 0 5 6')).toBe('');
    expect(txPlan()?.tags).toEqual([
      { tpid: 0x88a8, tci: 6 },
      { tpid: 0x8100, tci: 5 },
    ]);
    expect(await type('tx_vlan set 0 7')).toBe('Error, as QinQ has been enabled.');
    await type('vlan set outer tpid 0x9100 0');
    expect(txPlan()?.tags[0]?.tpid).toBe(0x9100);
    port.start();
    expect(await type('tx_vlan reset 0')).toBe('Please stop port 0 first');
    port.stop();
    await type('tx_vlan reset 0');
    expect(await type('tx_vlan set pvid 0 9 on')).toBe('');
    expect(txPlan()).toMatchObject({ tags: [], pvid: { tci: 9 } });
  });
});

describe('address commands', () => {
  it('add, remove and set addresses, and show them', async () => {
    expect(await type('mac_addr add 0 00:11:22:33:44:55')).toBe('');
    expect(await type('mac_addr remove 0 02:6e:75:6c:6c:00')).toBe(
      'mac_addr_cmd error: (Address already in use)',
    );
    expect(await type('mac_addr set 0 00:11:22:33:44:55')).toBe('mac_addr_cmd error: (File exists)');
    expect(await type('mac_addr set 0 01:00:00:00:00:01')).toBe('mac_addr_cmd error: (Invalid argument)');
    expect(await type('mac_addr add 0 00:00:00:00:00:00')).toBe('mac_addr_cmd error: (Invalid argument)');
    expect(await type('mac_addr set 0 02:00:00:00:00:77')).toBe('');
    expect(await type('show port 0 macs')).toBe(
      'Number of MAC address added: 2\n  02:00:00:00:00:77\n  00:11:22:33:44:55',
    );
    expect(await type('show port info 0')).toContain('MAC address: 02:00:00:00:00:77');
    await type('set promisc 0 off');
    expect(macs(rxPlan()?.unicast)).toEqual(['020000000077', '001122334455']);
    expect(rxPlan()?.multicast).toBeNull();
  });

  it('up to 64, as show port info says', async () => {
    for (let i = 1; i < 64; i++) expect(await type(`mac_addr add 0 02:00:00:00:01:${hex(i)}`)).toBe('');
    expect(await type('mac_addr add 0 02:00:00:00:02:00')).toBe(
      'mac_addr_cmd error: (No space left on device)',
    );
    expect(await type('show port info 0')).toContain('Maximum number of MAC addresses: 64');
  });

  it('filter multicast where neither mode lets all pass', async () => {
    expect(await type('mcast_addr add 0 00:00:5E:00:00:01')).toBe('Invalid multicast addr 00:00:5E:00:00:01');
    expect(await type('mcast_addr add 0 01:00:5e:00:00:01')).toBe('');
    expect(await type('mcast_addr add 0 01:00:5E:00:00:01')).toBe(
      'multicast address already filtered by port',
    );
    expect(await type('mcast_addr remove 0 01:00:5E:00:00:02')).toBe(
      'multicast address not filtered by port 0',
    );
    expect(await type('show port 0 mcast_macs')).toBe(
      'Number of Multicast MAC address added: 1\n  01:00:5E:00:00:01',
    );
    await type('set promisc 0 off');
    await type('set allmulti 0 off');
    expect(macs(rxPlan()?.multicast)).toEqual(['01005e000001']);
    await type('mcast_addr flush 0');
    expect(rxPlan()?.multicast).toEqual([]);
  });

  it('take the link down and up where the driver can, and fail as in testpmd elsewhere', async () => {
    expect(await type('set link-down port 0')).toBe('\nSet link down fail.');
    expect(await type('set link-up port 0')).toBe('\nSet link up fail.');
    const set: boolean[] = [];
    port.setLink = (up) => set.push(up);
    expect(await type('set link-down port 0')).toBe('');
    expect(await type('set link-up port 0')).toBe('');
    port.setLink = () => {
      throw new Error('gone');
    };
    expect(await type('set link-up port 0')).toBe('\nSet link up fail.');
    expect(set).toEqual([false, true]);
  });
});

const hex = (value: number) => value.toString(16).padStart(2, '0');

describe('queue commands', () => {
  it('stop and start single queues, which a new start of the port starts unless they are deferred', async () => {
    const soft = settings.soft.of(port);
    expect(await type('port 0 rxq 0 stop')).toBe('Please start port 0 first');
    expect(await type('port 0 txq 0 deferred_start on')).toBe('');
    fake.ports.bringUp(port);
    expect(soft.isStopped('tx', 0)).toBe(true);
    expect(await type('show txq info 0 0')).toMatch(/TX deferred start: on[\s\S]*Tx queue state: stopped/);
    expect(await type('port 0 txq 0 start')).toBe('');
    expect(await type('show txq info 0 0')).toContain('Tx queue state: started');
    expect(await type('port 0 rxq 0 setup')).toBe('Failed to setup RX queue');
    expect(await type('port 0 rxq 0 stop')).toBe('');
    expect(await type('port 0 rxq 0 setup')).toBe('');
    expect(rxPlan()).toBeNull();
    expect(await type('port 0 rxq 9 stop')).toBe('Invalid RX queue 9 (must be < nb_rxq=1)');
    expect(await type('port 0 rxq 0 deferred_start on')).toBe('Please stop port 0 first');
    port.stop();
    fake.ports.bringUp(port);
    expect(soft.isStopped('rx', 0)).toBe(false);
  });

  it('wait until forwarding has stopped', async () => {
    Object.assign(fake.forwarding, { running: true });
    expect(await type('port 0 rxq 0 stop')).toBe('Please stop forwarding first');
  });
});

describe('RSS commands', () => {
  it('are refused of a port with several queues of its device', async () => {
    for (const open of ports()) open.close();
    port = probePort('net_null0,queues=4');
    settings.rxQueues = 2;
    fake.ports.bringUp(port);
    expect(await type('port config all rss ip')).toBe(
      "Multi-queue RSS mode isn't enabled.\nConfiguration of RSS hash at ethernet port 0 failed with error (95): Operation not supported.",
    );
    expect(await type('port config 0 rss reta (0,0)')).toBe(
      'Redirection table size is 0 which is invalid for RSS',
    );
    expect(await type('show port 0 rss reta 128 (0xff,0xff)')).toBe(
      'Invalid redirection table size: 128 (1-0)',
    );
    expect(await type('show port 0 rss-hash')).toBe('dev_info did not provide a valid hash key size');
    expect(await type('show port info 0')).toContain('No RSS offload flow type is supported.');
  });

  it('regression: says which port spreads by itself when packets are to be spread by their hash', async () => {
    for (const open of ports()) open.close();
    port = probePort('net_null0,queues=4');
    Object.assign(settings.soft, { spreads: true, rssTypes: RSS_IP, rssOption: 'rss-ip' });
    fake.ports.bringUp(port);
    expect(printed.filter((line) => line.startsWith('Note'))).toEqual([]);
    await type('port stop 0');
    await type('port config all rxq 2');
    fake.ports.bringUp(port);
    const note = 'Note: --rss-ip has no effect on port 0: its device spreads packets over its 2 queues';
    expect(printed.filter((line) => line.startsWith('Note'))).toEqual([note]);
    port.stop();
    fake.ports.bringUp(port);
    expect(printed.filter((line) => line.startsWith('Note'))).toEqual([note]);
  });

  it('set the hash that a port with one queue keeps, once rss_hash is on', async () => {
    expect(await type('port config all rss frob')).toBe('Unknown parameter');
    expect(await type('port config all rxq 4')).toBe('rxq 4 is outside 1..1');
    expect(await type('show port 0 rss-hash')).toBe('RSS disabled');
    expect(rxPlan()).toBeNull();
    expect(await type('port config 0 rx_offload rss_hash on')).toBe('');
    expect(rxPlan()).toMatchObject({ keepsHash: true, queues: 0, rss: { types: RSS_IP, reta: [] } });
    expect(await type('port config all rss udp')).toContain('rss_hf 0x20820');
    expect(await type(`port config 0 rss-hash-key ipv4 ${'ab'.repeat(40)}`)).toBe('');
    expect(rxPlan()?.rss).toMatchObject({ types: 1 << 2, key: new Uint8Array(40).fill(0xab) });
    expect(await type('port config 0 rss reta (0,0)')).toBe('The reta size of port 0 is 128');
    expect(await type('port config 0 rss reta (0,1)')).toContain('exceeds the maximum rxq index: 1');
  });

  describe('of a port that software gives more queues', () => {
    beforeEach(async () => {
      Object.assign(settings.soft, { spreads: true, rssTypes: RSS_IP });
      await type('port config all rxq 4');
      await type('port config all txq 4');
      fake.ports.bringUp(port);
    });

    it('spread its packets', async () => {
      expect(port.config.rxQueues).toBe(1);
      expect(rxPlan()).toMatchObject({ queues: 4, deviceQueues: 1, rss: { types: RSS_IP } });
      expect(rxPlan()?.rss?.reta.slice(0, 5)).toEqual([0, 1, 2, 3, 0]);
      const info = await type('show port info 0');
      expect(info).toContain('Current number of RX queues: 4');
      expect(info).toContain(
        'Hash key size in bytes: 40\nRedirection table size: 128\nSupported RSS offload',
      );
    });

    it('set and show what is hashed, the key and the table', async () => {
      expect(await type('port config all rss udp')).toMatch(
        /^Port 0 modified RSS hash function .*requested:0x20820 configured:0x820\nrss_hf 0x20820$/,
      );
      expect(await type('show port 0 rss-hash')).toBe('RSS functions:\n  ipv4-udp  ipv6-udp');
      const key = 'ab'.repeat(40);
      expect(await type('port config 0 rss-hash-key ipv4 abab')).toBe(
        'key length: 4 invalid - key must be a string of 80 hexa-decimal numbers',
      );
      expect(await type(`port config 0 rss-hash-key ipv4 ${key}`)).toBe('');
      expect(await type('show port 0 rss-hash key')).toBe(
        `RSS functions:\n  ipv4\nRSS key:\n${key.toUpperCase()}`,
      );
      expect(await type('show port 0 rss-hash algorithm')).toBe('RSS algorithm:\n  toeplitz');
      expect(await type('port config 0 rss reta (0,3),(1,2)')).toBe('The reta size of port 0 is 128');
      expect(await type('port config 0 rss reta (0,4)')).toContain('exceeds the maximum rxq index: 4');
      expect(await type('port config 0 rss reta (128,0)')).toContain('Invalid RETA hash index=128');
      expect(await type('show port 0 rss reta 128 (0x3,0x0)')).toBe(
        'RSS RETA configuration: hash index=0, queue=3\nRSS RETA configuration: hash index=1, queue=2',
      );
      expect(await type('show port 0 rss reta 200 (3)')).toBe('Invalid redirection table size: 200 (1-128)');
      expect(await type('port config all rss none')).toBe('rss_hf 0');
      expect(await type('show port 0 rss-hash')).toBe('RSS disabled');
    });
  });
});

describe('flow commands', () => {
  const rule = 'ingress pattern eth / ipv4 / udp dst is 53 / end actions count / drop / end';

  it('validate, create, list, query and destroy', async () => {
    expect(await type(`flow validate 0 ${rule}`)).toBe('Flow rule validated');
    expect(rxPlan()).toBeNull();
    expect(await type('flow list 0')).toBe('');
    expect(await type(`flow create 0 ${rule}`)).toBe('Flow rule #0 created');
    expect(await type('flow create 0 ingress pattern eth / end actions queue index 0 / end')).toBe(
      'Flow rule #1 created',
    );
    expect(await type('flow list 0')).toContain('0\t0\t0\ti--\tETH IPV4 UDP => COUNT DROP\n1\t');
    expect(await type('flow query 0 0 count')).toBe(
      'COUNT:\n hits_set: 1\n bytes_set: 1\n hits: 0\n bytes: 0',
    );
    expect(await type('flow query 0 1 count')).toContain('type 16 (specific action)');
    expect(await type('flow query 0 7 count')).toBe('Flow rule #7 not found');
    expect(rxPlan()?.rules).toHaveLength(2);
    expect(await type('flow destroy 0 rule 0 rule 1')).toBe('Flow rule #0 destroyed\nFlow rule #1 destroyed');
    expect(await type('flow destroy 0 rule 0')).toBe('');
    expect(await type('flow destroy 0 rule x')).toBe('Bad arguments');
    expect(rxPlan()).toBeNull();
  });

  it('refuse what software does not do', async () => {
    expect(await type('flow create 0 ingress pattern eth / mpls / end actions drop / end')).toBe(
      'port_flow_complain(): Caught PMD error type 13 (specific pattern item): item mpls is not supported: Operation not supported',
    );
    expect(await type('flow create 9 ingress pattern eth / end actions drop / end')).toBe('Invalid port 9');
    expect(await type('flow create 0 frob')).toBe('Bad arguments');
  });
});

describe('offload commands', () => {
  const shown = (what: string) => type(`show port 0 ${what}`);

  it('show what software does for a port, and turn it on and off', async () => {
    expect(await shown('rx_offload capabilities')).toContain(
      'Per Port  : VLAN_STRIP IPV4_CKSUM UDP_CKSUM TCP_CKSUM QINQ_STRIP VLAN_FILTER VLAN_EXTEND SCATTER RSS_HASH\n',
    );
    expect(await shown('rx_offload configuration')).toContain('  Port : SCATTER\n  Queue[ 0] : SCATTER\n');
    for (const name of ['vlan_strip', 'vlan_filter', 'tcp_cksum'])
      expect(await type(`port config 0 rx_offload ${name} on`)).toBe('');
    expect(rxPlan()?.vlan).toMatchObject({ strip: true, filter: settings.soft.of(port).vlans });
    expect(settings.soft.of(port).checks).toBe(0x8);
    expect(await shown('rx_offload configuration')).toContain(
      'Port : VLAN_STRIP TCP_CKSUM VLAN_FILTER SCATTER\n',
    );
    expect(await type('vlan set filter off 0')).toBe('');
    expect(await type('show config rxtx')).toContain('Rx offloads=0x9 Tx offloads=0x0\n');
    expect(await type('port config 0 rx_offload all off')).toBe('Error: port 0 cannot turn all off');
    expect(rxPlan()).toBeNull();
    expect(await type('port config 0 rx_offload all on')).toBe('');
    expect(settings.soft.of(port).checks).toBe(0xe);
  });

  it('add tags of 0 to what is sent, and leave checksums to the port', async () => {
    for (const name of ['vlan_insert', 'ipv4_cksum', 'sctp_cksum'])
      expect(await type(`port config 0 tx_offload ${name} on`)).toBe('');
    expect(txPlan()?.tags).toEqual([{ tpid: 0x8100, tci: 0 }]);
    expect(await type('csum show 0')).toContain('\nIP checksum offload is hw\n');
    expect(await type('csum set ip sw 0')).toContain('\nSCTP checksum offload is hw\n');
    expect(await type('csum set outer-ip hw 0')).toContain('\nOuter-Ip checksum offload is hw\n');
    expect(await type('csum set outer-ip sw 0')).toContain('\nOuter-Ip checksum offload is sw\n');
    expect(await type('show config rxtx')).toContain('Tx offloads=0x11\n');
    expect(await type('port config 0 tx_offload vlan_insert off')).toBe('');
    expect(txPlan()).toBeNull();
  });

  it('are refused of what no port has, of single queues, and while the port is started', async () => {
    expect(await type('port config 0 rx_offload macsec_strip on')).toBe(
      "Error: port 0 doesn't support offload: macsec_strip.",
    );
    expect(await type('port 0 rxq 0 rx_offload vlan_strip on')).toBe(
      "Error: port 0 doesn't support per queue offload: vlan_strip.",
    );
    expect(await type('port 0 rxq 0 rx_offload scatter on')).toBe('');
    expect(rxPlan()).toBeNull();
    port.start();
    expect(await type('port config 0 rx_offload vlan_strip on')).toBe(
      "Error: Can't config offload when Port 0 is not stopped",
    );
  });
});

describe('ring sizes', () => {
  it('of a port without rings are what they were set to', async () => {
    const size = async () => /Number of RXDs: (\d+)/.exec(await type('show rxq info 0 0'))?.[1];
    expect(await size()).toBe('512');
    expect(await type('port config all rxd 1024')).toBe('');
    expect(await size()).toBe('1024');
    expect(await type('port config 0 rxq 0 ring_size 256')).toBe('');
    expect(await size()).toBe('256');
    expect(await type('show config rxtx')).toContain('RX desc=256 ');
    expect(await type('port config 0 rxq 0 ring_size 0')).toBe('');
    expect(await size()).toBe('1024');
    expect(await type('port config 0 txq 3 ring_size 256')).toBe('Invalid TX queue 3 (must be < nb_txq=1)');
  });
});
