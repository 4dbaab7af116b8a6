// SPDX-License-Identifier: BSD-3-Clause
// The one error class that users see, and all of its codes.

const VERSIONS_DIFFER = 'driver and device model differ in version; install matching ones';

/**
 * The table behind ERROR_CODES, from which the types of codes and docs/errors.md (npm run docs) come too;
 * tests compare it with the code both ways.
 */
const CODES = {
  'Arguments and devices': {
    VPCI_ARGUMENT: ['an argument of an API call is wrong', 'correct the argument that the message names'],
    VPCI_MAC: ['a MAC address cannot be parsed', 'write it as 02:00:00:00:00:01'],
    VPCI_DEVARGS: [
      'a device string has an unknown key or a bad value',
      'correct the key; README lists those of each driver',
    ],
    VPCI_NO_FILE: [
      'a name is that of a folder, a FIFO, a socket or a device, where a file is needed',
      'name a file; what comes through a pipe has to be saved first',
    ],
    VPCI_NO_DRIVER: [
      'no driver has this name',
      'use net_vhost_pci, net_ivshmem, net_tap, net_pcap, net_null or a PCI address',
    ],
    VPCI_DUPLICATE: [
      'a port of this name is already open',
      'close it first, or choose another name: net_tap1',
    ],
    VPCI_TOO_MANY_PORTS: ['every port number is in use', 'close a port first'],
    VPCI_CLOSED: ['the port, pool or connection was closed', 'open it again; the closed object stays closed'],
    VPCI_NO_ADDON: [
      'there is no compiled addon for this machine, or it cannot be loaded',
      'type what the message says for your package manager',
    ],
    VPCI_INTERNAL: ['an error without a code', 'report it with the message; it is a bug'],
  },
  'Queues and lcores': {
    VPCI_QUEUE_COUNT: [
      'more queues were requested than the device or the peer has',
      'request fewer, or configure more on the device and the peer; the message has both numbers',
    ],
    VPCI_NO_QUEUE: ['the lcore has no such queue', 'configure more queues before launch()'],
    VPCI_QUEUE_BUSY: [
      'another lcore owns the queue',
      'give each queue to one lcore, or wait until that lcore has ended',
    ],
    VPCI_BUSY: ['a run or a search is under way', 'wait until it has ended, or end it with halt()'],
    VPCI_POOLS: ['the lcore has the maximum number of pools', 'share a pool, or close one'],
    VPCI_SLEEPERS: [
      'the lcore has the maximum number of sleepers',
      'close one; one sleeper serves many queues',
    ],
    VPCI_NO_INTERRUPTS: [
      'a receive queue can only be polled',
      'poll it; over UIO there are no RX interrupts',
    ],
    VPCI_LCORES: [
      'a list or mask of lcores cannot be parsed',
      "correct it; the syntax is that of DPDK's --lcores or -c",
    ],
    VPCI_NO_CPU: [
      'the CPU does not exist, or this process may not use it',
      'choose another, or change the cpuset',
    ],
    VPCI_LCORE_MODULE: [
      'the module is missing or has no function as its default export',
      'name it by URL or absolute path and export the function as default',
    ],
    VPCI_LCORE_FAILED: [
      "the lcore's module threw an error without a code",
      'correct the module; `cause` has the stack',
    ],
    VPCI_LCORE_EXITED: [
      'the thread exited before its module returned',
      'do not call process.exit() on an lcore',
    ],
    VPCI_LCORE_STUCK: [
      'the module did not return after stop()',
      'return once running() is false; see whether its CPU is busy; end the process with exitProcess()',
    ],
  },
  'The device and its bus': {
    VPCI_NOT_VFIO_USER: [
      'no vfio-user server answers at the socket',
      "use the path of vhost-pci-device --vfio-user; see the device model's log",
    ],
    VPCI_WRONG_DEVICE: ['the function is not a vhost-pci-net function', 'check the address or socket'],
    VPCI_NOT_BOUND: ['the function is not bound to the required driver', 'bind it with vhost-pci-devbind'],
    VPCI_REMOVED: [
      'the device is gone',
      "close the port and open it again when the device is back ('removed' event)",
    ],
    VPCI_BAD_REPLY: [
      'a reply of the device violates the protocol',
      'report it as a bug of the device model, and restart it',
    ],
    VPCI_VFIO_VERSION: ['the VFIO API version is not supported', 'use a kernel with VFIO API version 0'],
    VPCI_NO_BAR: ['the device lacks a BAR', VERSIONS_DIFFER],
    VPCI_BAD_ACCESS: ['a register access lies outside its region', 'report it; it is a bug'],
    VPCI_BAD_CAPABILITY: ['a PCI capability is missing or malformed', VERSIONS_DIFFER],
    VPCI_NO_VECTOR: ['the device has no such interrupt vector', VERSIONS_DIFFER],
  },
  'The session with the device': {
    VPCI_FEATURES: ['feature negotiation failed', VERSIONS_DIFFER],
    VPCI_BAD_CONFIG: ['the device configuration is invalid', VERSIONS_DIFFER],
    VPCI_BAD_QUEUE: ['the device offers a local queue of an unusable size', VERSIONS_DIFFER],
    VPCI_BAD_RING: [
      'the device violated the virtqueue rules on a local ring',
      'none: the driver resets the device',
    ],
    VPCI_RESET: ['the device does not complete a reset, or keeps requesting one', 'restart the device model'],
    VPCI_BAD_MEMORY: [
      "the peer's memory cannot be mapped or is too large",
      'follow the message: max-peer-memory=, mem= or --allow-memory-fs',
    ],
  },
  "Warnings (process.on('warning')), not errors": {
    VPCI_SIDE_IN_USE: [
      'warning: another driver has the same side of RFC 2.1 as its own',
      'exchange own= and peer=, or side=, at one end',
    ],
    VPCI_NO_HUGEPAGES: [
      'hugepages were wanted and refused: a control group limits them',
      'raise hugetlb.2MB.max, or ask for ordinary pages (hugepages: false, --no-huge)',
    ],
    VPCI_DEVICE_REPORT: [
      'a device or peer misbehaves, or is gone; the port goes on as its counters and events say',
      'follow the message',
    ],
  },
  testpmd: {
    VPCI_USAGE: ['an option of a program is wrong', 'see --help; the exit status is 2'],
    VPCI_NO_PORTS: ['there is nothing to forward', 'name a device with -a or --vdev, or start with -i'],
    VPCI_COMMAND_FILE: [
      'a command file cannot be read',
      'use a text file or pipe within the limits of the message',
    ],
    VPCI_ABORTED: ['a signal arrived while a command file was read', 'none: the user requested it'],
  },
  'The built-in peer': {
    VPCI_BACKEND_GONE: [
      'the back-end closed the connection',
      'restart vhost-pci-device; see its log for the reason',
    ],
    VPCI_BACKEND_CLOSED: ['the connection was closed on this side', 'none: the peer is ending'],
    VPCI_BACKEND_PROTOCOL: [
      'the back-end violates the vhost-user protocol',
      'check which program listens at the socket',
    ],
    VPCI_BACKEND_TIMEOUT: [
      'the back-end does not answer',
      'check which program listens at the socket, and whether it is stopped',
    ],
    VPCI_BACKEND_REFUSED: ['the back-end refused a request', "see the back-end's log for the reason"],
    VPCI_BACKEND_FEATURES: ['the back-end lacks a requested feature', 'omit the option'],
    VPCI_QUEUE_SIZE: [
      'a ring cannot have this many entries',
      'split: a power of two; at most 32768 for both kinds',
    ],
    VPCI_FRAME_SIZE: ['a frame cannot have this size', 'choose a size within the limits of the message'],
    VPCI_HOSTILE: [
      'the rule to break does not exist for this kind of ring',
      'choose another rule; --help lists them',
    ],
    VPCI_PEER_DOWN: ['no back-end to attack', 'start the back-end first'],
    VPCI_PEER_STOPPED: ['the peer was stopped during its start', 'none: the user requested it'],
  },
  Captures: {
    VPCI_CAPTURE_FILE: [
      'a capture file is malformed, cut short, or none at all',
      'see the offset in the message; `editcap` of Wireshark repairs what can be repaired',
    ],
    VPCI_CAPTURE_LOST: [
      'packets could not be written to a capture file, and are not in it',
      'see the cause in the message: usually the disk is full',
    ],
  },
  'Other tools': {
    VPCI_CARRIES_NETWORK: ["this machine's network runs over the device", 'use --force if that is intended'],
    VPCI_CARRIES_STORAGE: [
      'a mounted file system or swap space lies on the device',
      'unmount it first; --force takes the device nevertheless',
    ],
    VPCI_CHILD: ['a program that a tool started failed', 'read its output at the end of the message'],
    VPCI_CHECK: ['frames were lost or corrupted', 'read the output of each part'],
    VPCI_PEER_RING: [
      'the peer broke the rules of a ring, and packets no longer pass it',
      'restart the peer: docs/trust-model.md says what breaks a ring',
    ],
    VPCI_NO_TRAFFIC: ['no packets passed', 'check that peer and driver run, and read their output'],
    VPCI_BENCH: ['another run writes to the folder', 'wait until it ends, or name another folder'],
    VPCI_BENCH_REPORT: ['the file is not the report of such a run', 'name the report.json of one'],
    VPCI_NO_DPDK: ['dpdk-testpmd is not installed', 'install the packages that the message names'],
    VPCI_NO_OVS: ['Open vSwitch with DPDK is not installed', 'install the package that the message names'],
    VPCI_FEW_HUGEPAGES: [
      'the comparison needs more free hugepages than there are',
      'reserve them as root, as the message says',
    ],
    VPCI_RIG: ['the VM rig cannot start', 'follow the message; docs/vm-rig.md has the requirements'],
    VPCI_RIG_PROJECT: ['the project is not built', 'npm ci && npm run build'],
    VPCI_RIG_GUEST: ['a guest did not boot or does not answer', 'read the console log'],
    VPCI_RIG_COMMAND: ['a command in a guest failed', 'read its output in the message'],
    VPCI_NO_MIRROR: ['no Debian archive is configured in apt', 'apt-get update, or set VPCI_RIG_MIRROR'],
  },
} as const satisfies Record<string, Record<`VPCI_${string}`, readonly [meaning: string, remedy: string]>>;

