// SPDX-License-Identifier: BSD-3-Clause
// Writes docs/errors.md from the table of codes: npm run docs.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '../../src/errors.ts';

export const ERRORS_PAGE = fileURLToPath(new URL('../../docs/errors.md', import.meta.url));

const HEAD = `# Error codes

Errors that a user can act on are of class \`PmdError\`. The message is one line that names the thing at fault; \`code\` is stable. It is
one of the codes below, or the errno name that a system call, the kernel or the device returned (\`ENOENT\`, \`EBUSY\`, …;
[api.md](api.md#errors) has those that an application meets). This page is generated from \`src/errors.ts\` by \`npm run docs\`.
`;

export function errorsPage(): string {
  const tables = Object.entries(ERROR_CODES).map(([theme, codes]) => {
    const rows = Object.entries(codes).map(
      ([code, [meaning, remedy]]) => `| \`${code}\` | ${meaning} | ${remedy} |`,
    );
    return [`## ${theme}`, '', '| code | meaning | what to do |', '|---|---|---|', ...rows, ''].join('\n');
  });
  return [HEAD, ...tables].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(ERRORS_PAGE, errorsPage());
