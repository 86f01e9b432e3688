import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lane, lanesFor } from '../../../scripts/demo/lane.ts';
import { compareLedger, type Change, type LedgerLine, type Recovered } from '../../../scripts/demo/ledger.ts';
import { dice } from '../../faults/choose.ts';

const incidentAtMs = Date.parse('2026-11-21T03:00:10.000Z');

/** A ledger of one lane; operation n is answered n seconds after 03:00:00. */
function lane(...operations: [string, LedgerLine['outcome']?][]): LedgerLine[] {
  return operations.map(([text, outcome = 'acknowledged'], index) => {
    const at = new Date(Date.parse('2026-11-21T03:00:00.000Z') + (index + 1) * 1000).toISOString();
    const changes = text.split(' + ').map((one) => {
      const [change, key, rev] = one.split(' ');
      return { change: change as Change, key: key!, rev: Number(rev) };
    });
    return { seq: index + 1, lane: 1, changes, outcome, side: outcome === 'acknowledged' ? 'production' : null, sentAt: at, at };
  });
}

const holding = (documents: Record<string, number>): Recovered => new Map(Object.entries(documents));
const compare = (lines: LedgerLine[], documents: Record<string, number>) => compareLedger(lines, 'production', holding(documents), incidentAtMs);

test('a ledger whose every write stands in the data loses nothing', () => {
  const result = compare(lane(['insert a 1'], ['update a 2'], ['insert b 1'], ['delete a 3'], ['update b 2']), { b: 2 });
  assert.deepEqual(
    { acknowledged: result.acknowledged, lost: result.lost, newest: result.newestLostAgeMs, torn: result.torn, violations: result.violations },
    { acknowledged: 5, lost: 0, newest: null, torn: 0, violations: [] },
  );
});

test('a lost insert is found, with its age at the incident', () => {
  const result = compare(lane(['insert a 1'], ['insert b 1']), { a: 1 });
  assert.equal(result.lost, 1);
  assert.equal(result.newestLostAgeMs, 8000);
  assert.deepEqual(result.examples.map(({ key, change, rev }) => ({ key, change, rev })), [{ key: 'b', change: 'insert', rev: 1 }]);
});

test('each lost update counts, and ages name the newest and the oldest', () => {
  const result = compare(lane(['insert a 1'], ['update a 2'], ['update a 3'], ['update a 4']), { a: 1 });
  assert.equal(result.lost, 3);
  assert.equal(result.newestLostAgeMs, 6000);
  assert.equal(result.oldestLostAgeMs, 8000);
});

test('a lost delete is found: the document still stands', () => {
  const result = compare(lane(['insert a 1'], ['delete a 2']), { a: 1 });
  assert.equal(result.lost, 1);
  assert.equal(result.examples[0]?.change, 'delete');
});

test('an insert and a delete that were both lost count as lost, though no document shows it', () => {
  const result = compare(lane(['insert a 1'], ['insert b 1'], ['delete b 2']), { a: 1 });
  assert.equal(result.lost, 2);
});

test('a deleted key counts as deleted when a later write of its lane is there', () => {
  const result = compare(lane(['insert a 1'], ['delete a 2'], ['insert b 1']), { b: 1 });
  assert.equal(result.lost, 0);
});

test('a delete at the end of a lane is there when its key certainly was and is gone', () => {
  assert.equal(compare(lane(['insert a 1'], ['insert b 1'], ['delete a 2']), { b: 1 }).lost, 0);
});

test('a hole in the middle is found even where later writes of the lane are there', () => {
  const result = compare(lane(['insert a 1'], ['insert b 1'], ['insert c 1']), { a: 1, c: 1 });
  assert.equal(result.lost, 1);
  assert.equal(result.examples[0]?.key, 'b');
});

test('an operation of unknown outcome is never lost, whether it is there or not', () => {
  for (const documents of [{ a: 1 }, { a: 2 }]) {
    const result = compare(lane(['insert a 1'], ['update a 2', 'unknown']), documents);
    assert.deepEqual({ acknowledged: result.acknowledged, lost: result.lost, unknown: result.unknown }, { acknowledged: 1, lost: 0, unknown: 1 });
  }
});

test('a key that an unknown delete may have removed counts by its lane: earlier writes are not lost when later ones are there', () => {
  const lines = lane(['insert a 1'], ['delete a 2', 'unknown'], ['insert b 1']);
  assert.equal(compare(lines, { b: 1 }).lost, 0);
  assert.equal(compare(lines, {}).lost, 2);
});

test('half a transaction is lost, and named torn', () => {
  const result = compare(lane(['insert a 1'], ['update a 2 + insert b 1'], ['insert c 1']), { a: 2, c: 1 });
  assert.equal(result.lost, 1);
  assert.equal(result.torn, 1);
});

