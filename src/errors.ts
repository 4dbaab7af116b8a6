// SPDX-License-Identifier: BSD-3-Clause
// The one error class that reaches users, and every code that it may carry.

/**
 * Our codes by theme: what each means, and what to do. docs/errors.md is written from this table (npm run docs); tests hold
 * it against the code both ways.
 */
export const ERROR_CODES = {
  'Arguments and devices': {
    VPCI_ARGUMENT: ['an argument of an API call is wrong', 'correct the argument that the message names'],
    VPCI_DEVARGS: [
      'a device string has an unknown key or a bad value',
      'correct the key; README lists those of each driver',
    ],
    VPCI_NO_DRIVER: ['no driver has this name', 'use net_vhost_pci, net_tap, net_null or a PCI address'],
    VPCI_DUPLICATE: ['a port of this name is open', 'close it first, or choose another number'],
    VPCI_TOO_MANY_PORTS: ['every port number is in use', 'close a port first'],
    VPCI_CLOSED: ['the port, pool or connection was closed', 'open it again; the closed object stays closed'],
    VPCI_INTERNAL: ['an error without a code', 'report it with the message; it is a defect'],
  },
  'Queues and lcores': {
    VPCI_QUEUE_COUNT: [
      'more queues were asked for than there are',
      'ask for fewer, or give the device and the peer more; the message has both numbers',
    ],
    VPCI_NO_QUEUE: ['the lcore was not given this queue', 'configure more queues before launch()'],
    VPCI_QUEUE_BUSY: [
      'another lcore has the queue',
      'give each queue to one lcore, or wait until that one has ended',
    ],
    VPCI_POOLS: ['the lcore has as many pools as it may have', 'share a pool, or close one'],
    VPCI_SLEEPERS: [
      'the lcore has as many sleepers as it may have',
      'close one; one sleeper serves many queues',
    ],
    VPCI_NO_INTERRUPTS: [
      'a receive queue can only be polled',
      'poll it; over UIO there are no RX interrupts',
    ],
    VPCI_LCORES: [
      'a list or mask of lcores cannot be parsed',
      "correct it; the syntax is DPDK's --lcores or -c",
    ],
    VPCI_NO_CPU: [
      'there is no such CPU, or this process may not use it',
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
      'return once running() is false; end the process with exitProcess()',
    ],
  },
  'The device and its bus': {
    VPCI_NOT_VFIO_USER: [
      'no vfio-user server answers at the socket',
      "use the path of vhost-pci-device --vfio-user; see the device model's log",
    ],
    VPCI_WRONG_DEVICE: ['the function is not a vhost-pci-net function', 'check the address or socket'],
    VPCI_NOT_BOUND: ['the function has no driver that this one can use', 'bind it with vhost-pci-devbind'],
    VPCI_REMOVED: [
      'the device is gone',
      "close the port and open it again when the device is back ('removed' event)",
    ],
    VPCI_BAD_REPLY: [
      'a reply of the device breaks the protocol',
      'report it for the device model; restart it',
    ],
    VPCI_VFIO_VERSION: ['VFIO has another API version', 'use a kernel with VFIO API version 0'],
    VPCI_NO_BAR: ['the device lacks a BAR', 'use a device model of the same version'],
    VPCI_BAD_ACCESS: ['a register access lies outside its region', 'report it; it is a defect'],
    VPCI_BAD_CAPABILITY: [
      'a PCI capability is missing or malformed',
      'use a device model of the same version',
    ],
    VPCI_NO_VECTOR: ['the device has no such interrupt vector', 'use a device model of the same version'],
  },
  'The session with the device': {
    VPCI_FEATURES: ['feature negotiation failed', 'use a device model of the same version'],
    VPCI_BAD_CONFIG: ['the device configuration makes no sense', 'use a device model of the same version'],
    VPCI_BAD_QUEUE: [
      'the device offers a local queue of an unusable size',
      'use a device model of the same version',
    ],
    VPCI_BAD_RING: ['the device broke the rules of a local ring', 'none: the driver resets the device'],
    VPCI_RESET: [
      'the device does not finish a reset, or asks for one again and again',
      'restart the device model',
    ],
    VPCI_BAD_MEMORY: [
      "the peer's memory cannot be mapped or is too large",
      'do what the message says: max-peer-memory=, mem= or --allow-memory-fs',
    ],
  },
  testpmd: {
    VPCI_USAGE: ['an option of a program is wrong', 'see --help; the exit status is 2'],
    VPCI_NO_PORTS: ['there is nothing to forward', 'name a device with -a or --vdev, or start with -i'],
    VPCI_MAC: ['a MAC address cannot be parsed', 'write it as 02:00:00:00:00:01'],
    VPCI_COMMAND_FILE: [
      'a command file cannot be read',
      'use a text file or pipe within the limits of the message',
    ],
    VPCI_ABORTED: ['a signal came while a command file was read', 'none: the user asked for it'],
  },
  'The built-in peer': {
    VPCI_BACKEND_GONE: [
      'the back-end closed the connection',
      'restart vhost-pci-device; see its log for the reason',
    ],
    VPCI_BACKEND_CLOSED: ['the connection was closed on this side', 'none: the peer is ending'],
    VPCI_BACKEND_PROTOCOL: [
      'the back-end breaks the vhost-user protocol',
      'check what listens at the socket',
    ],
    VPCI_BACKEND_TIMEOUT: [
      'the back-end does not answer',
      'check what listens at the socket, and whether it is held',
    ],
    VPCI_BACKEND_REFUSED: ['the back-end refused a request', "see the back-end's log for the reason"],
    VPCI_BACKEND_FEATURES: ['the back-end lacks a feature that was asked for', 'leave out the option'],
    VPCI_QUEUE_SIZE: [
      'a ring cannot have this many entries',
      'split: a power of two; at most 32768 either way',
    ],
    VPCI_FRAME_SIZE: ['a frame cannot have this size', 'choose a size within the limits of the message'],
    VPCI_HOSTILE: ['this kind of ring has no such rule to break', 'choose another rule; --help lists them'],
    VPCI_PEER_DOWN: ['there is no back-end to attack', 'start the back-end first'],
    VPCI_PEER_STOPPED: ['the peer was stopped while it started', 'none: the user asked for it'],
  },
  'Other tools': {
    VPCI_CARRIES_NETWORK: ["this machine's network runs over the device", 'use --force if that is intended'],
    VPCI_CHILD: ['a program that a tool started failed', 'read its output, which the message ends with'],
    VPCI_CHECK: ['npm start: frames were lost or corrupt', 'read what each part printed'],
    VPCI_NO_TRAFFIC: ['not a packet passed', 'check that peer and driver run; read what they printed'],
    VPCI_BENCH: ['the peer cannot take part in this case', 'use --peer dpdk'],
    VPCI_NO_DPDK: ['dpdk-testpmd is not installed', 'install the packages that the message names'],
    VPCI_RIG: ['the VM rig cannot start', 'do what the message says; docs/vm-rig.md has the requirements'],
    VPCI_RIG_PROJECT: ['the project is not built', 'npm ci && npm run build'],
    VPCI_RIG_GUEST: ['a guest did not boot or does not answer', "read the console's log"],
    VPCI_RIG_COMMAND: ['a command in a guest failed', 'read its output in the message'],
    VPCI_NO_MIRROR: ['apt knows no Debian archive', 'apt-get update, or set VPCI_RIG_MIRROR'],
  },
} as const satisfies Record<string, Record<`VPCI_${string}`, readonly [meaning: string, remedy: string]>>;

