// SPDX-License-Identifier: BSD-3-Clause
// Writes the number of lines given by its first argument; after that and a turn of the event loop, appends a
// line to the file named by its second argument. Ends on SIGTERM.
import { appendFileSync } from 'node:fs';
import { standardOutput } from './text-writer.ts';

const [lines = '', report = ''] = process.argv.slice(2);
const { stdout, stderr } = standardOutput();
stdout.onReaderGone(() => appendFileSync(report, 'gone\n'));
process.once('SIGTERM', () => process.exit(7));
setInterval(() => {}, 1000);
for (let i = 0; i < Number(lines); i++) (i % 2 === 0 ? stdout : stderr).line(`line ${i}`);
setImmediate(() => appendFileSync(report, `written, ${stdout.lost + stderr.lost} lost\n`));
