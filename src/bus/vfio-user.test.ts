// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFds } from '../../test/support/open-fds.ts';
import { bytes, QueuedServer, type RegionReply } from '../../test/support/queued-server.ts';
import { until } from '../../test/support/wait.ts';
import { decode, encode } from '../abi/layout.ts';
import {
  VFIO_IRQ_SET,
  VFIO_USER,
  VFIO_USER_DMA_MAP,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_SUB_REGION_IO_FD,
} from '../abi/vfio-user.ts';
import { native } from '../native.ts';
import { handshake, openVfioUser, VfioUserPciDevice } from './vfio-user.ts';
import { closeAll, VfioUserClient } from './vfio-user-client.ts';

const PAGE = 4096;

/** "rw-s" and the like of this process's mappings of a file. */
const protectionOf = (name: string): string[] =>
  readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name))
    .map((line) => line.split(' ')[1] ?? '');

describe('vfio-user device', () => {
  let before: number;
  let server: QueuedServer;
  let device: VfioUserPciDevice;
  const files: number[] = [];

  const open = (options: Parameters<QueuedServer['describeDevice']>[0] = {}) => {
    server.describeDevice(options);
    device = new VfioUserPciDevice(new VfioUserClient(server.clientFd, 'dev', 100), 'dev');
    server.requests();
    return device;
  };
  const file = (size: number) => {
    const fd = native.memfdCreate('test', size, false);
    files.push(fd);
    return fd;
  };

  beforeEach(() => {
    before = openFds();
    server = new QueuedServer();
  });

  afterEach(async () => {
    server.close();
    device.close();
    device.close();
    closeAll(files.splice(0));
    // Descriptors made by others are closed by another thread.
    await until('no descriptor is left over', () => openFds() === before);
  });

  it('knows its BARs and vectors, and becomes a bus master', () => {
    open({ memoryBytes: PAGE });
    expect([0, 1, 2, 3].map((bar) => device.barSize(bar))).toEqual([0x4000, 0x4000, PAGE, 0]);
    expect(device.vectors).toBe(4);
    expect(() => device.bar(3)).toThrow(expect.objectContaining({ code: 'VPCI_NO_BAR' }));
  });

  it('reads and writes registers', () => {
    open();
    server.readReply(0, 0x14, 1, 0x8f);
    expect(device.bar(0).read8(0x14)).toBe(0x8f);
    server.readReply(0, 4, 4, 0xffff_fff0);
    expect(device.bar(0).read32(4)).toBe(0xffff_fff0);
    server.requests();
    for (let half = 0; half < 2; half++)
      server.reply({ command: VFIO_USER.REGION_WRITE, payload: new Uint8Array(16) });
    device.bar(0).write64(0x20, 0x1122_3344_5566_7788n);
    const written = server.requests().map(({ payload }) => new DataView(payload.buffer));
    expect(written.map((view) => [view.getUint32(0, true), view.getUint32(16, true)])).toEqual([
      [0x20, 0x5566_7788],
      [0x24, 0x1122_3344],
    ]);
  });

  it('does not request registers outside a BAR', () => {
    open();
    expect(() => device.bar(0).read32(0x3ffe)).toThrow(expect.objectContaining({ code: 'VPCI_BAD_ACCESS' }));
    expect(() => device.bar(0).write8(-1, 0)).toThrow(/BAD_ACCESS|Access of 1 bytes/);
    expect(server.requests()).toEqual([]);
  });

  it('refuses a read reply of another length', () => {
    open();
    server.readReply(0, 0, 4, 1);
    expect(() => device.bar(0).read16(0)).toThrow(/20 bytes for a read of 2/);
  });

  it('maps what a memory BAR offers now', () => {
    open();
    const fd = file(4 * PAGE);
    for (const size of [2, 3]) {
      const reply = {
        areas: [{ offset: 0n, size: BigInt(size * PAGE) }],
        fds: [fd],
        fileOffset: BigInt(PAGE),
      };
      server.region(2, BigInt(4 * PAGE), { ...reply, argsz: 64 });
      server.region(2, BigInt(4 * PAGE), reply);
      const [area] = device.mapBar(2);
      expect(area).toMatchObject({ barOffset: 0, size: size * PAGE });
      expect(device.barSize(2)).toBe(4 * PAGE);
      if (area) native.unmap(area.mapping);
    }
  });

  it('maps nothing of a BAR without memory', () => {
    open();
    server.region(2, 0n);
    expect(device.mapBar(2)).toEqual([]);
    expect(device.mapBar(9)).toEqual([]);
  });

  it('maps a whole BAR that has no sparse capability', () => {
    open();
    server.region(2, BigInt(PAGE), { flags: 7, fds: [file(PAGE)] });
    const [area] = device.mapBar(2);
    expect(area).toMatchObject({ barOffset: 0, size: PAGE });
    if (area) native.unmap(area.mapping);
  });

  it('maps a part of a BAR, for reading only', () => {
    open();
    const fd = file(4 * PAGE);
    server.region(2, BigInt(4 * PAGE), { flags: 7, fds: [fd] });
    const areas = device.mapBar(2, { offset: PAGE, size: 2 * PAGE, writable: false });
    expect(areas).toMatchObject([{ barOffset: PAGE, size: 2 * PAGE, writable: false }]);
    expect(protectionOf('memfd:test')).toEqual(['r--s']);
    for (const { mapping } of areas) native.unmap(mapping);
  });

  describe('refuses a region', () => {
    const page = BigInt(PAGE);
    const area = { offset: 0n, size: page };
    const cases: [string, bigint, RegionReply, RegExp][] = [
      ['whose area leaves it', page, { areas: [{ offset: page, size: page }] }, /mappable area/],
      [
        'whose area wraps',
        page,
        { areas: [{ offset: (1n << 64n) - page, size: 2n * page }] },
        /mappable area/,
      ],
      ['whose area is empty', page, { areas: [{ offset: 0n, size: 0n }] }, /mappable area/],
      ['whose area is not on a page', 4n * page, { areas: [{ offset: 8n, size: page }] }, /mappable area/],
      ['with more areas than bytes', page, { areas: [area], count: 1000 }, /1000 mappable areas/],
      ['whose capabilities loop', page, { areas: [area], capId: 9, next: 32 }, /loop/],
      ['whose capability lies outside', page, { areas: [area], capOffset: 4000 }, /capability at 4000/],
      ['whose capability lies in the head', page, { areas: [area], capOffset: 8 }, /capability at 8/],
      ['with a truncated reply', page, { short: 31 }, /31 bytes for DEVICE_GET_REGION_INFO/],
      ['that wants a huge buffer', page, { argsz: 1 << 20 }, /bytes of information/],
    ];
    it.each(cases)('%s', (_, size, reply, expected) => {
      open();
      const fd = file(PAGE);
      server.region(2, size, { argsz: 64, areas: [area], fds: [fd], ...reply });
      server.region(2, size, { fds: [fd], ...reply });
      expect(() => device.mapBar(2)).toThrow(expected);
    });

    it('whose file is too short, which would kill the process', () => {
      open();
      server.region(2, 2n * page, { flags: 7, fds: [file(PAGE)] });
      expect(() => device.mapBar(2)).toThrow(/an area of 8192 bytes at 0 of a file of 4096 bytes/);
    });

    it('whose file is on a file system that may hang', () => {
      open();
      const fd = openSync('/proc/version', 'r');
      files.push(fd);
      server.region(2, page, { flags: 7, fds: [fd] });
      expect(() => device.mapBar(2)).toThrow(
        'The device offers a file on proc, whose page faults may block forever: use a memfd, or a file on tmpfs or hugetlbfs, or --allow-memory-fs proc if you trust it',
      );
    });

    it('whose file is not a regular file', () => {
      open();
      const fd = native.eventfd();
      files.push(fd);
      server.region(2, page, { flags: 7, fds: [fd] });
      expect(() => device.mapBar(2)).toThrow(
        /not a file but an eventfd or another descriptor without contents: use a memfd/,
      );
    });

    it('regression: whose file offset is not page-aligned, or whose descriptor is read-only', () => {
      open();
      server.region(2, page, { flags: 7, fds: [file(2 * PAGE)], fileOffset: 8n });
      expect(() => device.mapBar(2)).toThrow(expect.objectContaining({ code: 'VPCI_BAD_REPLY' }));
      const readOnly = openSync(`/proc/self/fd/${file(PAGE)}`, 'r');
      files.push(readOnly);
      server.region(2, page, { flags: 7, fds: [readOnly] });
      expect(() => device.mapBar(2)).toThrow(expect.objectContaining({ code: 'VPCI_BAD_REPLY' }));
    });

    it('without a descriptor', () => {
      open();
      server.region(2, page, { flags: 7 });
      expect(() => device.mapBar(2)).toThrow(/no descriptor/);
    });
  });

  it('calls back at an interrupt', async () => {
    open();
    let calls = 0;
    device.onInterrupt(3, () => calls++);
    server.reply({ command: VFIO_USER.DEVICE_SET_IRQS });
    device.enableInterrupts();
    const [request] = server.requests();
    expect(decode(VFIO_IRQ_SET, new DataView(request?.payload.buffer as ArrayBuffer))).toMatchObject({
      start: 3,
      count: 1,
      index: 2,
    });
    native.eventfdSignal(request?.fds[0] ?? -1);
    await until('the handler is called', () => calls === 1);
    closeAll(request?.fds ?? []);
    expect(() => device.onInterrupt(4, () => {})).toThrow(/has 4 vectors/);
  });

  it('leaves an interrupt to another thread on request', () => {
    open();
    const fd = device.interruptFd(2);
    server.reply({ command: VFIO_USER.DEVICE_SET_IRQS });
    device.enableInterrupts();
    const [request] = server.requests();
    expect(decode(VFIO_IRQ_SET, new DataView(request?.payload.buffer as ArrayBuffer))).toMatchObject({
      start: 2,
      count: 1,
      index: 2,
    });
    native.eventfdSignal(request?.fds[0] ?? -1);
    expect(native.eventfdDrain(fd)).toBe(1n);
    closeAll(request?.fds ?? []);
    expect(() => device.interruptFd(4)).toThrow(/has 4 vectors/);
  });

  it('passes memory to the device by descriptor, in whole pages', () => {
    open();
    server.reply({ command: VFIO_USER.DMA_MAP });
    const memory = device.allocateDma(5000);
    const [request] = server.requests();
    const map = decode(VFIO_USER_DMA_MAP, new DataView(request?.payload.buffer as ArrayBuffer));
    expect(map).toMatchObject({ size: 8192n, address: memory.iova, flags: 3 });
    const seen = native.mapFd(request?.fds[0] ?? -1, 0, 8192, true);
    new Uint8Array(memory.buffer)[8191] = 77;
    expect(new Uint8Array(native.mappingBuffer(seen))[8191]).toBe(77);
    native.unmap(seen);
    closeAll(request?.fds ?? []);
    server.reply({ command: VFIO_USER.DMA_MAP });
    expect(device.allocateDma(1).iova).toBeGreaterThanOrEqual(memory.iova + 8192n);
    closeAll(server.requests()[0]?.fds ?? []);
  });

  it('leaves nothing behind when the device refuses memory', () => {
    open();
    server.reply({ command: VFIO_USER.DMA_MAP, error: 12 });
    expect(() => device.allocateDma(1)).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
    closeAll(server.requests()[0]?.fds ?? []);
  });

  const ioFds = (entries: { offset: bigint; fd_index: number; type?: number }[], count = entries.length) => {
    const view = new DataView(new ArrayBuffer(16 + 40 * entries.length));
    encode(VFIO_USER_REGION_IO_FDS, { argsz: view.byteLength, count }, view);
    entries.forEach((entry, at) => {
      encode(VFIO_USER_SUB_REGION_IO_FD, { size: 2n, ...entry }, view, 16 + 40 * at);
    });
    return bytes(view);
  };

  it('finds the doorbells of a BAR with one request', () => {
    open();
    const [one, two] = [native.eventfd(), native.eventfd()];
    const payload = ioFds([
      { offset: 0x3000n, fd_index: 0 },
      { offset: 0x3004n, fd_index: 1 },
      { offset: 0x3008n, fd_index: 0, type: 1 },
    ]);
    server.reply({ command: VFIO_USER.DEVICE_GET_REGION_IO_FDS, payload, fds: [one, two] });
    expect(native.eventfdSignal(device.doorbell(0, 0x3004, 1))).toBe(true);
    expect(native.eventfdDrain(two)).toBe(1n);
    expect(device.doorbell(0, 0x3000, 0)).toBeGreaterThan(0);
    expect(device.doorbell(0, 0x4000, 2)).toBe(-1);
    closeAll([one, two]);
  });

  it('rings a register without a descriptor by a write', async () => {
    open();
    server.reply({ command: VFIO_USER.DEVICE_GET_REGION_IO_FDS, payload: ioFds([]) });
    const fd = device.doorbell(0, 0x3008, 2);
    expect(device.doorbell(0, 0x3008, 2)).toBe(fd);
    server.requests();
    // A reply queued beforehand would be unexpected; without a reply, the client gives up the device after
    // the write.
    native.eventfdSignal(fd);
    const found: ReturnType<QueuedServer['requests']> = [];
    await until('the register is written', () => found.push(...server.requests()) > 0);
    const [{ command, payload } = { command: 0, payload: new Uint8Array(0) }] = found;
    expect(command).toBe(VFIO_USER.REGION_WRITE);
    expect([...payload]).toEqual([0x08, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0]);
  });

  it.each([
    ['with an error', { error: 95 }],
    ['with too few bytes', { payload: new Uint8Array(8) }],
    ['with a wrong count', { payload: ioFds([], 9) }],
    ['with a missing descriptor', { payload: ioFds([{ offset: 0n, fd_index: 3 }]) }],
  ])('rings all registers by writes when the server answers %s', (_, reply) => {
    open();
    const fd = native.eventfd();
    server.reply({ command: VFIO_USER.DEVICE_GET_REGION_IO_FDS, fds: [fd], ...reply });
    native.close(fd);
    const doorbell = device.doorbell(0, 0, 0);
    expect(native.isEventfd(doorbell)).toBe(true);
    expect(native.eventfdSignal(doorbell)).toBe(true);
  });

  it('regression: refuses a doorbell descriptor that is not an eventfd, and could block a burst forever', () => {
    open();
    const [socket, other] = native.socketPair();
    const payload = ioFds([{ offset: 0x3000n, fd_index: 0 }]);
    server.reply({ command: VFIO_USER.DEVICE_GET_REGION_IO_FDS, payload, fds: [socket] });
    closeAll([socket, other]);
    expect(native.isEventfd(device.doorbell(0, 0x3000, 0))).toBe(true);
  });

  it('reports once that the server is gone', async () => {
    open();
    const reasons: string[] = [];
    device.onRemoved((reason) => reasons.push(reason));
    server.close();
    await until('the removal is reported', () => reasons.length > 0);
    expect(reasons).toEqual(['the connection was closed']);
    expect(() => device.bar(0).read8(0)).toThrow(expect.objectContaining({ code: 'VPCI_REMOVED' }));
  });

  it('is refused if it is not a PCI device', () => {
    server.describeDevice({ flags: 1 });
    const client = new VfioUserClient(server.clientFd, 'dev', 100);
    expect(() => new VfioUserPciDevice(client, 'dev')).toThrow(/is not a PCI device/);
    client.close();
  });
});