test('a transaction that is there counts once', () => {
  const result = compare(lane(['insert a 1'], ['update a 2 + insert b 1']), { a: 2, b: 1 });
  assert.deepEqual({ acknowledged: result.acknowledged, lost: result.lost, torn: result.torn }, { acknowledged: 2, lost: 0, torn: 0 });
});

test('half a transaction of unknown outcome is torn, though nothing acknowledged is lost', () => {
  const result = compare(lane(['insert a 1'], ['update a 2 + insert b 1', 'unknown']), { a: 2 });
  assert.deepEqual({ lost: result.lost, torn: result.torn }, { lost: 0, torn: 1 });
});

test('a refused operation did nothing and is no evidence', () => {
  const result = compare(lane(['insert a 1'], ['update a 2', 'refused']), { a: 1 });
  assert.deepEqual({ lost: result.lost, refused: result.refused, violations: result.violations }, { lost: 0, refused: 1, violations: [] });
});

test('a ledger that breaks its own rules says so', () => {
  const [first, second] = lane(['insert a 1'], ['update a 3']);
  assert.match(compare([first!, second!], { a: 3 }).violations.join(), /rev 3 follows rev 1/);
  assert.match(compare(lane(['insert a 1', 'unknown'], ['update a 2']), { a: 2 }).violations.join(), /written after an operation that was unknown/);
  assert.match(compare([first!, { ...lane(['update a 2'])[0]!, lane: 2 }], { a: 2 }).violations.join(), /written by lanes 1 and 2/);
});

test('an acknowledgement read just after the incident has age 0', () => {
  const line = { ...lane(['insert a 1'])[0]!, at: '2026-11-21T03:00:10.020Z' };
  assert.equal(compare([line], {}).newestLostAgeMs, 0);
});

test('each side is judged by its own acknowledgements: what the new side holds does not vouch for the old one', () => {
  const old = lane(['insert a 1'], ['insert b 1'], ['delete b 2']);
  const moved = lane(['insert x 1'], ['insert c 1']).map((line, index) => ({ ...line, seq: 10 + index, side: 'dr', changes: [{ ...line.changes[0]!, key: `new${index}` }] }));
  const documents = holding({ a: 1, new0: 1 });
  assert.deepEqual(
    [compareLedger([...old, ...moved], 'production', documents, incidentAtMs), compareLedger([...old, ...moved], 'dr', documents, incidentAtMs)].map(({ acknowledged, lost }) => ({ acknowledged, lost })),
    [{ acknowledged: 3, lost: 2 }, { acknowledged: 2, lost: 1 }],
  );
});

test('a key that both sides acknowledged breaks the ledger’s rules', () => {
  const lines = lane(['insert a 1'], ['update a 2']);
  lines[1]!.side = 'dr';
  assert.match(compare(lines, { a: 2 }).violations.join(), /acknowledged by production and by dr/);
});

test('an insert and a delete at the very end leave nothing to see, so a lane ends with an insert that shows them done', () => {
  const ending = [['insert a 1'], ['insert b 1'], ['delete b 2']] as [string][];
  assert.equal(compare(lane(...ending), { a: 1 }).lost, 2);
  const last = new Lane(1, 'p').last().changes[0]!;
  assert.equal(last.change, 'insert');
  assert.equal(compare(lane(...ending, [`insert ${last.key} ${last.rev}`]), { a: 1, [last.key]: last.rev }).lost, 0);
});

/** Writes that were all acknowledged in turn, of which the last half second is not in the data. @returns how old the oldest is that counts as lost. */
function oldestLostAt(rate: number, lanesOf: number, random: () => number): number {
  const seconds = 20;
  const lanes = Array.from({ length: lanesOf }, (_, index) => new Lane(index, 'w', random));
  const documents = new Map<string, number>();
  const lines = Array.from({ length: rate * seconds }, (_, index): LedgerLine => {
    const operation = lanes[index % lanesOf]!.next();
    const at = new Date(incidentAtMs - seconds * 1000 + Math.round((index / rate) * 1000)).toISOString();
    lanes[operation.lane]!.settle(operation, true);
    for (const { change, key, rev } of index < rate * (seconds - 0.5) ? operation.changes : []) {
      if (change === 'delete') documents.delete(key);
      else documents.set(key, rev);
    }
    return { ...operation, outcome: 'acknowledged', side: 'production', sentAt: at, at };
  });
  return compareLedger(lines, 'production', documents, incidentAtMs).oldestLostAgeMs!;
}

test('at any rate the lanes write often enough that what is there is seen to be: of too many it would count as lost for seconds', () => {
  const oldest = (rate: number, lanes: number): number => Math.max(...Array.from({ length: 8 }, (_, seed) => oldestLostAt(rate, lanes, dice(seed + 1))));
  for (const rate of [40, 80, 650]) assert.ok(oldest(rate, lanesFor(rate)) <= 2_500, `${rate} a second: ${oldest(rate, lanesFor(rate))} ms`);
  assert.ok(oldest(40, 96) > 5_000);
});
