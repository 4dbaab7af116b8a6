// SPDX-License-Identifier: BSD-3-Clause
// The public API, export by export: the error for a wrong argument is one line that names it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as api from './index.ts';
import { native } from './native.ts';

// biome-ignore lint/suspicious/noExplicitAny: what plain JavaScript may pass
type Any = any;
const { openPort, probePort, launch, Mempool, parseLcores, parseCoremask, exitProcess } = api as Any;
const { pdumpInit, udpFrameHeaders, macBytes, ipv4Number, ipv4Text } = api as Any;
const FLOW = {
  ...{ sourceMac: '02:00:00:00:00:01', destinationMac: '02:00:00:00:00:02' },
  ...{ sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', sourcePort: 5000, destinationPort: 7 },
};
const cpu = native.getAffinity()[0];

let folder = '';
let good = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'api-'));
  good = join(folder, 'module.mjs');
  writeFileSync(good, 'export default () => {}');
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  for (const port of api.ports()) port.close();
});

const run = (options: object) => launch({ cpu, module: good, ...options });
const port = (devargs = '') => openPort(`net_null0${devargs}`);
const pool = () => new Mempool({ count: 8, hugepages: false });

/** Title, call, and a part of the expected message. */
const CASES: Readonly<Record<string, readonly (readonly [string, () => unknown, string])[]>> = {
  openPort: [
    ['no device', () => openPort(), "device must be a string such as 'net_vhost_pci0"],
    ['a number', () => openPort(5), 'not 5'],
    ['an empty device', () => openPort(''), "not ''"],
    ['an unknown key', () => openPort('net_null0', { bogus: 2 }), "config has no 'bogus'"],
    ['null', () => openPort('net_null0', null), 'config must be an object, not null'],
    ['-1 queues', () => openPort('net_null0', { rxQueues: -1 }), 'rxQueues must be a whole number from 0'],
    ['NaN queues', () => openPort('net_null0', { txQueues: Number.NaN }), 'txQueues must be'],
    ['1.5 queues', () => openPort('net_null0', { rxQueues: 1.5 }), 'not 1.5'],
    ['"2" queues', () => openPort('net_null0', { rxQueues: '2' }), "not '2'"],
    ['too many queues', () => openPort('net_null0', { rxQueues: 17 }), '17 RX queues requested'],
    ['an unknown driver', () => openPort('net_foo0'), "no driver 'net_foo'"],
  ],
  pdumpInit: [
    ['a name', () => pdumpInit('rte'), "options must be an object, not 'rte'"],
    ['an unknown key', () => pdumpInit({ prefix: 'a' }), "options has no 'prefix'; it takes filePrefix"],
    ['a number', () => pdumpInit({ filePrefix: 7 }), 'filePrefix must be the name of a folder, not 7'],
    ['a path', () => pdumpInit({ filePrefix: '../a' }), "not '../a'"],
  ],
  probePort: [
    ['an array', () => probePort([]), 'device must be'],
    ['ids that are not an object', () => probePort('net_null0', 7), 'ids must be an object, not 7'],
    [
      'an id out of range',
      () => probePort('net_null0', { id: 32 }),
      'id must be a whole number from 0 to 31',
    ],
  ],
  Port: [
    ['no config', () => port().configure(), 'config must be an object'],
    ['half a config', () => port().configure({ rxQueues: 1 }), 'txQueues must be'],
    ['an unknown event', () => port().on('data', () => {}), 'event must be one of link, reason, removed'],
    ['no listener', () => port().on('link'), 'listener must be a function'],
    [
      'a queue that it does not have',
      () => port().rxQueueSpec(99),
      'Port 0 has 1 RX queue; there is no queue 99',
    ],
    ['a queue of -1', () => port().txQueueSpec(-1), 'Port 0 has 1 TX queue; there is no queue -1'],
  ],
  udpFrameHeaders: [
    ['no flow', () => udpFrameHeaders(), 'flow must be an object'],
    [
      'a port of 65536',
      () => udpFrameHeaders({ ...FLOW, sourcePort: 65536 }, 64),
      'from 0 to 65535, not 65536',
    ],
    [
      'an IPv4 address of another family',
      () => udpFrameHeaders({ ...FLOW, sourceIp: '::1' }, 64),
      "not '::1'",
    ],
    [
      'a MAC address of five bytes',
      () => udpFrameHeaders({ ...FLOW, sourceMac: '1:2' }, 64),
      'Invalid ethernet',
    ],
    ['no length', () => udpFrameHeaders(FLOW), 'length must be a whole number'],
    [
      'regression: a length in which the headers have no room',
      () => udpFrameHeaders(FLOW, 41),
      'length must be a whole number from 42 to 65549, not 41',
    ],
    ['a length that IPv4 does not have', () => udpFrameHeaders(FLOW, 65_550), 'from 42 to 65549, not 65550'],
  ],
  macBytes: [
    ['no address', () => macBytes(), 'Invalid ethernet address: undefined'],
    ['regression: an array', () => macBytes([FLOW.sourceMac]), "address: [ '02:00:00:00:00:01' ]"],
    ['regression: a symbol', () => macBytes(Symbol('a')), 'address: Symbol(a)'],
  ],
  ipv4Number: [
    ['half an address', () => ipv4Number('10.0'), "not '10.0'"],
    ['regression: an array', () => ipv4Number(['10.0.0.1']), "not [ '10.0.0.1' ]"],
    ['regression: an object without text', () => ipv4Number(Object.create(null)), 'not [Object: null'],
  ],
  ipv4Text: [
    ['text', () => ipv4Text('10.0.0.1'), 'address must be a whole number from -2147483648 to 4294967295'],
  ],
  launch: [
    ['no options', () => launch(), 'options must be an object'],
    ['an unknown option', () => run({ core: 1 }), "options has no 'core'; it takes lcore, cpu"],
    ['no module', () => launch({ cpu }), 'module must be an absolute path or a file: URL'],
    ['a relative module', () => run({ module: './worker.ts' }), "not './worker.ts'"],
    ['a module from the network', () => run({ module: new URL('https://[::1]/a.js') }), 'module must be'],
    ['an absent module', () => run({ module: pathToFileURL(join(folder, 'absent.ts')) }), 'no such file'],
    ['a folder as module', () => run({ module: folder }), 'it is a directory'],
    ['a file URL with a host', () => run({ module: 'file://host/a.js' }), 'the URL of a local file'],
    ['a CPU of -1', () => run({ cpu: -1 }), 'cpu must be a whole number from 0 to 1023, not -1'],
    ['a CPU that does not exist', () => run({ cpu: 1023 }), 'cpu 1023: this machine has no such CPU'],
    ['no CPU', () => run({ cpu: [] }), 'cpu must be a CPU or an array of at least one'],
    ['a CPU of another type', () => run({ cpu: '0' }), "not '0'"],
    ['an lcore of NaN', () => run({ lcore: Number.NaN }), 'lcore must be'],
    ['a port instead of an array', () => run({ ports: port() }), 'ports must be an array of ports'],
    ['a port that is not one', () => run({ ports: ['net_null0'] }), 'each of ports must be a port'],
    ['data that cannot be posted', () => run({ data: () => 0 }), 'data must be something that postMessage'],
    ['a negative time', () => run({ stopTimeout: -5 }), 'stopTimeout must be'],
  ],
  Mempool: [
    ['null', () => new Mempool(null), 'options must be an object'],
    ['an unknown option', () => new Mempool({ size: 5 }), "options has no 'size'"],
    ...['count', 'dataRoom', 'headroom', 'hugepages'].map(
      (key) => [`${key} of null`, () => new Mempool({ [key]: null }), `${key} must be`] as const,
    ),
    ['no mbufs', () => new Mempool({ count: 0 }), 'count must be a whole number from 1 to 1048576, not 0'],
    ['NaN mbufs', () => new Mempool({ count: Number.NaN }), 'count must be'],
    ['large mbufs', () => new Mempool({ dataRoom: 65_536 }), 'dataRoom must be a whole number from 64'],
    ['a headroom of 100', () => new Mempool({ headroom: 100 }), 'headroom must be a multiple of 64'],
    ['hugepages of another type', () => new Mempool({ hugepages: 1 }), 'hugepages must be true or false'],
    ['no capacity', () => pool().vector(), 'capacity must be'],
    [
      'too many vectors',
      () =>
        Array.from({ length: 1025 }).map(
          (
            (p) => () =>
              p.vector(1)
          )(pool()),
        ),
      'the maximum number',
    ],
  ],
  parseLcores: [['a number', () => parseLcores(3), 'list must be a string']],
  parseCoremask: [['a number', () => parseCoremask(3), 'mask must be a string']],
  allowMemoryFileSystems: [
    ['a string', () => api.allowMemoryFileSystems('ext4' as Any), 'names must be an array'],
    ['a number in it', () => api.allowMemoryFileSystems([4] as Any), 'each of names must be a string'],
  ],
  exitProcess: [['a word', () => exitProcess('now'), 'code must be a whole number from 0 to 255']],
};

