// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-devbind as a function from arguments to text and exit status: 0 on success, 1 if anything was
// refused or failed, or if there is nothing to do, 2 for a wrong option.
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { PmdError } from '../../src/errors.ts';
import { packageVersion } from '../../src/package-root.ts';
import { CommandOfOnce, describeOption, errorLine, HELP_OPTION } from '../run/command.ts';
import { type ActionOptions, bindAll, unbindAll } from './actions.ts';
import { CATEGORIES } from './categories.ts';
import { expandGlob, takeInventory } from './inventory.ts';
import { USERSPACE_DRIVERS } from './modules.ts';
import type { Places } from './places.ts';
import { statusText } from './status.ts';
import { accountId } from './vfio-setup.ts';

export interface Output {
  /** Text for stdout. */
  readonly print: (text: string) => void;
  /** One line for stderr. */
  readonly report: (line: string) => void;
}

const NAME = 'vhost-pci-devbind';
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

const EXAMPLES = `
Examples:
  ${NAME} --status                     show all devices
  ${NAME} --status-dev net             show network devices only
  ${NAME} --bind=vfio-pci eth1         bind the device of eth1 to vfio-pci
  ${NAME} -b uio_pci_generic 00:04.0   bind on a machine without an IOMMU
  ${NAME} -u 0000:01:00.0              unbind a device from its driver
  ${NAME} -b ixgbe 02:00.0 02:00.1     return two devices to their kernel driver

Exit status: 0 on success, 1 if anything was refused or failed, 2 for a wrong
option.`;

class Exit extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`exit ${status}`);
    this.status = status;
  }
}

/** Runs the program; does not throw for user errors. */
export function run(args: readonly string[], places: Places, output: Output): number {
  try {
    return act(parse(args, places, output), places, output);
  } catch (error) {
    if (error instanceof Exit) return error.status;
    if (!(error instanceof PmdError)) throw error;
    output.report(`${NAME}: Error: ${error.message}`);
    return EXIT_FAILURE;
  }
}

interface Request {
  /** A category, "all", or null to show no status. */
  readonly status: string | null;
  /** The driver to bind to, "none" to unbind, or null for neither. */
  readonly bind: string | null;
  readonly devices: readonly string[];
  readonly options: ActionOptions;
}

/** An account's number; -1 leaves the owner as it is. */
const owner = <Flags extends string>(flags: Flags, help: string, parse: (name: string) => number) =>
  new Option(flags, help).argParser(parse).default(-1, 'unchanged');

function makeCommand(places: Places, output: Output) {
  const account = (file: 'passwd' | 'group') => (text: string) => {
    const id = accountId(text, file, places);
    if (id === null) throw new InvalidArgumentError(`There is no such name in ${places.etc}/${file}.`);
    return id;
  };
  return new CommandOfOnce()
    .name(NAME)
    .version(`${NAME} ${packageVersion()}`)
    .description('Binds PCI devices to userspace drivers, and back to kernel drivers.')
    .argument(
      '[devices...]',
      'as domain:bus:slot.func, bus:slot.func, a pattern of these, or an interface name',
    )
    .option('-s, --status', 'print the status of all known devices', false)
    .addOption(
      new Option('--status-dev <group>', 'print the status of one group of devices').choices(
        CATEGORIES.map(({ option }) => option),
      ),
    )
    .option('-b, --bind <driver>', 'the driver to bind to, or "none" to unbind')
    .addOption(new Option('-u, --unbind', 'unbind (as -b none)').conflicts('bind').default(false))
    .option('--noiommu-mode', "enable VFIO's no-IOMMU mode if there is no IOMMU", false)
    .addOption(owner('-U, --uid <user>', 'for VFIO: the user to own the IOMMU group', account('passwd')))
    .addOption(owner('-G, --gid <group>', 'for VFIO: the group to own the IOMMU group', account('group')))
    .option(
      '--force',
      "also rebind devices that carry this machine's own network, file systems or swap, which may be lost",
      false,
    )
    .addHelpText('after', EXAMPLES)
    .helpOption(...HELP_OPTION)
    .configureHelp({ optionDescription: describeOption })
    .exitOverride((error) => {
      throw new Exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
    })
    .configureOutput({
      writeOut: (text) => output.print(text),
      writeErr: (text) => output.report(text.trimEnd()),
      outputError: (text, write) => write(errorLine(NAME, text)),
    });
}

function parse(args: readonly string[], places: Places, output: Output): Request {
  const command = makeCommand(places, output).parse(args, { from: 'user' });
  const { bind, unbind, status, statusDev, noiommuMode, force, uid, gid } = command.opts();
  const driver = bind ?? (unbind ? 'none' : null);
  const group = status ? 'all' : (statusDev ?? null);
  // dpdk-devbind.py has status 1 here, unlike for a wrong option.
  const incomplete = (line: string): never => {
    output.report(`${NAME}: ${line}`);
    throw new Exit(EXIT_FAILURE);
  };
  if (driver === null && group === null)
    incomplete('No action specified for devices. Please give a --bind, --unbind or --status option');
  if (driver !== null && command.args.length === 0) incomplete('No devices specified.');
  return {
    status: group,
    bind: driver,
    devices: command.args.flatMap((name) => expandGlob(name, places)),
    options: { force, noIommuMode: noiommuMode, owner: { uid, gid } },
  };
}

function act({ status, bind, devices, options }: Request, places: Places, output: Output): number {
  const inventory = takeInventory(places);
  const report = (line: string) => output.report(line);
  let refused = 0;
  if (bind !== null) {
    if (inventory.modules.userspaceDrivers.length === 0)
      report(`Warning: no supported DPDK kernel modules are loaded (${USERSPACE_DRIVERS.join(', ')})`);
    refused =
      bind.toLowerCase() === 'none'
        ? unbindAll(inventory, devices, options, places, report)
        : bindAll(inventory, bind, devices, options, places, report);
  }
  if (status !== null) output.print(statusText(bind === null ? inventory : takeInventory(places), status));
  return refused > 0 ? EXIT_FAILURE : 0;
}
