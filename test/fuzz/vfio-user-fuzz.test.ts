// SPDX-License-Identifier: BSD-3-Clause
// Almost valid vfio-user messages: a driver's commands against the device model's server, and a server's
// replies against this driver's client. Whatever is sent, it is answered or the connection closed, no
// descriptor leaks, and the next client is served.
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../src/abi/layout.ts';
import { VFIO_USER, VFIO_USER_HEADER } from '../../src/abi/vfio-user.ts';
import { VfioUserPciDevice } from '../../src/bus/vfio-user.ts';
import { VfioUserClient } from '../../src/bus/vfio-user-client.ts';
import { regionIoFds } from '../../src/bus/vfio-user-commands.ts';
import { PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { PciFunction } from '../../tools/device/function/pci-function.ts';
import { logTo } from '../../tools/device/log.ts';
import { join, u32s, u64s, vfioUserMessage } from '../../tools/device/test-help/channel.test-help.ts';
import { DMA_BYTES, IOVA, TestDriver } from '../../tools/device/test-help/driver.test-help.ts';
import { VfioUserServer } from '../../tools/device/vfio-user/server.ts';
import { EIO } from '../../tools/device/vfio-user/vfio-error.ts';
import { openFds } from '../support/open-fds.ts';
import { QueuedServer } from '../support/queued-server.ts';
import { until } from '../support/wait.ts';
import { Disorder, fuzzSessions } from './mutator.ts';

const COMMANDS = 60;
const PAGE = 4096;

let things: number[];

beforeAll(() => {
  things = [
    native.eventfd(),
    native.memfdCreate('fuzz', DMA_BYTES, false),
    openSync('/dev/null', 'r+'),
    ...native.socketPair(),
  ];
});
afterAll(() => {
  for (const fd of things) native.close(fd);
});

type Legal = readonly [command: number, payload: Uint8Array, fds: readonly number[]];

/** What a driver may send, in any order. */
function legal(chaos: Disorder): Legal[] {
  const [event, memory] = things as [number, number];
  const bar0 = BigInt(4 * chaos.below(0x1000));
  const json = new TextEncoder().encode('{"capabilities":{"max_msg_fds":8}}\0');
  return [
    [VFIO_USER.VERSION, join(u32s(0), json), []],
    [VFIO_USER.DMA_MAP, join(u32s(32, 3), u64s(0n, IOVA, BigInt(DMA_BYTES))), [memory]],
    [VFIO_USER.DMA_UNMAP, join(u32s(24, 0), u64s(IOVA, BigInt(DMA_BYTES))), []],
    [VFIO_USER.DMA_UNMAP, join(u32s(24, 2), u64s(0n, 0n)), []],
    [VFIO_USER.DEVICE_GET_INFO, u32s(16, 0, 0, 0), []],
    [VFIO_USER.DEVICE_GET_REGION_INFO, join(u32s(64, 0, chaos.below(10), 0), u64s(0n, 0n)), []],
    [VFIO_USER.DEVICE_GET_REGION_IO_FDS, u32s(256, 0, 0, 0), []],
    [VFIO_USER.DEVICE_GET_IRQ_INFO, u32s(16, 0, 2, 0), []],
    [VFIO_USER.DEVICE_SET_IRQS, u32s(20, 0x24, 2, chaos.below(4), 1), [event]],
    [VFIO_USER.DEVICE_SET_IRQS, u32s(20, 0x21, 2, 0, 0), []],
    [VFIO_USER.REGION_READ, join(u64s(bar0), u32s(0, 4)), []],
    [VFIO_USER.REGION_WRITE, join(u64s(bar0), u32s(0, 4), u32s(chaos.below(1 << 16))), []],
    [VFIO_USER.REGION_READ, join(u64s(BigInt(4 * chaos.below(64))), u32s(7, 4)), []],
    [
      VFIO_USER.REGION_WRITE,
      join(u64s(BigInt(4 * chaos.below(64))), u32s(7, 4), u32s(chaos.below(1 << 16))),
      [],
    ],
    [VFIO_USER.DEVICE_RESET, new Uint8Array(0), []],
  ];
}

function next(chaos: Disorder): readonly [Uint8Array, readonly number[]] {
  const [command, payload, fds] = chaos.pick(legal(chaos));
  const body = chaos.chance(60) ? chaos.mutate(payload) : payload;
  const flags = chaos.chance(95) ? 0 : chaos.pick([0x10, 1, 0xffff_ffff]);
  const message = vfioUserMessage(
    chaos.chance(95) ? command : chaos.below(32),
    body,
    flags,
    chaos.below(65536),
  );
  const others = Array.from({ length: chaos.below(10) }, () => chaos.pick(things));
  return [chaos.chance(2) ? chaos.mutate(message) : message, chaos.chance(80) ? fds : others];
}

describe('almost valid commands of a driver', () => {
  const sessions = fuzzSessions(15);
  let folder: string;
  let server: VfioUserServer;
  let target: PciFunction;
  const lines: string[] = [];
  /** Error codes of ours, not caused by the driver. */
  const faults: unknown[] = [];

  beforeAll(() => {
    folder = mkdtempSync(joinPath(tmpdir(), 'vfio-user-fuzz-'));
    const memory = things[1] as number;
    target = new PciFunction({
      queuePairs: 1,
      subsystemId: 21,
      memoryFiles: () => new Map([[2, { fd: memory, device: 1n, inode: 1n, size: BigInt(DMA_BYTES) }]]),
      dmaUnmapping: () => {},
      onFault: (error) => faults.push(error),
      hooks: {
        offeredFeatures: () => 1n << 32n,
        acceptFeatures: () => true,
        driverOk: () => {},
        queueEnabled: () => {},
        driverGone: () => {},
        notified: () => {},
      },
    });
    server = new VfioUserServer(
      joinPath(folder, 'socket'),
      target,
      logTo((line) => lines.push(line), true),
    );
    server.listen();
  });
  afterAll(() => {
    server.close();
    target.close();
    expect(faults).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  const connect = () => new TestDriver(native.unixConnect(joinPath(folder, 'socket')));

  async function session(seed: number): Promise<void> {
    const chaos = new Disorder(seed);
    const driver = connect();
    if (chaos.chance(95)) await driver.version();
    for (let i = 0; i < COMMANDS && driver.channel.closedBecause === null; i++) {
      const [message, fds] = next(chaos);
      for (const [at, piece] of chaos.cut(message).entries()) driver.channel.send(piece, at === 0 ? fds : []);
      if (chaos.chance(30)) await new Promise((resolve) => setImmediate(resolve));
    }
    // EIO stands for an unexpected error.
    while (driver.channel.pending > 0) {
      const { data, fds } = await driver.channel.receive();
      for (const fd of fds) native.close(fd);
      expect(decode(VFIO_USER_HEADER, data).error).not.toBe(EIO);
    }
    driver.close();
    await until('the server is free again', () => !server.connected);
  }

  it(`${sessions} sessions of ${COMMANDS} are closed or answered and leave nothing`, {
    timeout: 600_000,
  }, async () => {
    const before = openFds();
    for (let seed = 1; seed <= sessions; seed++) {
      await session(seed).catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}\n${lines.slice(-5).join('\n')}`, { cause: error });
      });
      expect(lines.filter((line) => line.includes('internal error'))).toEqual([]);
      lines.length = 0;
      await until(`no descriptor is left of seed ${seed}`, () => openFds() <= before);
    }
  });

  it('a valid driver is served afterwards', async () => {
    const driver = connect();
    expect((await driver.version()).error).toBe(0);
    expect((await driver.request(VFIO_USER.DEVICE_GET_INFO, u32s(16, 0, 0, 0))).error).toBe(0);
    driver.close();
    await until('the server is free again', () => !server.connected);
  });
});

/** Queues what a correct server would send; each message is changed with some probability. */
class DisorderlyServer extends QueuedServer {
  readonly #chaos: Disorder;
  readonly #percent: number;

  constructor(chaos: Disorder, percent: number) {
    super();
    this.#chaos = chaos;
    this.#percent = percent;
  }

  override raw(bytes: Uint8Array, fds: readonly number[] = []): void {
    const chaos = this.#chaos;
    if (!chaos.chance(this.#percent)) {
      super.raw(bytes, fds);
      return;
    }
    const payload = chaos.chance(80) ? bytes.subarray(VFIO_USER_HEADER.size) : bytes;
    const changed = chaos.mutate(payload);
    const whole = payload === bytes ? changed : join(bytes.subarray(0, VFIO_USER_HEADER.size), changed);
    if (payload !== bytes) new DataView(whole.buffer).setUint32(4, whole.length, true);
    const others = Array.from({ length: chaos.below(4) }, () => chaos.pick(things));
    if (whole.length > 0) super.raw(whole, chaos.chance(70) ? fds : others);
  }
}

describe('almost valid replies of a server', () => {
  const sessions = fuzzSessions(60);

  /** Opens the device, maps BAR 2 and requests doorbells; throws the driver's errors. */
  function use(server: QueuedServer): void {
    const memory = things[1] as number;
    server.describeDevice({ memoryBytes: 4 * PAGE });
    const client = new VfioUserClient(server.clientFd, 'dev', 5);
    let device: VfioUserPciDevice | null = null;
    try {
      device = new VfioUserPciDevice(client, 'dev');
      const area = { areas: [{ offset: 0n, size: BigInt(2 * PAGE) }], fds: [memory] };
      server.region(2, BigInt(4 * PAGE), { ...area, argsz: 64 });
      server.region(2, BigInt(4 * PAGE), area);
      for (const { mapping } of device.mapBar(2)) native.unmap(mapping);
      const entry = join(u64s(0x3000n, 2n), u32s(0, 0, 0, 0), u64s(0n));
      const payload = join(u32s(16 + entry.length, 0, 0, 1), entry);
      server.reply({ command: VFIO_USER.DEVICE_GET_REGION_IO_FDS, payload, fds: [things[0] as number] });
      for (const fd of regionIoFds(client, 0).fds) native.close(fd);
      server.readReply(0, 0x14, 4, 0xffff_fff0);
      device.bar(0).read32(0x14);
    } finally {
      device?.close();
      client.close();
    }
  }

  it(`${sessions} servers are used or given up with an error of the driver, and leave nothing`, {
    timeout: 600_000,
  }, async () => {
    const before = openFds();
    let refused = 0;
    for (let seed = 1; seed <= sessions; seed++) {
      const server = new DisorderlyServer(new Disorder(seed), 10);
      try {
        use(server);
      } catch (error) {
        if (!(error instanceof PmdError)) throw new Error(`seed ${seed}`, { cause: error });
        refused++;
      } finally {
        server.close();
      }
      // A separate thread closes foreign descriptors.
      await until(`no descriptor is left of seed ${seed}`, () => openFds() <= before);
    }
    // Both must happen, or the mutations are too many or too few to find anything.
    expect(refused).toBeGreaterThan(sessions / 20);
    expect(refused).toBeLessThan(sessions);
  });

  it('a valid server is used afterwards', () => {
    const server = new QueuedServer();
    use(server);
    server.close();
  });
});
