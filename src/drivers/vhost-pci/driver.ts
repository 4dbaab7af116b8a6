// SPDX-License-Identifier: BSD-3-Clause
// The port driver net_vhost_pci: from devargs to a bus, on it the RFC 2.0 session, and on that a port.
import { openPciAddress } from '../../bus/open-pci.ts';
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
  /** Another mapping of the memory of BAR 2. */
  readonly alternateMapping?: AlternateMapping;
  /** Bytes that a peer's memory may have whatever it costs this process. */
  readonly maxPeerMemory?: number;
  /** What a peer may negotiate at most; all that the engine understands when left out. */
  readonly features?: FeatureSet;
}

/**
 * A port on the function that `open` gives, whose owner it is. Throws what the session and the port throw.
 */
export function openVhostPciPort(open: () => PciDevice, options: VhostPciOptions): VhostPciPort {
  const { alternateMapping, features, maxPeerMemory } = options;
  return new VhostPciPort(
    (events) => new VhostPciDevice(open(), events, alternateMapping, features, maxPeerMemory),
    options,
  );
}

/** Devargs are those of devargs.ts. */
export const vhostPciDriver: PortDriver = {
  name: DRIVER,
  keys: VHOST_PCI_DEVARGS,
  pci: true,
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
 * Tries the mapping once more: what the kernel allows may depend on a driver holding the function. Closes it
 * when that fails.
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
