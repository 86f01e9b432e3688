import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lane } from '../../../scripts/demo/lane.ts';
import { compareLedger, type LedgerLine } from '../../../scripts/demo/ledger.ts';
import { dice } from '../../faults/choose.ts';

/** Runs lanes against a database of our own that takes operations whole, in order, until it dies; some answers get lost. */
function write(seed: number, diesAfter: number): { lines: LedgerLine[]; acknowledgedAfter: Set<string>; documents: Map<string, number>; applied: Map<string, number>[] } {
  const random = dice(seed);
  const documents = new Map<string, number>();
  const applied: Map<string, number>[] = [new Map()];
  const lines: LedgerLine[] = [];
  const acknowledgedAfter = new Set<string>();
  const lanes = [1, 2, 3].map((lane) => new Lane(lane, 'w', random));
  for (let n = 0; n < diesAfter; n += 1) {
    const lane = lanes[n % lanes.length]!;
    const operation = lane.next();
    const isLost = random() < 0.02;
    const isApplied = !isLost || random() < 0.5;
    if (isApplied) {
      for (const { change, key, rev } of operation.changes) {
        if (change === 'delete') documents.delete(key);
        else documents.set(key, rev);
      }
      applied.push(new Map(documents));
    }
    const at = new Date(n * 10).toISOString();
    lines.push({ ...operation, outcome: isLost ? 'unknown' : 'acknowledged', side: isLost ? null : 'production', sentAt: at, at });
    if (!isLost) acknowledgedAfter.add(`${operation.lane}/${operation.seq}@${applied.length - 1}`);
    lane.settle(operation, !isLost);
  }
  return { lines, acknowledgedAfter, documents, applied };
}

for (const seed of [1, 7, 42, 1234, 99_991]) {
  test(`seed ${seed}: a database that lost nothing loses nothing, and the ledger keeps its own rules`, () => {
    const { lines, documents } = write(seed, 600);
    const result = compareLedger(lines, 'production', documents, 6_000);
    assert.deepEqual({ lost: result.lost, torn: result.torn, violations: result.violations }, { lost: 0, torn: 0, violations: [] });
  });

  test(`seed ${seed}: whatever the recovered prefix, every acknowledged operation behind it counts as lost and, but for the newest of each lane, none before it`, () => {
    const { lines, acknowledgedAfter, applied } = write(seed, 600);
    for (const prefix of [100, 300, 500, applied.length - 3]) {
      const reallyLost = [...acknowledgedAfter].filter((entry) => Number(entry.split('@')[1]) > prefix).length;
      const result = compareLedger(lines, 'production', applied[prefix]!, 6_000);
      assert.ok(result.lost >= reallyLost, `lost ${result.lost}, really ${reallyLost} (prefix ${prefix})`);
      // A key that was made and deleted behind the newest write that stands in its lane: nothing can vouch for it, it counts as lost.
      assert.ok(result.lost <= reallyLost + 15, `lost ${result.lost}, really ${reallyLost} (prefix ${prefix})`);
      assert.equal(result.torn, 0);
    }
  });
}
