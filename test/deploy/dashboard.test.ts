import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { locateTool } from '../../activities/tool/find-tool.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { metricRows } from '../../workers/watch/metrics.ts';
import { skipWithout } from '../harness/required-parts.ts';
import { tempDir } from '../harness/temp-dir.ts';

// No Grafana is at hand: the file is checked, not what it looks like.
const project = join(import.meta.dirname, '..', '..');
const dashboard = JSON.parse(readFileSync(join(project, 'deploy', 'grafana', 'holdfast.json'), 'utf8')) as { panels: { title: string; targets: { expr: string; datasource: { uid: string } }[]; gridPos: { x: number; y: number; w: number; h: number } }[] };
const queries = dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr: expr.replaceAll('$system', '.*') })));

test('every panel asks for metrics that a worker tells, by labels that they have', () => {
  const labels = new Map([...metricRows.map(({ name, labels: own }) => [name, [...own, 'instance']] as const), ['holdfast_worker_ready', ['role', 'instance']] as const]);
  for (const { title, expr } of queries) {
    const used = [...expr.matchAll(/\b((?:holdfast|backup)_[a-z_]+)\b/g)].map(([, name]) => name!);
    assert.ok(used.length > 0, title);
    const asked = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(', '));
    for (const name of used) {
      assert.ok(labels.has(name), `${title}: ${name}`);
      for (const label of asked) assert.ok(labels.get(name)!.includes(label), `${title}: ${name} has no label ${label}`);
    }
  }
});

test('every query is one that Prometheus understands', { skip: locateTool('promtool') ? false : skipWithout('promtool', 'no promtool here (Debian: prometheus)') }, async (t) => {
  const file = join(tempDir(t), 'queries.yml');
  writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules: queries.map(({ expr }, n) => ({ record: `query:${n}`, expr })) }] }));
  assert.match((await runTool('promtool', ['check', 'rules', file])).stdout, new RegExp(`${queries.length} rules found`));
});

test('no panel lies over another, and all ask the data source that docker-compose.yml provisions', () => {
  const taken = new Map<string, string>();
  for (const { title, gridPos: { x, y, w, h } } of dashboard.panels) {
    assert.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column += 1) {
      for (let row = y; row < y + h; row += 1) {
        assert.equal(taken.get(`${column} ${row}`), undefined, title);
        taken.set(`${column} ${row}`, title);
      }
    }
  }
  const { configs } = parse(readFileSync(join(project, 'docker-compose.yml'), 'utf8'), { merge: true }) as { configs: Record<string, { content?: string }> };
  const { datasources } = parse(configs['grafana-datasources']!.content!) as { datasources: { uid: string }[] };
  for (const { targets } of dashboard.panels) for (const { datasource } of targets) assert.equal(datasource.uid, datasources[0]!.uid);
});