type Themes = typeof CODES;
/** A code of ours; {@link ERROR_CODES} has them all. */
export type VpciCode = { [Theme in keyof Themes]: keyof Themes[Theme] }[keyof Themes];
/** A code of the kernel, the device or Node: "ENOENT", "ERR_MODULE_NOT_FOUND". */
export type SystemCode = `E${Uppercase<string>}`;
/** What `code` of a {@link PmdError} can be. */
export type PmdErrorCode = VpciCode | SystemCode;

/**
 * Our codes by theme, each with its meaning and what to do; docs/errors.md is the same table. Codes do not
 * change.
 */
export const ERROR_CODES: Readonly<
  Record<string, Readonly<Partial<Record<VpciCode, readonly [meaning: string, remedy: string]>>>>
> = CODES;

/**
 * A failure that a user can act on. `code` is stable: a code of {@link ERROR_CODES}, or the errno name of a
 * failed system call. If a module's own error ends an lcore, it keeps its code. The message is one line that
 * names the object at fault: "Failed to <verb> <object>: <cause>", or "<what>: <cause>" where a text that was
 * given is wrong ("streams: stream 0: size: …", "option '--burst': …").
 *
 * @example
 * if (error instanceof PmdError && error.code === 'ENOENT') await deviceToCome();
 */
