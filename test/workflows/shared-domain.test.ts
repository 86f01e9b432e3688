import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLab } from './lab.ts';

test('what domain/ holds is made once for all runs of a worker: a run meets what another has met, can parse by it, and cannot change it', { timeout: 120_000 }, async (t) => {
  const { start } = await openLab(t, {}, [join(import.meta.dirname, 'touch-domain.ts')]);
  const tell = async (who: string): Promise<unknown> => await (await start('listRecoveryPoints', who, who)).result();
  const first = await tell('first');
  const second = await tell('second');
  const rest = { parsed: false, changed: 'TypeError' };
  // The only trace that a run can leave is on a schema itself; nothing of ours writes there, and it is how this test knows the two to be one.
  assert.deepEqual([first, second], [{ touchedBy: ['first'], ...rest }, { touchedBy: ['first', 'second'], ...rest }]);
});
