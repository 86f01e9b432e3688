import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dealIndexes } from '../../../../activities/engines/postgres/deal-indexes.ts';

const entry = (id: number, oid: number, name: string) => ({ line: `${id}; 0 ${oid} ${name}`, id: String(id), oid: String(oid), name });

test('indexes and keys are dealt by their tables, the largest first, small ones together; what needs more than one table is left for afterwards', () => {
  const tables = [entry(1, 101, 'TABLE public small app'), entry(2, 102, 'TABLE public large app'), entry(3, 103, 'TABLE public tiny app'), entry(4, 104, 'MATERIALIZED VIEW public seen app')];
  const later = [
    entry(11, 201, 'CONSTRAINT public small small_pkey app'),
    entry(12, 202, 'CONSTRAINT public large large_pkey app'),
    entry(13, 203, 'INDEX public large_by_day app'),
    entry(14, 204, 'INDEX public tiny_by_day app'),
    entry(15, 205, 'INDEX public seen_by_day app'),
    entry(16, 206, 'MATERIALIZED VIEW public late app'),
    entry(17, 207, 'INDEX public late_by_day app'),
    entry(18, 208, 'INDEX ATTACH public tiny_by_day app'),
    entry(19, 209, 'FK CONSTRAINT public small small_large_fkey app'),
  ];
  const needs: Record<string, string[]> = { 11: ['1', '1'], 12: ['2'], 13: ['2'], 14: ['3'], 15: ['4'], 16: ['12'], 17: ['2', '16'], 18: ['3', '14'], 19: ['1', '2', '12'] };
  const needed = new Map([...tables, ...later].map((one) => [one.id, { entry: one, needs: needs[one.id] ?? [] }]));
  const bytes: Record<string, number> = { 101: 40 << 20, 102: 1 << 30, 103: 30 << 20 };
  const dealt = (): [string, string[]][] => dealIndexes(later, needed, (table) => bytes[table] ?? 0).batches.map(({ note, entries }) => [note, entries.map(({ id }) => id)]);
  assert.deepEqual(dealt(), [['indexes of 102', ['12', '13']], ['indexes of 101', ['11']], ['indexes of 103', ['14']]]);
  assert.deepEqual(dealIndexes(later, needed, () => 0).rest.map(({ id }) => id), ['15', '16', '17', '18', '19']);
  bytes[103] = 20 << 20;
  assert.deepEqual(dealt(), [['indexes of 102', ['12', '13']], ['indexes of 101', ['11', '14']]]);
});
