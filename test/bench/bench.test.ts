import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTool } from '../../activities/tool/run-tool.ts';
import { drawChart } from './chart.ts';
import type { Figure } from './figures.ts';
import type { BenchLine } from './line.ts';
import { dumpTool, restoreTool } from './peers.ts';

const program = join(import.meta.dirname, 'main.ts');

test('every bench goes through on a few MiB, one JSON object a line; a ratio is that of the two times, and there is none without a peer', { timeout: 500_000 }, async () => {
  const { stdout } = await runTool('node', [program, 'all', '--quick', '--json']);
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as BenchLine);
  assert.deepEqual([...new Set(lines.map(({ bench }) => bench))], ['backup', 'restore', 'replay', 'pitr', 'archive', 'source-impact']);
  for (const line of lines) {
    assert.ok(line.oursMs > 0 && line.oursSpreadMs[0] <= line.oursMs && line.oursMs <= line.oursSpreadMs[1], JSON.stringify(line));
    assert.equal(line.ratio, line.peerMs === null ? null : line.peerMs / line.oursMs);
    assert.equal(line.peer === null, line.peerMs === null);
    if (line.bench === 'archive') assert.equal(line.peer, null);
    else assert.equal(line.peer !== null, (['backup', 'source-impact'].includes(line.bench) ? dumpTool() : restoreTool() && dumpTool()) !== undefined, line.bench);
    if (line.bench === 'replay') assert.ok(line.entries > 0 && line.bytes > 0);
  }
  assert.equal(drawChart(lines).match(/×/g)?.length ?? 0, lines.filter(({ peer }) => peer !== null).length);
});

test('three systems, then eight, are applied, applied again without a change, archived, and start what they are scheduled for; none of it is missing', { timeout: 300_000 }, async () => {
  const { stdout } = await runTool('node', [program, 'systems', '--quick', '--json']);
  // The development server says where it is, on the same standard output.
  const figures = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Figure);
  const value = (of: RegExp): number => figures.find((figure) => of.test(figure.of))!.value;
  // That all is there, and all starts end well, the bench itself insists on.
  assert.equal(new Set(figures.map(({ of, unit }) => `${of} ${unit ?? ''}`)).size, figures.length, 'each figure is said once');
  assert.ok(value(/^3 systems: apply$/) > 0 && value(/^8 systems: apply of 5 more$/) > 0);
  assert.ok(value(/^8 systems: 8 backups due in the same second: done after, the last/) > 0);
  assert.ok(value(/^8 systems: .*same second: started late by, p99/) < 60_000);
  assert.ok(value(/^8 systems: history of an archive, at most/) < 200);
});
