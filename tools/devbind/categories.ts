// SPDX-License-Identifier: BSD-3-Clause
// The groups in which devices are shown, and the devices in each: those for which DPDK has drivers.
import type { SysfsPciDevice } from '../../src/pci/sysfs.ts';

/** Matches a device by base class and, if given, by vendor and one of the device ids. */
interface Rule {
  readonly baseClass: number;
  readonly vendor?: number;
  readonly devices?: readonly number[];
}

export interface Category {
  /** The argument of --status-dev. */
  readonly option: string;
  /** The name in headings. */
  readonly title: string;
  readonly rules: readonly Rule[];
}

const INTEL = 0x8086;
const VIRTIO = 0x1af4;
const CAVIUM = 0x177d;
const HISILICON = 0x19e5;
const STORAGE = 0x01;
const NETWORK = 0x02;
const MEMORY = 0x05;
const BRIDGE = 0x06;
const SYSTEM = 0x08;
const PROCESSOR = 0x0b;
const ENCRYPTION = 0x10;
const ACCELERATOR = 0x12;

const of = (baseClass: number, vendor?: number, ...devices: number[]): Rule =>
  vendor === undefined
    ? { baseClass }
    : devices.length > 0
      ? { baseClass, vendor, devices }
      : { baseClass, vendor };

/** In output order. */
export const CATEGORIES: readonly Category[] = [
  {
    option: 'net',
    title: 'Network',
    rules: [
      of(NETWORK),
      of(SYSTEM, CAVIUM, 0xa0dd, 0xa049),
      of(MEMORY, VIRTIO, 0x1110),
      of(ACCELERATOR, INTEL, 0x0b30),
    ],
  },
  { option: 'baseband', title: 'Baseband', rules: [of(ACCELERATOR)] },
  { option: 'crypto', title: 'Crypto', rules: [of(ENCRYPTION), of(PROCESSOR, INTEL)] },
  {
    option: 'dma',
    title: 'DMA',
    rules: [
      of(SYSTEM, CAVIUM, 0xa081, 0xa08c),
      of(SYSTEM, HISILICON, 0xa122),
      of(SYSTEM, INTEL, 0x0b00, 0x0b25, 0x11fb, 0x1212, 0x2021),
      of(SYSTEM, INTEL, ...[0x6f20, 0x6f21, 0x6f22, 0x6f23, 0x6f24, 0x6f25, 0x6f26, 0x6f27, 0x6f2e, 0x6f2f]),
    ],
  },
  {
    option: 'event',
    title: 'Eventdev',
    rules: [
      of(SYSTEM, CAVIUM, 0xa04b, 0xa04d, 0xa051, 0xa0f9, 0xa0fa),
      of(PROCESSOR, INTEL, 0x270b, 0x2710, 0x2714),
    ],
  },
  { option: 'mempool', title: 'Mempool', rules: [of(SYSTEM, CAVIUM, 0xa053, 0xa0fb, 0xa0fc)] },
  { option: 'compress', title: 'Compress', rules: [of(ACCELERATOR, CAVIUM, 0xa037)] },
  {
    option: 'misc',
    title: 'Misc (rawdev)',
    rules: [
      of(SYSTEM, CAVIUM, 0xa089, 0xa059, 0xa060, 0xa0f0, 0xa0f1),
      of(BRIDGE, INTEL, 0x201c, 0x347e),
      of(STORAGE, VIRTIO, 0x1001, 0x1042),
    ],
  },
  { option: 'regex', title: 'Regex', rules: [of(SYSTEM, CAVIUM, 0xa0f4)] },
  { option: 'ml', title: 'ML', rules: [of(SYSTEM, CAVIUM, 0xa092)] },
];

export function belongs({ rules }: Category, { classCode, vendor, device }: SysfsPciDevice): boolean {
  return rules.some(
    (rule) =>
      rule.baseClass === classCode >> 16 &&
      (rule.vendor === undefined || rule.vendor === vendor) &&
      (rule.devices === undefined || rule.devices.includes(device)),
  );
}
