// SPDX-License-Identifier: BSD-3-Clause
// The port driver net_vhost_pci: opens a bus from devargs, an RFC 2.0 session on the bus, and a port on the
// session.
import { openPciAddress, VHOST_PCI_KIND } from '../../bus/open-pci.ts';
import type { PciDevice } from '../../bus/pci-device.ts';
import { openVfioUser } from '../../bus/vfio-user.ts';
import { vfioUserAnswers } from '../../bus/vfio-user-presence.ts';
import { type AlternateMapping, checkAlternate } from '../../engines/alternate-mapping.ts';
import { formatDevargs } from '../../ethdev/devargs.ts';
import type { PortDriver } from '../../ethdev/port.ts';
import type { QueueHandle } from '../../native.ts';
import { VhostPciDevice } from '../../vhost-pci/device.ts';
import type { FeatureSet } from '../../virtio/features.ts';
import { parseVhostPciDevargs, VHOST_PCI_DEVARGS } from './devargs.ts';
import { DRIVER, VhostPciPort, type VhostPciPortOptions } from './port.ts';
import { abandonVhostPciQueue, openVhostPciRxQueue, VhostPciTxQueue } from './queues.ts';

export interface VhostPciOptions extends VhostPciPortOptions {
  /** Alternate mapping of BAR 2's memory. */
  readonly alternateMapping?: AlternateMapping;
  /** Size of peer memory, in bytes, that is accepted whatever it costs this process. */
  readonly maxPeerMemory?: number;
  /** Features that a peer may negotiate; default: all that the engine supports. */
  readonly features?: FeatureSet;
}

/**
 * Opens a port on the function returned by `open`, and takes ownership of the function. Throws the errors of
 * the session and the port.
 */
export function openVhostPciPort(open: () => PciDevice, options: VhostPciOptions): VhostPciPort {
  const { alternateMapping, features, maxPeerMemory } = options;
  return new VhostPciPort(
    (events) => new VhostPciDevice(open(), events, alternateMapping, features, maxPeerMemory),
    options,
  );
}

/** See devargs.ts for its devargs. */
export const vhostPciDriver: PortDriver = {
  name: DRIVER,
  keys: VHOST_PCI_DEVARGS,
  pci: [VHOST_PCI_KIND],
  probe: (id, name, devargs) => {
    const { place, ...options } = parseVhostPciDevargs(name, devargs);
    if (options.alternateMapping) checkAlternate(options.alternateMapping);
    const text = formatDevargs(devargs);
    const open = () => {
      const pci = 'address' in place ? openPciAddress(place.address) : openVfioUser(place.path);
      return options.alternateMapping ? withAlternate(pci, options.alternateMapping) : pci;
    };
    return openVhostPciPort(open, { id, name, devargs: text, ...options });
  },
  isBack: async (name, devargs) => {
    const { place } = parseVhostPciDevargs(name, devargs);
    return 'path' in place && (await vfioUserAnswers(place.path));
  },
  openRxQueue: openVhostPciRxQueue,
  openTxQueue: (spec) => new VhostPciTxQueue(spec.data.handle as QueueHandle),
  abandonQueue: abandonVhostPciQueue,
};

/**
 * Checks the mapping again, since what the kernel permits may depend on a driver holding the function. Closes
 * the function on failure.
 */
function withAlternate(pci: PciDevice, alternate: AlternateMapping): PciDevice {
  try {
    checkAlternate(alternate);
    return pci;
  } catch (error) {
    pci.close();
    throw error;
  }
}
