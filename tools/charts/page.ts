// SPDX-License-Identifier: BSD-3-Clause
// A page that needs nothing but itself: no request leaves it, and the reader's screen may be light or dark.
import { CHART_STYLE, escapeXml } from './svg.ts';

/** `body` is HTML, `title` text. */
export const htmlPage = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${escapeXml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeXml(title)}</h1>
${body}
</body>
</html>
`;

export const listHtml = (lines: readonly string[]): string =>
  `<ul>${lines.map((line) => `<li>${escapeXml(line)}</li>`).join('')}</ul>`;

/** A link to `json`, which is in the page. */
export const rawData = (name: string, json: string): string =>
  `<p><a download="${escapeXml(name)}" href="data:application/json;base64,${Buffer.from(json).toString('base64')}">All raw data</a> (JSON, in this page)</p>`;

/** A command line as it was typed; an option is not broken at its hyphens. */
export const commandHtml = (command: string): string =>
  `<pre class="command">$ ${command.replace(/\S+|\s+/g, wordHtml)}</pre>`;

const wordHtml = (word: string): string =>
  /-/.test(word) && word.length <= LONGEST_WHOLE ? `<span>${escapeXml(word)}</span>` : escapeXml(word);
/** Characters of a word that stays on one line where the screen is narrow. */
const LONGEST_WHOLE = 32;

export const figureHtml = (svg: string): string => `<figure>${svg}</figure>`;

export interface HtmlTable {
  /** Above it. */
  readonly title?: string;
  readonly head: readonly string[];
  /** As many cells each as the head has; those of the first column are names, the others figures. */
  readonly rows: readonly (readonly string[])[];
  /** Whether the last column has words. */
  readonly remarks?: boolean;
  /** Columns with words besides the first, from 0. */
  readonly words?: readonly number[];
}

export function tableHtml({ title, head, rows, remarks = false, words = [] }: HtmlTable): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell, i) => `<${tag}${words.includes(i) ? ' class="words"' : ''}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  const caption = title === undefined ? '' : `<caption>${escapeXml(title)}</caption>`;
  const body = rows.map((cells) => row(cells, 'td')).join('\n');
  return `<div class="wide"><table${remarks ? ' class="remarks"' : ''}>${caption}
<thead>${row(head, 'th')}</thead>
<tbody>${body}</tbody>
</table></div>`;
}

const STYLE = `
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#222;
overflow-wrap:anywhere}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem;border-top:1px solid #ddd;padding-top:1rem}
pre{font:12.5px/1.3 ui-monospace,"DejaVu Sans Mono",monospace;overflow-x:auto}
.command{background:#f4f4f4;padding:.5rem;white-space:pre-wrap}.command span{white-space:nowrap}.note{color:#a33}
figure{display:inline-block;vertical-align:top;max-width:100%;margin:1rem 1.5rem 1rem 0}
figure svg{max-width:100%;height:auto}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px;overflow-wrap:normal;margin:1rem 0}
th,td{padding:.15rem .8rem;border-bottom:1px solid #ddd;text-align:right;font-variant-numeric:tabular-nums}
td{white-space:nowrap}th:first-child,td:first-child{text-align:left;padding-left:0;min-width:6rem}
td:first-child,.remarks td:last-child,td.words{white-space:normal}.remarks td:last-child,.words{text-align:left}
.remarks td:last-child{min-width:8rem}td.words{min-width:6rem}
th{border-bottom-width:2px}caption{text-align:left;font-weight:600}.under{font-size:13px;white-space:pre-wrap}
@media (prefers-color-scheme:dark){body{background:#1b1d1f;color:#ddd}h2,th,td{border-color:#44484c}
.command{background:#2a2d30}.note{color:#f28b82}a{color:#8ab4f8}}
${CHART_STYLE}`;
