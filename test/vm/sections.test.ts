// SPDX-License-Identifier: BSD-3-Clause
// RFC 2.1 between two guests that both run the PMD, on stock QEMU: ivshmem-plain, ivshmem-doorbell, and our
// own function by vfio-user. Each guest's kernel is behind a tap.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ourProgram } from '../../tools/run/programs.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { SECTION_ADDRESSES } from '../../tools/vm/qemu.ts';
import { idleShare, xstats } from './guest-prompt.test-help.ts';
import { allAnswered, answers, ping } from './pings.test-help.ts';
import { describeRig, killGuestPmd, PMD_INPUT, PMD_LOG, PMD_PROCESS, START_MS } from './rig.test-help.ts';

const SIDE_BYTES = 1 << 20;
const VECTORS = 2;
const MEBIBYTES = 16;
const TRANSFER_MS = 180_000;
const IDLE_SHARE = 0.02;
const TRANSFER = readFileSync(new URL('./guest/transfer.py', import.meta.url), 'utf8');
const STORE = readFileSync(new URL('./guest/store.py', import.meta.url), 'utf8');

const { own, peer, doorbell } = SECTION_ADDRESSES;
const CARRIERS = {
  'ivshmem-plain': `--vdev net_ivshmem0,own=${own},peer=${peer}`,
  'ivshmem-doorbell beside it': `--vdev net_ivshmem0,own=${own},peer=${peer},doorbell=${doorbell}`,
  'the vhost-pci function': `-a ${SECTION_ADDRESSES.function}`,
} as const;

