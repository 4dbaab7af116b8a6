// SPDX-License-Identifier: BSD-3-Clause
// The kernel's side of a tap: opening it with clear error messages, and its address, state and MTU.
import { codeOf, PmdError } from '../../errors.ts';
import { native, type TapOffloads } from '../../native.ts';
import { macBytes, macText } from '../../packet/mac.ts';
import { readText } from '../../pci/sysfs.ts';
import type { TapDevargs } from './devargs.ts';

const NO_OFFLOADS: TapOffloads = { csum: false, tso4: false, tso6: false, ecn: false, uso: false };

const CAUSES: Readonly<Record<string, string>> = {
  EPERM: 'no permission; run as root, or have root create it: ip tuntap add dev NAME mode tap user USER',
  EACCES: 'no permission for /dev/net/tun',
  ENOENT: '/dev/net/tun does not exist; load the module: modprobe tun',
  ENODEV: '/dev/net/tun does not work; load the module: modprobe tun',
  ENXIO: '/dev/net/tun does not work; load the module: modprobe tun',
  EBUSY: 'it is already open, here or in another program',
};

export class TapInterface {
  /** One file descriptor per queue. */
  readonly fds: readonly number[];
  /** Whether the kernel supports UDP segmentation offload (Linux 6.2). */
  readonly segmentsUdp: boolean;
  readonly #opened: string;
  #lastMtu = 1500;

  /** Opens the interface with `queues` queues, as the devargs specify. Throws a PmdError that names it. */
  constructor({ iface, mac, persist }: TapDevargs, queues: number) {
    const fds: number[] = [];
    let name = iface;
    try {
      while (fds.length < queues) {
        const opened = native.tapOpen(name, queues > 1);
        fds.push(opened.fd);
        name = opened.name;
      }
      this.segmentsUdp = knowsUso(fds[0]);
      native.tapSetOffloads(fds[0], NO_OFFLOADS);
      if (mac !== null) native.tapSetMac(fds[0], macBytes(mac));
      if (persist) native.tapSetPersist(fds[0], true);
    } catch (error) {
      for (const fd of fds) native.close(fd);
      throw tapError(`open the tap interface ${name}`, error, { EINVAL: whyInvalid(name, queues) });
    }
    this.fds = fds;
    this.#opened = name;
  }

  get queues(): number {
    return this.fds.length;
  }

  /** The current name, since the interface may have been renamed. */
  get name(): string {
    try {
      return native.tapName(this.fds[0]);
    } catch {
      return this.#opened;
    }
  }

  /** True once the interface has been deleted. */
  get deleted(): boolean {
    try {
      native.tapName(this.fds[0]);
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EBADFD';
    }
  }

  /** The address of the kernel's interface, as in DPDK's net_tap. */
  get mac(): string {
    try {
      return macText(native.tapGetMac(this.fds[0]));
    } catch {
      return '00:00:00:00:00:00';
    }
  }

  get mtu(): number {
    try {
      this.#lastMtu = native.interfaceMtu(this.name);
    } catch {
      // Deleted, or in another network namespace.
    }
    return this.#lastMtu;
  }

  set mtu(mtu: number) {
    try {
      native.interfaceSetMtu(this.name, mtu);
    } catch (error) {
      throw tapError(`set the MTU of ${this.name} to ${mtu}`, error, {
        EINVAL: 'the kernel does not accept it',
      });
    }
  }

  /** Also true if the interface is in another network namespace, where its state cannot be queried. */
  get isUp(): boolean {
    try {
      return native.interfaceIsUp(native.tapName(this.fds[0]));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENODEV';
    }
  }

  /**
   * Sets the interface up or down, as `ip link set` does. Without the permission, an interface set up
   * beforehand works too.
   */
  setUp(up: boolean): void {
    try {
      native.interfaceSetUp(this.name, up);
    } catch (error) {
      // In another network namespace, its state is up to whoever moved it there.
      if (!up || (error as NodeJS.ErrnoException).code === 'ENODEV') return;
      throw tapError(`set ${this.name} up`, error, {
        EPERM: `no permission; run as root: ip link set ${this.name} up`,
      });
    }
  }

  /** The same for somebody who wants it done or refused. */
  setLink(up: boolean): void {
    try {
      native.interfaceSetUp(this.name, up);
    } catch (error) {
      throw tapError(`set ${this.name} ${up ? 'up' : 'down'}`, error);
    }
  }

  setOffloads(offloads: TapOffloads): void {
    try {
      native.tapSetOffloads(this.fds[0], offloads);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBADFD')
        throw tapError(`set ${this.name}'s offloads`, error);
    }
  }

  close(): void {
    for (const fd of this.fds) native.close(fd);
  }
}

/**
 * Throws if an interface of that name exists and is not a tap. Called at probe, before the interface is
 * opened.
 */
export function refuseNoTap(name: string): void {
  try {
    native.interfaceMtu(name);
  } catch {
    return;
  }
  // /sys may show another network namespace, so ask the kernel.
  if (readText(`/sys/class/net/${name}/tun_flags`) !== '') return;
  try {
    native.close(native.tapOpen(name, false).fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL')
      throw tapError(`open the tap interface ${name}`, error, { EINVAL: whyInvalid(name, 1) });
  }
}

// <linux/if_tun.h>
const IFF_TAP = 2;
const IFF_MULTI_QUEUE = 0x100;

/** Why an existing interface cannot be opened with `queues` queues. Only taps and tuns have `tun_flags`. */
function whyInvalid(name: string, queues: number): string {
  const flags = Number(readText(`/sys/class/net/${name}/tun_flags`) || Number.NaN);
  if (Number.isNaN(flags)) return 'it exists and is not a tap; choose another name';
  if ((flags & IFF_TAP) === 0) return 'it is a tun interface, not a tap; choose another name';
  return flags & IFF_MULTI_QUEUE
    ? 'it was created for several queues (multi_queue), but one was requested'
    : `it was created for one queue, but ${queues} were requested; create it with multi_queue`;
}

function knowsUso(fd: number): boolean {
  try {
    native.tapSetOffloads(fd, { ...NO_OFFLOADS, csum: true, uso: true });
    return true;
  } catch {
    return false;
  }
}

function tapError(action: string, error: unknown, causes: Readonly<Record<string, string>> = {}): PmdError {
  const { code, message } = error as NodeJS.ErrnoException;
  const cause = { ...CAUSES, ...causes }[code ?? ''] ?? message;
  return new PmdError(codeOf(error, 'VPCI_INTERNAL'), `Failed to ${action}: ${cause}`, { cause: error });
}
