// SPDX-License-Identifier: BSD-3-Clause
// The port driver net_ivshmem: RFC 2.1 over files and ivshmem devices. See devargs.ts for its devargs.
import { vfioUserAnswers } from '../../bus/vfio-user-presence.ts';
import { formatDevargs } from '../../ethdev/devargs.ts';
import type { PortDriver } from '../../ethdev/port.ts';
import { IVSHMEM_KIND, IVSHMEM2_KIND, isFunction, openMemoryFile } from '../../ivshmem/place.ts';
import { macBytes } from '../../packet/mac.ts';
import { parsePciAddress } from '../../pci/address.ts';
import type { SectionCarrier } from '../../sections/carrier.ts';
import { SectionDevice } from '../../sections/device.ts';
import { defaultMac, VhostPciPort, type VhostPciPortOptions } from '../vhost-pci/port.ts';
import { abandonVhostPciQueue, openVhostPciRxQueue, VhostPciTxQueue } from '../vhost-pci/queues.ts';
import { openCarrier } from './carrier.ts';
import { IVSHMEM_DEVARGS, parseIvshmemDevargs } from './devargs.ts';

export const IVSHMEM_DRIVER = 'net_ivshmem';

export interface SectionPortOptions extends VhostPciPortOptions {
  readonly queues: number;
  readonly minimum: boolean;
}

/** Opens a port on the carrier returned by `open`, and takes ownership of it. */
export function openSectionPort(open: () => SectionCarrier, options: SectionPortOptions): VhostPciPort {
  const { queues: queuePairs, minimum } = options;
  const mac = macBytes(options.mac ?? defaultMac(options.id));
  return new VhostPciPort(
    (events) => new SectionDevice(open(), events, { queuePairs, minimum, mac }),
    options,
  );
}

export const ivshmemDriver: PortDriver = {
  name: IVSHMEM_DRIVER,
  keys: IVSHMEM_DEVARGS,
  pci: [IVSHMEM_KIND, IVSHMEM2_KIND],
  probe: (id, name, devargs) => {
    const args = parseIvshmemDevargs(name, devargs);
    const { queues, minimum, mac } = args;
    const options = { id, name, queues, minimum, driver: IVSHMEM_DRIVER, devargs: formatDevargs(devargs) };
    return openSectionPort(() => openCarrier(name, args), { ...options, ...(mac === null ? {} : { mac }) });
  },
  isBack: async (name, devargs) => {
    const { own, peer, doorbell } = parseIvshmemDevargs(name, devargs);
    const places = new Set([own, peer, doorbell].filter((place) => place !== null));
    const back = [...places].map((place) => isPlaceBack(place, place === own));
    return (await Promise.all(back)).every(Boolean);
  },
  openRxQueue: openVhostPciRxQueue,
  openTxQueue: (spec) => new VhostPciTxQueue(spec),
  abandonQueue: abandonVhostPciQueue,
};

/** The arrival of a PCI function is known to the kernel only. */
async function isPlaceBack(place: string, writable: boolean): Promise<boolean> {
  if (parsePciAddress(place) !== null) return false;
  try {
    if (isFunction(place)) return await vfioUserAnswers(place);
    openMemoryFile(place, writable).close();
    return true;
  } catch {
    return false;
  }
}
