// SPDX-License-Identifier: BSD-3-Clause
// QEMU's command lines: the parts common to both machines, and what makes one the PMD's guest and the other
// its peer.
import { hostProgram } from './host-programs.ts';
import type { Images } from './images.ts';

export type Accelerator = 'kvm' | 'tcg';

/** Paths of one machine's sockets and log. */
export interface MachinePaths {
  readonly console: string;
  readonly consoleLog: string;
  readonly agent: string;
  readonly qmp: string;
}

export interface MachineSpec {
  readonly name: string;
  readonly memoryMib: number;
  /**
   * A file on tmpfs that holds the guest's memory and outlives a QEMU process; when left out, a memfd that
   * ends with QEMU.
   */
  readonly memoryFile?: string;
  readonly cpus: number;
  /** The QEMU options specific to this machine. */
  readonly devices: readonly string[];
  /** Further properties for -machine, after the shared memory. */
  readonly machine?: string;
  /** Appended to the kernel's command line. */
  readonly kernelArguments?: string;
  /** Modules loaded at boot in addition to the drivers of the devices present. */
  readonly modules?: readonly string[];
  /** A squashfs to mount at /opt/vhost-pci-pmd. */
  readonly projectImage?: string;
}

const AGENT_PORT = 'vpci.agent';

export function acceleratorOptions(accelerator: Accelerator): string[] {
  return accelerator === 'kvm'
    ? ['-accel', 'kvm', '-cpu', 'host']
    : ['-accel', 'tcg,thread=multi', '-cpu', 'max'];
}

/** A path inside an option with comma-separated values: QEMU reads two commas as one. */
const inOption = (path: string): string => path.replaceAll(',', ',,');

/** The complete command line. */
export function qemuCommand(
  images: Images,
  accelerator: Accelerator,
  spec: MachineSpec,
  paths: MachinePaths,
): string[] {
  const image = (file: string, serial: string) =>
    [
      ...['-drive', `if=none,id=${serial},file=${inOption(file)},format=raw,readonly=on`],
      ...['-device', `virtio-blk-pci,drive=${serial},serial=${serial}`],
    ] as const;
  return [
    ...hostProgram(images.host, 'qemu-system-x86_64'),
    ...images.firmware.flatMap((folder) => ['-L', folder]),
    ...['-name', spec.name, '-nodefaults', '-no-user-config', '-display', 'none'],
    ...acceleratorOptions(accelerator),
    ...['-machine', `q35,memory-backend=mem${spec.machine ? `,${spec.machine}` : ''}`],
    // Memory in one shared file, so that vhost-user and vfio-user can share it.
    ...['-object', memoryBackend(spec)],
    ...['-m', `${spec.memoryMib}M`, '-smp', cpuOption(spec.cpus)],
    ...['-kernel', images.kernel, '-initrd', images.initramfs, '-append', kernelCommandLine(spec)],
    // The machine's own devices come first: an IOMMU must exist before the devices behind it.
    ...spec.devices,
    ...image(images.root, 'root'),
    ...(spec.projectImage ? image(spec.projectImage, 'project') : []),
    ...[
      '-chardev',
      `socket,id=console,path=${inOption(paths.console)},server=on,wait=off,logfile=${inOption(paths.consoleLog)}`,
    ],
    ...['-serial', 'chardev:console'],
    ...['-chardev', `socket,id=agent,path=${inOption(paths.agent)},server=on,wait=off`],
    ...['-device', 'virtio-serial-pci', '-device', `virtserialport,chardev=agent,name=${AGENT_PORT}`],
    ...['-qmp', `unix:${inOption(paths.qmp)},server=on,wait=off`],
    ...['-device', 'virtio-rng-pci'],
  ];
}

function memoryBackend({ memoryMib, memoryFile }: MachineSpec): string {
  const kind =
    memoryFile === undefined
      ? 'memory-backend-memfd'
      : `memory-backend-file,mem-path=${inOption(memoryFile)}`;
  return `${kind},id=mem,size=${memoryMib}M,share=on`;
}

/**
 * Always room for a second CPU: for a machine that can never have two, TCG translates a locked instruction,
 * which is Linux's full barrier on x86, to plain ones. The guest shares its rings with a process of the host
 * and could miss a notification.
 */
const cpuOption = (cpus: number): string => `${cpus},maxcpus=${Math.max(cpus, 2)}`;

function kernelCommandLine(spec: MachineSpec): string {
  const modules = spec.modules ? [`rig.modules=${spec.modules.join(',')}`] : [];
  const extra = spec.kernelArguments ? [spec.kernelArguments] : [];
  return ['console=ttyS0', 'loglevel=4', `rig.name=${spec.name}`, ...modules, ...extra].join(' ');
}

