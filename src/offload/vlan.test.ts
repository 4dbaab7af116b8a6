// SPDX-License-Identifier: BSD-3-Clause
// Tags in software against a model that works on lists of tags: packet by packet the same.
import { fc, test } from '@fast-check/vitest';
import { afterAll, describe, expect, it } from 'vitest';
import { MBUF_F_NEEDS_CSUM, Mempool } from '../ethdev/mempool.ts';
import { deviceWith, drain, frame, frameOf, put, rxPlan, sink, TPIDS, txPlan } from './offload.test-help.ts';
import { FilteredRxQueue } from './rx-queues.ts';
import { insertTag, withdrawTag } from './tags.ts';
import { TaggingTxQueue } from './tx-queue.ts';

const pool = new Mempool({ count: 64, hugepages: false });
const pkts = pool.vector(8);
afterAll(() => pool.close());

type Tags = (readonly [tpid: number, tci: number])[];

const tag = fc.tuple(fc.constantFrom(TPIDS.inner, TPIDS.outer), fc.integer({ min: 0, max: 0xffff }));
const tags = fc.array(tag, { maxLength: 2 });
const vlans = fc.uniqueArray(fc.integer({ min: 0, max: 4095 }), { maxLength: 3 });

interface Mode {
  strip: boolean;
  qinqStrip: boolean;
  extend: boolean;
}

/** The tag that is filtered and stripped: its place in the list. */
function vlanPlace(list: Tags, extend: boolean): number {
  const place = extend && list.length === 2 && list[0]?.[0] === TPIDS.outer ? 1 : 0;
  return list[place]?.[0] === TPIDS.inner ? place : -1;
}

/** What is received of a frame with these tags; null: nothing. */
function model(list: Tags, mode: Mode, filter: readonly number[] | null): Tags | null {
  const place = vlanPlace(list, mode.extend);
  if (filter && place >= 0 && !filter.includes((list[place]?.[1] ?? 0) & 0xfff)) return null;
  if (mode.qinqStrip && list.length === 2) return [];
  return mode.strip && place >= 0 ? list.filter((_, i) => i !== place) : list;
}

const bitmap = (ids: readonly number[]) => {
  const bits = new Uint8Array(512);
  for (const id of ids) bits[id >>> 3] |= 1 << (id & 7);
  return bits;
};

describe('received tags', () => {
  test.prop([
    fc.array(tags, { maxLength: 12 }),
    fc.record({ strip: fc.boolean(), qinqStrip: fc.boolean(), extend: fc.boolean() }),
    fc.option(vlans),
  ])('are filtered and stripped as the model does', (lists, mode, filter) => {
    // Some of the filter's own, or nothing would ever pass.
    const all = lists.map((list) =>
      list.map(([tpid, tci], i) => [tpid, i === 0 && filter?.[0] !== undefined ? filter[0] : tci] as const),
    );
    const plan = rxPlan({ vlan: { ...mode, filter: filter && bitmap(filter) } });
    const queue = new FilteredRxQueue(deviceWith(all.map((list) => frame({ tags: list }))), plan, 0);
    const wanted = all.flatMap((list) => {
      const left = model([...list], mode, filter);
      return left ? [frame({ tags: left })] : [];
    });
    expect(drain(queue, pool, pkts)).toEqual(wanted);
    expect(pool.available).toBe(pool.count);
  });

  it('keep the place of an open checksum', () => {
    const plan = rxPlan({ vlan: { strip: true, qinqStrip: false, extend: false, filter: null } });
    const tagged = frame({ tags: [[TPIDS.inner, 5]] });
    const device = deviceWith([tagged]);
    const queue = new FilteredRxQueue(
      {
        burst(into, n) {
          const got = device.burst(into, n);
          for (let i = 0; i < got; i++) {
            pool.olFlags[into.ids[i] ?? 0] = MBUF_F_NEEDS_CSUM;
            pool.csumStart[into.ids[i] ?? 0] = 38;
          }
          return got;
        },
      },
      plan,
      0,
    );
    expect(queue.burst(pkts, 8)).toBe(1);
    expect(pool.csumStart[pkts.ids[0] ?? 0]).toBe(34);
    pool.free(pkts, 0, 1);
  });

  it('of frames that end in them are left alone', () => {
    const plan = rxPlan({ vlan: { strip: true, qinqStrip: true, extend: true, filter: bitmap([]) } });
    const short = [frame({ tags: [[TPIDS.inner, 5]] }).subarray(0, 16), frame().subarray(0, 14)];
    expect(drain(new FilteredRxQueue(deviceWith(short), plan, 0), pool, pkts)).toEqual(short);
  });
});

describe('sent tags', () => {
  test.prop([
    fc.array(tags, { minLength: 1, maxLength: 8 }),
    fc.array(tag, { maxLength: 2 }),
    fc.option(fc.integer({ min: 0, max: 4095 })),
    fc.boolean(),
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 0, max: 8 }),
  ])('are those of the port, or the PVID of packets without', (lists, own, pvid, tagged, first, room) => {
    const plan = txPlan({
      tags: own.map(([tpid, tci]) => ({ tpid, tci })),
      pvid: pvid === null ? null : { tpid: TPIDS.inner, tci: pvid },
    });
    const out = sink(room);
    const queue = new TaggingTxQueue(out.queue, plan, tagged, 8);
    for (const [i, list] of lists.entries()) put(pkts, i, frame({ tags: list }), first);
    const sent = queue.burst(pkts, 0, lists.length);
    const added = (list: Tags): Tags => {
      if (tagged && own.length > 0) return own;
      return pvid !== null && list.length === 0 ? [[TPIDS.inner, pvid]] : [];
    };
    const wanted = lists.map((list) => frame({ tags: [...added(list), ...list] }));
    expect(sent).toBe(Math.min(room, lists.length));
    expect(out.frames).toEqual(wanted.slice(0, sent));
    // The rest is as it was, and is sent with the same tags when it is tried again.
    for (let i = sent; i < lists.length; i++)
      expect(frameOf(pool, pkts.ids[i] ?? 0)).toEqual(frame({ tags: lists[i] ?? [] }));
    pool.free(pkts, sent, lists.length);
    expect(pool.available).toBe(pool.count);
  });

  test.prop([fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 0xffff })])(
    'are withdrawn without a trace',
    (first, tci) => {
      put(pkts, 0, frame(), first);
      const [mbuf = 0] = pkts.ids;
      insertTag(pool, mbuf, TPIDS.inner, tci);
      expect(frameOf(pool, mbuf)).toEqual(frame({ tags: [[TPIDS.inner, tci]] }));
      withdrawTag(pool, mbuf);
      expect(frameOf(pool, mbuf)).toEqual(frame());
      pool.free(pkts, 0, 1);
    },
  );
});