describe('opening a socket', () => {
  let folder: string;
  const sockets: number[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-'));
  });
  afterEach(() => {
    closeAll(sockets.splice(0));
    rmSync(folder, { recursive: true });
  });

  it('reports that there is no socket', () => {
    const path = join(folder, 'none.sock');
    expect(() => openVfioUser(path)).toThrow(
      expect.objectContaining({
        code: 'ENOENT',
        message: `Failed to open ${path}: no such socket; is vhost-pci-device running?`,
      }),
    );
  });

  it('reports that it is a file', () => {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    expect(() => openVfioUser(path)).toThrow(/it is not a socket/);
  });

  it('reports that no server listens', () => {
    const path = join(folder, 'dead.sock');
    native.close(native.unixListen(path));
    expect(() => openVfioUser(path)).toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }));
  });

  it('reports that the server does not speak vfio-user', () => {
    const path = join(folder, 'silent.sock');
    sockets.push(native.unixListen(path));
    const before = openFds();
    expect(() => openVfioUser(path, 50)).toThrow(
      /no vfio-user server answers there \(it did not answer within 50 ms\)/,
    );
    expect(openFds()).toBe(before);
  });

  const shake = (prepare: (server: QueuedServer) => void) => {
    const server = new QueuedServer();
    prepare(server);
    const client = new VfioUserClient(server.clientFd, 'dev', 50);
    try {
      handshake(client, '/x.sock');
    } finally {
      client.close();
      server.close();
    }
  };

  it('reports that another driver has the device', () => {
    expect(() => shake((server) => server.reply({ command: VFIO_USER.VERSION, error: 16 }))).toThrow(
      expect.objectContaining({
        code: 'EBUSY',
        message: 'Failed to open /x.sock: it is in use by another driver',
      }),
    );
  });

  it.each<[string, (server: QueuedServer) => void]>([
    ['garbage', (server) => server.raw(new TextEncoder().encode('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    [
      'another version',
      (server) => server.reply({ command: VFIO_USER.VERSION, payload: Uint8Array.of(1, 0, 0, 0) }),
    ],
    ['an empty version', (server) => server.reply({ command: VFIO_USER.VERSION })],
    ['the end of the connection', (server) => server.close()],
  ])('refuses a server that answers with %s', (_, prepare) => {
    expect(() => shake(prepare)).toThrow(expect.objectContaining({ code: 'VPCI_NOT_VFIO_USER' }));
  });
});