describeRig('RFC 2.1 between two guests', (rig) => {
  const files: string[] = [];
  let guests: [Machine, Machine];

  beforeAll(async () => {
    for (const name of ['side0', 'side1']) {
      const file = rig().memoryFile(name);
      writeFileSync(file, '');
      truncateSync(file, SIDE_BYTES);
      files.push(file);
    }
    const sockets = [rig().socketPath('a'), rig().socketPath('b')] as const;
    const server = rig().socketPath('s');
    const device = (name: string, ...options: string[]) =>
      rig()
        .startProgram(name, [...ourProgram('vhost-pci-device'), ...options])
        .waitFor(/ready/, START_MS);
    await device(
      'symmetric',
      '--symmetric',
      '--unidirectional',
      ...sockets.flatMap((s) => ['--vfio-user', s]),
    );
    await device('server', '--ivshmem-server', server, '--vectors', `${VECTORS}`, '--size', '128K');
    const start = (i: 0 | 1) =>
      rig().startSectionGuest(`vm${i + 1}`, {
        ...{ vfioUser: sockets[i], own: files[i], peer: files[1 - i], sideBytes: SIDE_BYTES },
        ...{ ivshmemServer: server, vectors: VECTORS },
      });
    guests = await Promise.all([start(0), start(1)]);
    for (const guest of guests) {
      await guest.run(
        `cat >/tmp/transfer.py <<'END'\n${TRANSFER}\nEND\ncat >/tmp/store.py <<'END'\n${STORE}\nEND`,
      );
      const functions = Object.values(SECTION_ADDRESSES).join(' ');
      await guest.run(`vhost-pci-devbind --bind=vfio-pci ${functions}`, START_MS);
    }
  });

  /** The port joined to the guest's kernel by a tap, with testpmd's prompt, in both guests. */
  async function join(carrier: string, options = ''): Promise<void> {
    await Promise.all(guests.map((guest) => startJoined(guest, carrier, options)));
    for (const [i, guest] of guests.entries()) {
      await guest.run(`ip address add 10.0.0.${i + 1}/24 dev tap0; ip neighbour flush dev tap0`);
    }
    await answers(guests[0], '10.0.0.2');
  }

  async function transfer(from: 0 | 1): Promise<string[]> {
    const to = from === 0 ? 1 : 0;
    const received = guests[to].run('python3 /tmp/transfer.py receive 5001', TRANSFER_MS);
    await guests[to].run('while ! ss -ltn | grep -q :5001; do sleep 0.1; done');
    const sent = guests[from].run(
      `python3 /tmp/transfer.py send 10.0.0.${to + 1} 5001 ${MEBIBYTES} ${from + 1}`,
      TRANSFER_MS,
    );
    return Promise.all([sent, received]);
  }

  const leave = () => Promise.all(guests.map(killGuestPmd));

  it.each(['ivshmem-plain', 'the vhost-pci function'] as const)(
    `${MEBIBYTES} MiB pass each way over %s, contents unchanged`,
    async (carrier) => {
      await join(CARRIERS[carrier]);
      for (const from of [0, 1] as const) {
        const [sent, received] = await transfer(from);
        expect(received).toBe(sent);
      }
      await leave();
    },
  );

  it.each(['ivshmem-doorbell beside it', 'the vhost-pci function'] as const)(
    'idle lcores sleep over %s, and each ping wakes them',
    async (carrier) => {
      await join(CARRIERS[carrier], '--rx-interrupt=on');
      for (const guest of guests) expect(await idleShare(guest, IDLE_SHARE)).toBeLessThan(IDLE_SHARE);
      const before = await xstats(guests[1], 0);
      expect(await ping(guests[0], '10.0.0.2', 10, 1)).toContain(allAnswered(10));
      const after = await xstats(guests[1], 0);
      expect(after('rx_q0_interrupts') - before('rx_q0_interrupts')).toBeGreaterThanOrEqual(5);
      await leave();
    },
  );

  describe("a store into the peer's side", () => {
    /** The side's last bytes: frames get there last, and no port runs here. */
    const AT = SIDE_BYTES - 64;

    it('by ivshmem-plain is dropped by QEMU, for root too, and both guests go on', async () => {
      const before = readFileSync(files[1]);
      const path = `/sys/bus/pci/devices/${peer}/resource2`;
      expect(await guests[0].run(`python3 /tmp/store.py ${path} ${AT}`)).toBe('stored, unchanged\n');
      expect(readFileSync(files[1]).equals(before)).toBe(true);
      expect(await guests[1].run('echo alive')).toBe('alive\n');
    });

    it('by ivshmem-plain through /dev/mem is dropped too', async () => {
      const before = readFileSync(files[1]);
      const resource = await guests[0].run(`cat /sys/bus/pci/devices/${peer}/resource`);
      const address = resource.split('\n')[2]?.split(' ')[0];
      expect(await guests[0].run(`python3 /tmp/store.py /dev/mem@${address} ${AT}`)).toBe(
        'stored, unchanged\n',
      );
      expect(readFileSync(files[1]).equals(before)).toBe(true);
    });

    it('by an unprivileged process is refused by its kernel, on each carrier', async () => {
      const asNobody = `import os, sys; os.setgid(65534); os.setuid(65534); os.execvp('python3', sys.argv[1:])`;
      const bars = [`${peer}/resource2`, `${SECTION_ADDRESSES.function}/resource4`];
      for (const path of [...bars.map((bar) => `/sys/bus/pci/devices/${bar}`), '/dev/mem@0']) {
        const tried = await guests[0].try(
          `python3 -c "${asNobody}" python3 /tmp/store.py ${path} ${AT} 2>&1`,
        );
        expect(tried.output).toContain('PermissionError');
      }
    });

    it("into the machine's own side is seen by the other", async () => {
      const path = `/sys/bus/pci/devices/${own}/resource2`;
      expect(await guests[0].run(`python3 /tmp/store.py ${path} ${AT}`)).toBe('stored, changed\n');
      expect(readFileSync(files[0]).subarray(AT, AT + 4)).toEqual(Buffer.from('vpci'));
    });

    // Last, as it may end the machine: QEMU maps the region for reading, but tells its guest otherwise.
    it("by the unidirectional function never arrives; at most, the offender's machine ends", async () => {
      const bar = (index: number) => `/sys/bus/pci/devices/${SECTION_ADDRESSES.function}/resource${index}`;
      const look = () => guests[1].run(`python3 /tmp/store.py ${bar(2)} ${AT} look`);
      const before = await look();
      const tried = await guests[0]
        .try(`python3 /tmp/store.py ${bar(4)} ${AT}`)
        .catch((error) => error.message);
      const output = typeof tried === 'string' ? tried : tried.output;
      expect(output).toMatch(/^QEMU \(vm1\) ended|^stored, unchanged$/m);
      expect(await look()).toBe(before);
      expect(before).not.toBe(`${Buffer.from('vpci').toString('hex')}\n`);
    });
  });
});

/** As startGuestPmd, with the port of a carrier and a tap. */
async function startJoined(guest: Machine, carrier: string, options: string): Promise<void> {
  const eal = `-l 0,1 --no-huge ${carrier} --vdev net_tap0,iface=tap0`;
  const command = `vhost-pci-testpmd ${eal} -- -i ${options} --forward-mode=io --auto-start`;
  await guest.run(
    `rm -f ${PMD_INPUT}; mkfifo ${PMD_INPUT} || exit 1
     (setsid ${command} >${PMD_LOG} 2>&1 <>${PMD_INPUT} &)
     for i in $(seq 900); do
       grep -q 'Start automatic packet forwarding' ${PMD_LOG} && [ -e /sys/class/net/tap0 ] && exit 0
       [ $i -lt 20 ] || pgrep ${PMD_PROCESS} >/dev/null || break
       sleep 0.1
     done
     cat ${PMD_LOG}; exit 1`,
    START_MS,
  );
}
