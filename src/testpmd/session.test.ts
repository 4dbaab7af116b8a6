// SPDX-License-Identifier: BSD-3-Clause
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nullDriver } from '../drivers/null/port.ts';
import { ports } from '../drivers/registry.ts';
import { MBUF_F_NEEDS_CSUM } from '../ethdev/mempool.ts';
import { ALL_OFFLOADS, describeOffloads } from '../ethdev/offloads.ts';
import type { Port, PortEvent, PortListener } from '../ethdev/port.ts';
import { native } from '../native.ts';
import { Session } from './session.ts';
import { defaultSettings, type Settings } from './settings.ts';

const cpu = native.getAffinity().at(-1) ?? 0;

/** net_null ports whose events are raised by the test. */
let events: EventEmitter[] = [];
let printed: string[] = [];
let complained: string[] = [];
let session: Session;

beforeEach(() => {
  events = [];
  printed = [];
  complained = [];
  const probe = nullDriver.probe;
  vi.spyOn(nullDriver, 'probe').mockImplementation((id, name, devargs) => {
    const port = probe(id, name, devargs);
    const emitter = new EventEmitter();
    port.on = (event: PortEvent, listener: PortListener) => void emitter.on(event, listener);
    events.push(emitter);
    return port;
  });
});

afterEach(async () => {
  await session.quit();
  vi.restoreAllMocks();
  expect(ports()).toEqual([]);
});

async function open(settings: Partial<Settings> = {}, cpus = [cpu]): Promise<void> {
  session = new Session(
    { ...defaultSettings(), hugepages: false, ...settings },
    { main: { id: 0, cpus }, forwarding: [{ id: 1, cpus }] },
    {
      print: (line) => printed.push(...line.split('\n')),
      complain: (line) => complained.push(line),
      event: (line) => printed.push(...line.split('\n')),
      room: async () => {},
    },
  );
  await session.init(['net_null0', 'net_null1']);
}

describe('options about ports', () => {
  it('set the MTU, and ask for offloads that ports may have', async () => {
    await open({ maxPktLen: 1418, txOffloads: 0xc, rxOffloads: 0x2001 });
    expect(ports().map(({ info }) => info.mtu)).toEqual([1400, 1400]);
    expect(complained.filter((line) => line.includes('--max-pkt-len'))).toEqual([]);
  });

  it('are refused in the words of rte_eth_dev_configure() where no port can have the offload', async () => {
    await expect(open({ rxOffloads: 0x80 })).rejects.toThrow(
      "requested Rx offloads 0x80 doesn't match Rx offloads capabilities",
    );
  });
});

describe('events', () => {
  it('of a link are reported', async () => {
    await open();
    events[1].emit('link');
    expect(printed).toContain('Port 1: link state change event');
  });

  it('of a link that is down state the reason on the next line', async () => {
    await open();
    vi.spyOn(ports()[1] as Port, 'link').mockReturnValue({
      up: false,
      speed: 0,
      reason: 'no peer is connected',
    });
    events[1].emit('link');
    events[1].emit('reason');
    expect(printed.slice(-4)).toEqual([
      '',
      'Port 1: link state change event',
      '',
      'Port 1: no link: no peer is connected',
    ]);
  });

  it('of a link are not reported with --no-lsc-interrupt', async () => {
    await open({ lscInterrupt: false });
    expect(printed).toContain('Port 1 Link up at 10 Gbps FDX Fixed');
    events[1].emit('link');
    expect(printed).not.toContain('Port 1: link state change event');
  });

  it('of removal close the port, and the others keep forwarding', async () => {
    await open();
    expect(await session.forwarding.start(session.ports.forwarding, 0)).toBe(true);
    printed.length = 0;
    events[0].emit('removed');
    await session.serialize(() => {});
    expect(printed.slice(0, 3)).toEqual(['', 'Port 0: device removal event', 'Telling cores to stop...']);
    expect(printed).toContain('Port 0 is closed');
    expect(printed).toContain('  RX P=1/Q=0 (socket 0) -> TX P=1/Q=0 (socket 0) peer=02:00:00:00:00:01');
    expect(printed.at(-1)).toBe('Now total ports is 1');
    expect(session.forwarding.running).toBe(true);
  });

  it('of removal are handled after the running command', async () => {
    await open();
    const order: string[] = [];
    const command = session.serialize(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push(`command ${session.ports.open.length}`);
    });
    events[0].emit('removed');
    await command;
    await session.serialize(() => void order.push(`after ${session.ports.open.length}`));
    expect(order).toEqual(['command 2', 'after 1']);
  });
});

describe('--rx-interrupt', () => {
  it('is refused for a port that can only be polled, naming the port and the remedy', async () => {
    const probe = nullDriver.probe;
    const { getMockImplementation } = vi.mocked(nullDriver.probe);
    const mocked = getMockImplementation.call(probe) as typeof probe;
    vi.mocked(nullDriver.probe).mockImplementation((id, name, devargs) => {
      const port = mocked(id, name, devargs);
      const info = { ...port.info, rxInterrupts: id !== 1, details: { Bus: 'uio_pci_generic' } };
      return Object.defineProperty(port, 'info', { value: info });
    });
    await expect(open({ rxInterrupt: 'on' })).rejects.toThrow(
      '--rx-interrupt=on: port 1 (net_null1, uio_pci_generic) has no interrupts: bind it to vfio-pci, or poll',
    );
    await session.quit();
    await open();
  });
});

