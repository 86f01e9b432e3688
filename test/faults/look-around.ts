import assert from 'node:assert/strict';
import { globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { listHolds } from '../../activities/store/holds.ts';
import { readPidFile } from '../../activities/tool/start-server.ts';
import { isErrorType } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { until } from '../harness/until.ts';
import { source, type Bench } from './bench.ts';

/** After every cell: nothing runs that should not, nothing is locked, held or stopped, and the side that serves serves. */
export async function lookAround(bench: Bench): Promise<void> {
  const { stack } = bench;
  const archive = lockIds.archive('demo', source);
  // An archive that was superseded ends by itself.
  const expected = bench.superseded ? [] : bench.spent ? [archive, lockIds.watch('demo', source)] : [archive];
  await until('no workflow is open but the archive, and after a switch the watch on the old side', async () => {
    assert.deepEqual(await stack.open(), expected);
    return true;
  });
  const { store, keys } = await stack.source();
  assert.deepEqual(await listHolds(store, keys, 'demo'), [], 'nothing is held');
  if (!bench.superseded) await stack.archiveIsUpToDate();
  await until('no data plane but the archive’s', () => stack.dataPlanes().length === (bench.superseded ? 0 : 1));
  const workers = stack.running().filter(({ argv }) => argv.some((argument) => argument.endsWith('workers/main.ts')));
  assert.equal(workers.length, 1, 'one worker');
  assert.deepEqual(stack.running().filter(({ pid }) => isStopped(pid)), [], 'nothing is stopped');
  // Superseded, a run leaves its target to who has the command.
  if (!bench.spent && !bench.superseded) assert.equal(readPidFile(bench.standbyPidFile), undefined, 'no restore target runs');
  if (!bench.superseded) await until('the right side serves', async () => {
    const answer = await fetch(`${stack.file.frontDoor.url}/health`);
    return answer.status === 200 && answer.headers.get('x-holdfast-side') === (bench.spent ? 'dr' : 'production');
  });
  requireNoDefect(bench);
  bench.pages.requireNoOther();
  for (const removed of globSync('disk/standby.removed-*', { cwd: stack.home })) rmSync(join(stack.home, removed), { recursive: true, force: true });
}

interface LogLine {
  msg?: string;
  error?: { type: string };
}

/** Whatever failed a try, of whichever work, has a name in our table, though another try mended it; and what the engine of JavaScript throws is a defect wherever it is said. */
function requireNoDefect({ stack }: Bench): void {
  const lines = readFileSync(join(stack.home, 'worker', 'worker.log'), 'utf8').split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
  const defects = lines.filter((line) => {
    const { msg, error } = JSON.parse(line) as LogLine;
    return (msg === 'Activity failed' && !isErrorType(error?.type)) || /\b(Type|Reference|Range|Syntax|Assertion)Error\b|Cannot read propert|is not a function/.test(line);
  });
  assert.deepEqual(defects.map((line) => line.slice(0, 600)), [], 'what fails has a name');
}

function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  } catch {
    return false;
  }
}
