// SPDX-License-Identifier: BSD-3-Clause
// A suite's text as HTML: every cell is there, and words stand on the left.
import { expect, it } from 'vitest';
import { render } from '../report.ts';
import { boxesHtml } from './boxes.ts';

it('makes tables of boxes and keeps other lines', () => {
  const box = render(
    ['case', 'against', 'Mpps <1>'],
    [
      ['rx-64', 'OVS', '9.10'],
      ['relay', 'net_vhost', '123.45*'],
    ],
    [0, 1],
  );
  expect(boxesHtml(`Throughput\n${box}\na & b`)).toBe(`<p class="under">Throughput</p>
<div class="wide"><table>
<thead><tr><th class="words">case</th><th class="words">against</th><th>Mpps &lt;1&gt;</th></tr></thead>
<tbody><tr><td class="words">rx-64</td><td class="words">OVS</td><td>9.10</td></tr>
<tr><td class="words">relay</td><td class="words">net_vhost</td><td>123.45*</td></tr></tbody>
</table></div>
<p class="under">a &amp; b</p>`);
});

it('leaves text without a box as it is', () => {
  expect(boxesHtml('no command in common')).toBe('<p class="under">no command in common</p>');
});