type Themes = typeof ERROR_CODES;
/** A code of ours. */
export type VpciCode = { [Theme in keyof Themes]: keyof Themes[Theme] }[keyof Themes];
/** A code of the kernel, the device or Node: "ENOENT", "ERR_MODULE_NOT_FOUND". */
export type SystemCode = `E${Uppercase<string>}`;
export type PmdErrorCode = VpciCode | SystemCode;

/**
 * A failure that a user can act on. `code` is stable: of the table above, or an errno name for what a system call said. A module's
 * own error keeps its code when it ends an lcore. The message reads "Failed to <verb> <object>: <cause>" and names the thing at fault.
 */
export class PmdError extends Error {
  readonly code: PmdErrorCode;

  constructor(code: PmdErrorCode, message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
    this.name = 'PmdError';
    this.code = code;
  }
}

const MAX_MESSAGE = 1000;

/** Names and paths in a message are a user's, or a peer's: no second line, no control characters, an end. */
function oneLine(text: string): string {
  const line = text.slice(0, MAX_MESSAGE + 1).replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
  return line.length > MAX_MESSAGE ? `${line.slice(0, MAX_MESSAGE - 1)}…` : line;
}

/** The code of an error that is not ours, which has none when it did not come from a system call or from Node. */
export function codeOf(error: unknown, otherwise: PmdErrorCode): PmdErrorCode {
  return ((error as NodeJS.ErrnoException | undefined)?.code as PmdErrorCode | undefined) ?? otherwise;
}

/** Wraps whatever `cause` is (an addon's errno error, as a rule) into a PmdError that names what was being done. */
export function failedTo(action: string, cause: unknown): PmdError {
  const message = (cause as Error | undefined)?.message ?? String(cause);
  return new PmdError(codeOf(cause, 'VPCI_INTERNAL'), `Failed to ${action}: ${message}`, { cause });
}
