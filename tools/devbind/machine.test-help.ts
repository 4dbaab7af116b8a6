// SPDX-License-Identifier: BSD-3-Clause
// A fake machine for devbind: a directory tree that looks like /sys and its neighbours, and a kernel that
// reacts to writes there.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { FakeSysfs } from '../../test/support/fake-sysfs.ts';
import type { Places } from './places.ts';
import { run } from './run.ts';

const PCI_IDS = `# Shortened
8086  Intel Corporation
\t10fb  82599ES 10-Gigabit SFI/SFP+ Network Connection
\t\t8086 000c  Ethernet Server Adapter X520-2
1af4  Red Hat, Inc.
\t1041  Virtio 1.0 network device
\t1042  Virtio 1.0 block device
`;

const MODULES_ALIAS = `# Aliases extracted from modules themselves.
alias pci:v00008086d000010FBsv*sd*bc*sc*i* ixgbe
alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci
`;

const ROUTES = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;

const zeros = '0'.repeat(32);
const ROUTES_6 = `20010db8${'0'.repeat(24)} 40 ${zeros} 00 ${zeros} 00000100 00000001 00000000 00000001     eth2
fe80${'0'.repeat(28)} 40 ${zeros} 00 ${zeros} 00000100 00000001 00000000 00000001     eth1
${'0'.repeat(31)}1 80 ${zeros} 00 ${zeros} 00000000 00000003 00000000 80200001       lo
`;

export const modalias = (vendor: string, device: string): string =>
  `pci:v0000${vendor}d0000${device}sv00001AF4sd00000015bc02sc00i00`;

export class FakeMachine {
  readonly root = mkdtempSync(join(tmpdir(), 'vpci-devbind-'));
  readonly sysfs = new FakeSysfs(join(this.root, 'sys'));
  readonly chowned: [string, number, number][] = [];
  /** Drivers that refuse every function. */
  readonly refusing = new Set<string>();
  readonly #overrides = new Map<string, string>();
  readonly places: Places;
  /** What `ip route show table all` prints. */
  routes = '';
  out = '';
  err = '';

  constructor() {
    this.places = {
      sysfs: this.sysfs.root,
      procNet: this.folder('proc/net'),
      procSelf: this.folder('proc/self'),
      allRoutes: () => this.routes,
      devVfio: this.folder('dev/vfio'),
      modules: this.folder('modules'),
      pciIds: [join(this.root, 'none'), join(this.root, 'pci.ids')],
      etc: this.folder('etc'),
      write: (path, text) => this.#write(path, text),
      chown: (path, uid, gid) => this.chowned.push([relative(this.root, path), uid, gid]),
    };
    this.file('pci.ids', PCI_IDS);
    this.file('modules/modules.alias', MODULES_ALIAS);
    this.file('proc/net/route', ROUTES);
    this.file('proc/net/ipv6_route', ROUTES_6);
    this.file('etc/passwd', 'root:x:0:0::/:\nuser:x:1000:1000::/:\n');
    this.file('etc/group', 'root:x:0:\nusers:x:100:\n');
    this.sysfs.folder('class/iommu/dmar0');
    for (const driver of ['vfio-pci', 'uio_pci_generic', 'virtio-pci', 'ixgbe']) this.sysfs.driver(driver);
  }

  folder(path: string): string {
    mkdirSync(join(this.root, path), { recursive: true });
    return join(this.root, path);
  }

  file(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  /** Adds an interface as shown in /sys/class/net, with its upper interfaces and its master. */
  netInterface(
    name: string,
    flags: number,
    over: { uppers?: string[]; master?: string; kind?: string } = {},
  ): void {
    const { uppers = [], master, kind } = over;
    const folder = `class/net/${name}`;
    this.sysfs.file(`${folder}/flags`, `0x${flags.toString(16)}\n`);
    this.sysfs.file(`${folder}/uevent`, `${kind ? `DEVTYPE=${kind}\n` : ''}INTERFACE=${name}\n`);
    for (const upper of uppers) this.sysfs.link(`${folder}/upper_${upper}`, `class/net/${upper}`);
    if (master) this.sysfs.link(`${folder}/master`, `class/net/${master}`);
  }

  /** Runs the program and returns its exit status; its output is in `out` and `err`. */
  devbind(...args: string[]): number {
    this.out = '';
    this.err = '';
    return run(args, this.places, {
      print: (text) => {
        this.out += text;
      },
      report: (line) => {
        this.err += `${line}\n`;
      },
    });
  }

  close(): void {
    rmSync(this.root, { recursive: true });
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  /** Behaves like drivers/pci/pci-driver.c and pci-sysfs.c. */
  #write(path: string, text: string): void {
    const file = basename(path);
    if (file === 'unbind') this.sysfs.unbind(text);
    else if (file === 'driver_override') this.#overrides.set(basename(dirname(path)), text.trim());
    else if (file === 'drivers_probe') this.#probe(text);
    else writeFileSync(path, text);
  }

  #probe(address: string): void {
    const driver = this.#overrides.get(address);
    if (!driver) return;
    if (this.refusing.has(driver)) throw Object.assign(new Error('EINVAL: write'), { code: 'EINVAL' });
    this.sysfs.bind(address, driver);
  }

  /** The current content of driver_override. */
  override(address: string): string {
    return this.#overrides.get(address) ?? '';
  }
}
