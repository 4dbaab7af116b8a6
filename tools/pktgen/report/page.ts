// SPDX-License-Identifier: BSD-3-Clause
// --html: what a run or a search found as one page that needs nothing but itself.
import { commandHtml, htmlPage, listHtml, rawData } from '../../charts/page.ts';
import { escapeXml } from '../../charts/svg.ts';
import { differences } from './differences.ts';
import type { Earlier } from './earlier.ts';
import { type Json, kindOf, numberAt, objectAt, textAt } from './json.ts';
import { rfc2544Sections } from './rfc2544-page.ts';
import { runSections } from './run-page.ts';
import { searchSections } from './search-page.ts';

/** `result` is what --json writes, with or without an earlier result of the same kind. */
export function pageText(result: object, earlier: Earlier | undefined): string {
  // As it would be read again: without what JSON does not know.
  const raw = `${JSON.stringify(result, null, 2)}\n`;
  const now = JSON.parse(raw) as Json;
  const then = earlier?.json;
  const kind = kindOf(now);
  const sections = { run: runSections, search: searchSections, rfc2544: rfc2544Sections };
  return htmlPage(
    TITLES[kind ?? 'run'],
    [
      describe(now),
      ...(earlier === undefined
        ? []
        : [`<p>Earlier: ${escapeXml(earlier.file)}</p>`, describe(earlier.json), differs(now, earlier.json)]),
      rawData('pktgen.json', raw),
      sections[kind ?? 'run'](now, then),
    ].join('\n'),
  );
}

const TITLES = {
  run: 'vhost-pci-pktgen: a run',
  search: 'vhost-pci-pktgen: a search',
  rfc2544: 'vhost-pci-pktgen: RFC 2544',
} as const;

/** Nothing where nothing differs, as far as the files say. */
function differs(now: Json, then: Json): string {
  const lines = differences(now, then);
  return lines.length === 0 ? '' : `<p class="note">What differs:</p>${listHtml(lines)}`;
}

/** The command, the version and the machine, as far as the file has them. */
function describe(json: Json): string {
  const about = objectAt(json, 'about');
  const machine = objectAt(about, 'machine');
  const [version, command, started] = ['version', 'command', 'started'].map((key) => textAt(about, key));
  if (version === null || command === null) return '<p>Without its command: a file of an older version.</p>';
  const cpus = numberAt(machine, 'cpus');
  const parts = [
    `${textAt(machine, 'cpu') ?? 'unknown CPU'}${cpus === null ? '' : `, ${cpus} CPUs`}`,
    `Linux ${textAt(machine, 'kernel') ?? '?'}`,
    `Node ${textAt(machine, 'node') ?? '?'}`,
    machine.hugepages === true ? 'hugepages' : 'no hugepages',
  ];
  return `${commandHtml(command ?? '')}${listHtml([`vhost-pci-pmd ${version}, ${started ?? ''}`, parts.join('; ')])}`;
}