describe('forwarding', () => {
  it('intersects the offloads of its ports, again on each link change', async () => {
    await open();
    const [a, b] = session.ports.open;
    const asked: string[] = [];
    let taken = ALL_OFFLOADS;
    Object.defineProperty(b, 'txOffloads', { get: () => taken });
    a.setRxOffloads = (offloads) => void asked.push(`a ${describeOffloads(offloads)}`);
    b.setRxOffloads = (offloads) => void asked.push(`b ${describeOffloads(offloads)}`);
    await session.forwarding.start(session.ports.forwarding, 0);
    taken = MBUF_F_NEEDS_CSUM;
    events[1].emit('link');
    const all = 'csum tso4 tso6 ecn uso';
    expect(asked).toEqual([`a ${all}`, `b ${all}`, 'a csum', `b ${all}`]);
    await session.forwarding.stop();
    events[1].emit('link');
    expect(asked.length).toBe(4);
  });

  it('reports an lcore that fails, and can be started again', async () => {
    await open({}, [1000]);
    const failures: string[] = [];
    session.forwarding.onFailure = (error) => failures.push(error.message);
    for (let i = 1; i <= 2; i++) {
      expect(await session.forwarding.start(session.ports.forwarding, 0)).toBe(false);
      expect(failures.length).toBe(i);
    }
    expect(failures[0]).toContain('cpu 1000: this machine has no such CPU');
    expect(session.forwarding.running).toBe(false);
  });

  it.each([1, 3])(
    'regression: has sent the %i bursts of start tx_first when the command returns',
    async (bursts) => {
      await open({ mode: 'rxonly' });
      expect(await session.forwarding.start(session.ports.forwarding, bursts)).toBe(true);
      await session.forwarding.stop();
      expect(session.ports.open.map((port) => port.stats().opackets)).toEqual([32 * bursts, 32 * bursts]);
    },
  );

  it('returns from start tx_first when the session is to end', async () => {
    await open({ mode: 'rxonly' });
    const started = session.forwarding.start(session.ports.forwarding, 1e9);
    session.hurry();
    expect(await started).toBe(true);
  });

  it('is limited to the ports of --portlist and --nb-ports', async () => {
    await open({ portList: [1, 0], nbPorts: 1 });
    expect(session.ports.forwarding.map((port) => port.id)).toEqual([1]);
    // A removed port is left out.
    session.settings.portList = [7, 1];
    expect(session.ports.forwarding.map((port) => port.id)).toEqual([1]);
  });

  it('counts from zero after clear port stats', async () => {
    await open();
    await session.forwarding.start(session.ports.forwarding, 0);
    await vi.waitFor(() => expect(session.ports.open[0].stats().ipackets).toBeGreaterThan(0), 60_000);
    await session.forwarding.stop();
    for (const port of session.ports.open) session.ports.clearStats(port);
    expect(session.forwarding.statsText([])).toContain(
      'Accumulated forward statistics for all ports+++++++++++++++\n  RX-packets: 0 ',
    );
  });
});

describe('attaching and detaching', () => {
  it('works as in testpmd, with its restrictions', async () => {
    await open();
    printed.length = 0;
    session.attachment.attach('net_null5,size=100');
    expect(printed).toEqual(['Attaching a new port...', 'Port 2 is attached. Now total ports is 3', 'Done']);
    const [, , port] = session.ports.open;
    expect(await session.forwarding.start(session.ports.forwarding, 0)).toBe(false);
    await session.ports.start([port], false);
    expect(printed).toContain('Configuring Port 2 (socket 0)');
    session.attachment.detach(port);
    expect(complained.at(-1)).toBe('Port not stopped');
    await session.ports.stop([port], false);
    printed.length = 0;
    session.attachment.detach(port);
    expect(complained.at(-1)).toBe('Port was not closed');
    expect(printed).toEqual([
      'Removing a device...',
      'Port 2 is closed',
      'Device is detached',
      'Now total ports is 2',
      'Done',
    ]);
  });

  it.each([
    ['net_null0', 'device net_null0 already exists'],
    ['net_foo0', "no driver 'net_foo'"],
    ['net_null7,size="', 'the quote of size=" is not closed'],
  ])('refuses %s in one line', async (device, cause) => {
    await open();
    session.attachment.attach(device);
    expect(complained.at(-1)).toMatch(new RegExp(`^Failed to attach port ${device}: .*${cause}`));
    expect(session.ports.open.length).toBe(2);
  });

  it('adds to the selected forwarding ports', async () => {
    await open({ portList: [1, 0], nbPorts: 1 });
    session.attachment.attach('net_null5');
    expect(session.ports.forwarding.map(({ id }) => id)).toEqual([1, 2]);
  });

  it('says how to attach a removed device again', async () => {
    await open({ interactive: true });
    events[1].emit('removed');
    await session.serialize(() => {});
    expect(complained.at(-1)).toBe(
      'testpmd: to attach port 1 again once its device is back: port attach net_null1',
    );
    session.attachment.attach('net_null1');
    expect(session.ports.open.map(({ info }) => info.name)).toEqual(['net_null0', 'net_null1']);
  });
});
