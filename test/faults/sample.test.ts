import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleSeed as seed } from '../harness/sample.ts';
import { shuffle } from './choose.ts';
import { allCells, cells, nameOf, phaseIds, whyNot } from './matrix.ts';
import { isBuilt, runCells } from './run-cell.ts';
import { seen } from './seen.ts';

/** No cell is begun after this; one that was begun goes on to its end. */
const beginsWithinMs = 60_000;

test('every cell is either there or has a reason, and both follow from the definitions', () => {
  assert.equal(allCells.length, new Set(allCells.map(nameOf)).size);
  for (const cell of allCells) assert.equal(cells.includes(cell), whyNot(cell) === null);
  for (const phase of phaseIds) assert.ok(cells.some((cell) => cell.phase === phase), `a cell of ${phase}`);
  for (const phase of phaseIds) for (const fault of seen[phase]) assert.equal(whyNot({ fault, phase }), null, `${fault}/${phase} was seen, so it is there`);
});

test(`a sample of the fault matrix, seed ${seed}: HOLDFAST_SEED=${seed} runs it again`, { timeout: 570_000 }, async (t) => {
  const built = shuffle(cells.filter((cell) => isBuilt(cell) && seen[cell.phase].includes(cell.fault)), seed);
  const sample = shuffle(phaseIds, seed).flatMap((phase) => built.filter((cell) => cell.phase === phase).slice(0, 1));
  const endsAt = Date.now() + beginsWithinMs;
  const results = await runCells(sample, ({ outcome, ms, seen: told, end, error, ...cell }) => {
    t.diagnostic(`${outcome} ${nameOf(cell)} ${Math.round(ms / 1000)} s: ${error ?? `${told} → ${end}`}`);
  }, () => Date.now() < endsAt);
  assert.ok(results.length > 0);
  assert.deepEqual(results.filter(({ outcome }) => outcome === 'failed' || outcome === 'no stack').map(({ fault, phase, error }) => [`${fault}/${phase}`, error]), []);
});
