// SPDX-License-Identifier: BSD-3-Clause
// The command line: the options, and whether they go together.
import { reflects, searches } from './modes.ts';
import { mistakeIn } from './option-checks.ts';
import { command, type Options } from './options.ts';

const deviceless = ({ allow, vdev }: Options): boolean => (allow ?? vdev) === undefined;

/** Parses the command line; a mistake ends the program with one line. */
export function parseOptions(): Options {
  const options = command.parse().opts();
  if (options.allow !== undefined && options.vdev !== undefined)
    command.error('error: --allow and --vdev: the generator drives one device');
  if ((options.queueSize & (options.queueSize - 1)) !== 0)
    command.error(`error: --queue-size ${options.queueSize}: not a power of two`);
  if ([options.json, options.csv, options.gaps].filter((file) => file === '-').length > 1)
    command.error('error: --json -, --csv - and --gaps -: only one of them can have the standard output');
  if (options.speed !== undefined && options.rate !== undefined)
    command.error('error: --speed and --rate: a replay has either');
  if (options.replay !== undefined && (searches(options) || options.streams !== undefined))
    command.error('error: --replay: not with --streams or a search');
  if (
    options.watch !== undefined &&
    (searches(options) || reflects(options) || options.duration !== undefined)
  )
    command.error('error: --watch: it only looks, until the generator ends or Ctrl-C');
  if (options.capture !== undefined && searches(options))
    command.error('error: --capture: not with a search');
  if (reflects(options) && deviceless(options))
    command.error('error: --reflect: name the device, with --vdev or --allow');
  if (reflects(options) && (options.ping || searches(options)))
    command.error('error: --reflect only sends frames back');
  if (options.ping && (options.rate !== undefined || options.replay !== undefined || searches(options)))
    command.error('error: --ping: not with --rate, --replay or a search');
  if ([options.ndr, options.pdr !== undefined, options.rfc2544].filter(Boolean).length > 1)
    command.error('error: --ndr, --pdr and --rfc2544: one search at a time');
  if (searches(options) && options.rate !== undefined)
    command.error('error: --rate: a search finds the rate; leave it out');
  if (searches(options) && options.duration !== undefined)
    command.error('error: --duration: the trials of a search have --trial-time');
  if (options.maxLoss !== undefined && (options.replay !== undefined || !options.return))
    command.error('error: --max-loss needs numbered frames that come back: not with --replay or --no-return');
  if (searches(options) && options.peer === 'sink')
    command.error('error: --peer sink: a search needs frames that come back');
  const mistake = mistakeIn(options, (key) => command.getOptionValueSource(key) === 'cli');
  if (mistake !== undefined) command.error(`error: ${mistake}`);
  return options;
}
