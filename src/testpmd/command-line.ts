// SPDX-License-Identifier: BSD-3-Clause
// The command line as a whole: `[EAL options] -- [testpmd options]`.
import { ealOptions } from './eal-options.ts';
import { applyOptions, optionHelp, UsageError } from './getopt.ts';
import { testpmdOptions, txSegmentsFault } from './options.ts';
import { defaultEalSettings, defaultSettings, type EalSettings, type Settings } from './settings.ts';
import { noisyFault } from './traffic-options.ts';

export interface CommandLine {
  readonly eal: EalSettings;
  readonly settings: Settings;
}

const ORDER = 'EAL options go before --, testpmd options after it';

/** Throws a UsageError that names the offending option. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const split = args.indexOf('--');
  const eal = defaultEalSettings();
  const settings = defaultSettings();
  applyOptions(ealOptions, split < 0 ? args : args.slice(0, split), eal, {
    rows: testpmdOptions,
    place: 'after --, as in: [EAL options] -- [testpmd options]',
    order: ORDER,
  });
  applyOptions(testpmdOptions, split < 0 ? [] : args.slice(split + 1), settings, {
    rows: ealOptions,
    place: 'before --, as in: [EAL options] -- [testpmd options]',
    order: ORDER,
  });
  settings.hugepages = !eal.noHuge;
  if (!eal.help && !settings.help && !eal.version) checkTogether(settings);
  return { eal, settings };
}

function checkTogether(settings: Settings): void {
  if (settings.txFirst && settings.interactive) {
    throw new UsageError(
      "option '--tx-first' cannot be used in interactive mode; use the command start tx_first",
    );
  }
  const fault = txSegmentsFault(settings, settings.txSegments);
  if (fault !== null) throw new UsageError(`option '--txpkts': ${fault}`);
  const noise = noisyFault(settings.traffic.noisy);
  if (noise !== null) throw new UsageError(noise);
}

/** Columns of an option and its argument: no option that is shown needs more. */
const TERM_WIDTH = 29;

export function helpText(): string {
  return [
    'Usage: vhost-pci-testpmd [EAL options] -- [testpmd options]',
    '',
    "DPDK's testpmd over vhost-pci, taps and null devices: forwards packets between",
    "ports. DPDK's other options are accepted and ignored, or refused by name.",
    '',
    'EAL options:',
    optionHelp(ealOptions, TERM_WIDTH),
    '',
    'testpmd options:',
    optionHelp(testpmdOptions, TERM_WIDTH),
    '',
    'Examples: a vhost-pci device with a prompt; two null devices for one second',
    '  vhost-pci-testpmd --vdev net_vhost_pci0,path=/tmp/vfio.sock -- -i',
    '  (sleep 1; echo stop) | vhost-pci-testpmd --vdev net_null0 --vdev net_null1 -- -ia',
    '',
    'Exit status: 0 after quit, Enter or a signal, 1 on failure, 2 for a wrong',
    'option.',
  ].join('\n');
}