const CALLABLE_WITHOUT_ARGUMENTS = ['ports', 'PmdError'];
/** Poll loops call them for every packet: as bursts, they check nothing. */
const HOT = [
  ...['copyBytes', 'swapBytes', 'readUint16BE', 'readInt32BE', 'writeUint16BE', 'writeInt32BE'],
  ...['internetChecksum', 'transportChecksum', 'updatedChecksum'],
  ...['networkHeader', 'ipv4HeaderLength', 'isArp', 'isFragment'],
];

describe.each(Object.entries(CASES))('%s', (_, cases) => {
  it.each(cases)('regression: refuses %s with a one-line error', (_what, call, says) => {
    const error = (() => {
      try {
        return call();
      } catch (thrown) {
        return thrown as api.PmdError;
      }
    })() as api.PmdError;
    expect(error).toBeInstanceOf(api.PmdError);
    expect(error.message).toContain(says);
    expect(error.message).toMatch(/^.+$/);
    expect(error.code).toMatch(/^(VPCI_[A-Z_]+|ENOSPC)$/);
    expect(api.ports().length).toBeLessThanOrEqual(1);
  });
});

it('every exported function is called with wrong arguments here', () => {
  const functions = Object.entries(api).filter(([, value]) => typeof value === 'function');
  const checked = functions.filter(([name]) => ![...CALLABLE_WITHOUT_ARGUMENTS, ...HOT].includes(name));
  const names = checked.map(([name]) => name);
  expect(Object.keys(CASES)).toEqual(expect.arrayContaining(names));
});

it.each([0, 128, 1024])('dataRoom has the documented range beside a headroom of %d', (headroom) => {
  const open = (dataRoom: number) => new Mempool({ count: 1, headroom, dataRoom, hugepages: false });
  for (const [asked, given] of [
    [64, 64],
    [65, 128],
    [65_472 - headroom, 65_472 - headroom],
  ]) {
    const mempool = open(asked);
    expect([mempool.dataRoom, mempool.stride]).toEqual([given, headroom + given]);
    mempool.close();
  }
  for (const refused of [63, 65_473 - headroom])
    expect(() => open(refused)).toThrow(`dataRoom must be a whole number from 64 to ${65_472 - headroom}`);
});

it('launch() refuses a closed port', () => {
  const closed = port();
  closed.close();
  expect(() => run({ ports: [closed] })).toThrow('port 0 of ports is closed');
});

it('one of the queue counts may be omitted', () => {
  expect(openPort('net_null0', { rxQueues: 3 }).config).toEqual({ rxQueues: 3, txQueues: 1 });
});

it('regression: a closed pool has no mbufs to give, which is no error', () => {
  const closed = pool();
  closed.close();
  expect(closed.available).toBe(0);
});