export class PmdError extends Error {
  /** What failed, for programs. */
  readonly code: PmdErrorCode;

  /** `message` becomes one line of at most 1000 characters. */
  constructor(code: PmdErrorCode, message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
    this.name = 'PmdError';
    this.code = code;
  }
}

const MAX_MESSAGE = 1000;

/**
 * Messages contain names and paths of users and peers: keep one line, drop control characters, limit the
 * length.
 */
export function oneLine(text: string): string {
  const line = text.slice(0, MAX_MESSAGE + 1).replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE - 1)}…` : line;
}

/**
 * The code of a foreign error; `otherwise` if it has none, because it came neither from a system call nor
 * from Node.
 */
export function codeOf(error: unknown, otherwise: PmdErrorCode): PmdErrorCode {
  const code: unknown = (error as NodeJS.ErrnoException | undefined)?.code;
  // DOMException and others number their errors.
  return typeof code === 'string' && code !== '' ? (code as PmdErrorCode) : otherwise;
}

/** Whether an error only says that the connection to a device is lost, which its carrier reports as well. */
export const isLoss = (error: unknown): boolean =>
  ['VPCI_REMOVED', 'EINTR'].includes((error as PmdError).code);

/** Wraps `cause`, usually an errno error of the addon, into a PmdError that names the failed action. */
export function failedTo(action: string, cause: unknown): PmdError {
  const message = withoutPlace(action, cause);
  return new PmdError(codeOf(cause, 'VPCI_INTERNAL'), `Failed to ${action}: ${message}`, { cause });
}

/** The message of `cause`; without its `, open '/path'` or ` 127.0.0.1:80` where the action names that. */
function withoutPlace(action: string, cause: unknown): string {
  const message = (cause as Error | undefined)?.message ?? String(cause);
  const { syscall, path, address, port } = (cause ?? {}) as NodeJS.ErrnoException & Listening;
  const place = path ?? `${address}:${port}`;
  const end = path === undefined ? ` ${place}` : `, ${syscall} '${path}'`;
  return place && action.includes(place) && message.endsWith(end) ? message.slice(0, -end.length) : message;
}

/** What Node adds to the error of a socket. */
interface Listening {
  readonly address?: string;
  readonly port?: number;
}
