import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shuffle } from './choose.ts';
import { allCells, cells, nameOf, phaseIds, whyNot } from './matrix.ts';
import { isBuilt, runCells } from './run-cell.ts';

/** No cell is begun after this; one that was begun goes on to its end. */
const beginsWithinMs = 180_000;
/**
 * Cells that `npm run test:faults` has shown green: a new one joins when it was seen to hold, so that this test tells of the
 * product and not of a cell that nobody has watched.
 */
const seen = [
  'worker-killed/backup', 'store-500/archive', 'store-503/seal', 'connection-cut/backup', 'data-plane-killed/restore',
  'worker-killed/index-build', 'worker-stopped/convert', 'worker-killed/fence', 'data-plane-killed/drain',
];
/** What the machine manages in that time, with room: one cell a phase, as far as it goes. */
const seed = Number(process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

test('every cell is either there or has a reason, and both follow from the definitions', () => {
  assert.equal(allCells.length, new Set(allCells.map(nameOf)).size);
  for (const cell of allCells) assert.equal(cells.includes(cell), whyNot(cell) === null);
  for (const phase of phaseIds) assert.ok(cells.some((cell) => cell.phase === phase), `a cell of ${phase}`);
});

test(`a sample of the fault matrix, seed ${seed}: HOLDFAST_SEED=${seed} runs it again`, { timeout: 570_000 }, async (t) => {
  const built = shuffle(cells.filter((cell) => isBuilt(cell) && seen.includes(nameOf(cell))), seed);
  const sample = shuffle(phaseIds, seed).flatMap((phase) => built.filter((cell) => cell.phase === phase).slice(0, 1));
  const endsAt = Date.now() + beginsWithinMs;
  const results = await runCells(sample, ({ outcome, ms, seen, end, error, ...cell }) => {
    t.diagnostic(`${outcome} ${nameOf(cell)} ${Math.round(ms / 1000)} s: ${error ?? `${seen} → ${end}`}`);
  }, () => Date.now() < endsAt);
  assert.ok(results.length > 0);
  assert.deepEqual(results.filter(({ outcome }) => outcome === 'failed').map(({ fault, phase, error }) => [`${fault}/${phase}`, error]), []);
});
