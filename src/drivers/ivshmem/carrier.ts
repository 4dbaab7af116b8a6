// SPDX-License-Identifier: BSD-3-Clause
// Which carrier the devargs of net_ivshmem name.
import type { PciDevice } from '../../bus/pci-device.ts';
import { PmdError } from '../../errors.ts';
import { DoorbellCarrier } from '../../ivshmem/doorbell.ts';
import { openPair } from '../../ivshmem/pair.ts';
import { IVSHMEM_KIND, IVSHMEM2_KIND, isFunction, openFunction } from '../../ivshmem/place.ts';
import { PlainCarrier } from '../../ivshmem/plain.ts';
import { IvshmemV2Carrier } from '../../ivshmem/v2.ts';
import { readIdentity } from '../../pci/config-space.ts';
import type { SectionCarrier } from '../../sections/carrier.ts';
import type { IvshmemDevargs } from './devargs.ts';

/** Throws VPCI_DEVARGS, or what the carrier throws. */
export function openCarrier(name: string, args: IvshmemDevargs): SectionCarrier {
  const { own, peer, side, doorbell } = args;
  if (peer === null) return openV2(name, args);
  if (args.alternateMapping !== null)
    throw needs(name, 'mem= is for an ivshmem v2 function, which has no peer=');
  const pair = openPair({ own, peer, side });
  try {
    const ringing = doorbell === null ? pair.functions.find(rings) : openDoorbell(doorbell, pair.functions);
    return ringing ? new DoorbellCarrier(pair, ringing) : new PlainCarrier(pair);
  } catch (error) {
    pair.close();
    throw error;
  }
}

function openV2(name: string, { own, doorbell, alternateMapping }: IvshmemDevargs): SectionCarrier {
  if (!isFunction(own)) throw needs(name, `it needs peer=, the memory of the other side, or side= of ${own}`);
  const pci = openFunction(own, [IVSHMEM2_KIND, IVSHMEM_KIND]);
  const { vendor, device } = readIdentity(pci.config);
  if (vendor === IVSHMEM2_KIND.vendor && device === IVSHMEM2_KIND.device && doorbell === null)
    return new IvshmemV2Carrier(pci, alternateMapping);
  pci.close();
  if (doorbell !== null) throw needs(name, 'doorbell= needs peer= or side=');
  throw needs(name, `${own} is one memory: name the other side's with peer=, or our half of it with side=`);
}

/** A function that is one of the pair's is open already. */
function openDoorbell(text: string, functions: readonly PciDevice[]): PciDevice {
  const open = functions.find(({ name }) => name === text) ?? openFunction(text);
  if (rings(open)) return open;
  open.close();
  throw new PmdError(
    'VPCI_WRONG_DEVICE',
    `Failed to open ${text}: it has no interrupts; ivshmem-doorbell has`,
  );
}

const rings = ({ vectors }: PciDevice): boolean => vectors > 0;

function needs(name: string, cause: string): PmdError {
  return new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: ${cause}`);
}