/** A machine that prints one line on its first serial port and powers off. */
export function probeCommand(images: Images, accelerator: Accelerator, log: string): string[] {
  return [
    ...hostProgram(images.host, 'qemu-system-x86_64'),
    ...images.firmware.flatMap((folder) => ['-L', folder]),
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-machine', 'q35', '-m', '256M'],
    ...acceleratorOptions(accelerator),
    ...['-kernel', images.kernel, '-initrd', images.initramfs, '-append', 'console=ttyS0 panic=-1 rig.probe'],
    ...['-serial', `file:${log}`],
  ];
}

/** The function's PCI address in VM1. */
export const FUNCTION_ADDRESS = '0000:00:05.0';

export interface PmdMachineOptions {
  /**
   * Whether the function is behind a virtual IOMMU; true. Kernel VFIO needs it, UIO requires that there is
   * none.
   */
  readonly iommu?: boolean;
  readonly memoryMib?: number;
}

/**
 * VM1, which runs the PMD, with the vhost-pci function that is served on `socket`. Two CPUs, because a poll
 * loop takes a whole one.
 */
export function pmdMachine(
  socket: string,
  projectImage: string,
  { iommu = true, memoryMib = 1024 }: PmdMachineOptions = {},
): MachineSpec {
  const device = {
    driver: 'vfio-user-pci',
    id: 'vpci0',
    rombar: 0,
    addr: '5.0',
    socket: { type: 'unix', path: socket },
  };
  return {
    name: 'vm1',
    memoryMib,
    cpus: 2,
    machine: 'kernel-irqchip=split',
    devices: [
      ...(iommu ? ['-device', 'intel-iommu,intremap=on,caching-mode=on'] : []),
      ...['-device', JSON.stringify(device)],
    ],
    kernelArguments: iommu ? 'intel_iommu=on' : undefined,
    modules: [iommu ? 'vfio-pci' : 'uio_pci_generic', 'tun'],
    projectImage,
  };
}

/** Places of the functions that join two machines of RFC 2.1. */
export const SECTION_ADDRESSES = {
  /** vhost-pci, by vfio-user. */
  function: FUNCTION_ADDRESS,
  /** ivshmem-plain: the machine's own side, and the peer's, which QEMU keeps from being written. */
  own: '0000:00:06.0',
  peer: '0000:00:07.0',
  /** ivshmem-doorbell. */
  doorbell: '0000:00:08.0',
} as const;

export interface SectionMachineOptions {
  /** vfio-user socket of the machine's vhost-pci function. */
  readonly vfioUser: string;
  /** Files on tmpfs with the two sides, of `sideBytes` each. */
  readonly own: string;
  readonly peer: string;
  readonly sideBytes: number;
  /** Socket of the ivshmem server, and the vectors that it gives. */
  readonly ivshmemServer: string;
  readonly vectors: number;
}

/** One of two machines that both run the PMD, over any carrier of RFC 2.1. */
export function sectionMachine(
  name: string,
  projectImage: string,
  { vfioUser, own, peer, sideBytes, ivshmemServer, vectors }: SectionMachineOptions,
): MachineSpec {
  const slot = (address: string) => `addr=${Number.parseInt(address.slice(8), 16)}.0`;
  const side = (id: string, path: string, address: string, more = '') => [
    '-object',
    `memory-backend-file,id=${id},mem-path=${inOption(path)},size=${sideBytes},share=on${more}`,
    ...['-device', `ivshmem-plain,memdev=${id},${slot(address)}`],
  ];
  const machine = pmdMachine(vfioUser, projectImage);
  return {
    ...machine,
    name,
    devices: [
      ...machine.devices,
      ...side('own', own, SECTION_ADDRESSES.own),
      ...side('peer', peer, SECTION_ADDRESSES.peer, ',readonly=on'),
      ...['-chardev', `socket,id=ivshmem,path=${inOption(ivshmemServer)}`],
      '-device',
      `ivshmem-doorbell,chardev=ivshmem,vectors=${vectors},${slot(SECTION_ADDRESSES.doorbell)}`,
    ],
  };
}

export const PEER_MEMORY_MIB = 512;

export interface PeerMachineOptions {
  /** Further properties of virtio-net-pci. */
  readonly card?: string;
  /** See MachineSpec. */
  readonly memoryFile?: string;
}

/** VM2, the peer: plain Linux with a virtio network card whose back-end listens on `socket`. */
export function peerMachine(socket: string, { card, memoryFile }: PeerMachineOptions = {}): MachineSpec {
  return {
    name: 'vm2',
    memoryMib: PEER_MEMORY_MIB,
    memoryFile,
    cpus: 1,
    devices: [
      ...['-chardev', `socket,id=net,path=${inOption(socket)},reconnect-ms=500`],
      ...['-netdev', 'vhost-user,chardev=net,id=net0'],
      ...['-device', `virtio-net-pci,netdev=net0,addr=1.0,mac=${PEER_MAC}${card ? `,${card}` : ''}`],
    ],
  };
}

/** The network card's PCI address in VM2. */
export const PEER_ADDRESS = '0000:00:01.0';

/** Locally administered. */
export const PEER_MAC = '52:54:00:00:00:02';
