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

const project = join(import.meta.dirname, '..', '..');
const rulesFile = join(project, 'deploy', 'prometheus', 'rules.yml');
const rules = (parse(readFileSync(rulesFile, 'utf8')) as { groups: { rules: { alert: string; expr: string; labels: { severity: string } }[] }[] }).groups.flatMap((group) => group.rules);
const promtool = locateTool('promtool');
const without = promtool ? false : skipWithout('promtool', 'no promtool here (Debian: prometheus)');

/** Series of one minute's step, as promtool writes them; `T` in a value is how many minutes there are. */
type Series = Record<string, string>;
interface Case {
  alert: string;
  /** told by both workers, unless `instance` is among the labels */
  told: Series;
  atMinutes: number;
  /** labels of the alert beside its name and severity; null: it does not fire */
  fires: Record<string, string> | null;
}

const words = { system: 'demo', source: 'words' };
const demo = { system: 'demo' };
const of = 'system="demo", source="words"';
const limits: Series = { [`holdfast_backup_age_limit_seconds{${of}, severity="warning"}`]: '86400xT', [`holdfast_backup_age_limit_seconds{${of}, severity="critical"}`]: '129600xT' };
const taken: Series = { ...limits, [`backup_last_success_timestamp{type="full", ${of}}`]: '0xT' };
const usualSize: Series = { [`holdfast_backup_usual_size_bytes{${of}}`]: '1000xT' };
const usualDuration: Series = { [`holdfast_backup_usual_duration_seconds{${of}}`]: '600xT' };
const hour = 60;

/** A figure that fires beside one that does not: `expr` of the metric, for `atMinutes`. */
const beside = (alert: string, metric: string, [quiet, loud]: [number, number], atMinutes: number, labels: Record<string, string>, more: Series = {}): Case[] => [
  { alert, told: { ...more, [metric]: `${quiet}xT` }, atMinutes, fires: null },
  { alert, told: { ...more, [metric]: `${loud}xT` }, atMinutes, fires: labels },
];
const failing = (operation: string): Case[] => {
  const alert = operation === 'verification' || operation === 'incremental' ? 'VerificationFailed' : 'ScheduledWorkFailed';
  const [failed, done] = ['failed', 'done'].map((how) => `holdfast_last_${how}_timestamp{system="demo", operation="${operation}"}`) as [string, string];
  const labels = { ...demo, operation };
  return [
    { alert, told: { [failed]: '100xT', [done]: '200xT' }, atMinutes: 10, fires: null },
    { alert, told: { [failed]: '300xT', [done]: '200xT' }, atMinutes: 10, fires: labels },
    // It has never been done.
    { alert, told: { [failed]: '300xT' }, atMinutes: 10, fires: labels },
  ];
};

const cases: Case[] = [
  { alert: 'BackupOld', told: taken, atMinutes: 24 * hour + 22, fires: null },
  { alert: 'BackupOld', told: taken, atMinutes: 24 * hour + 32, fires: words },
  { alert: 'BackupFailed', told: taken, atMinutes: 36 * hour + 22, fires: null },
  { alert: 'BackupFailed', told: taken, atMinutes: 36 * hour + 32, fires: words },
  // Then it is told of once, as critical.
  { alert: 'BackupOld', told: taken, atMinutes: 36 * hour + 32, fires: null },
  { alert: 'NoRecentBackups', told: { 'up{job="holdfast"}': '1xT' }, atMinutes: 59, fires: null },
  { alert: 'NoRecentBackups', told: { 'up{job="holdfast"}': '1xT' }, atMinutes: 61, fires: {} },
  { alert: 'NoRecentBackups', told: taken, atMinutes: 90, fires: null },
  ...beside('SourceWithoutBackup', `holdfast_backups{${of}}`, [1, 0], 61, words),
  ...beside('BackupRunFailed', 'holdfast_backup_failures_in_a_row{system="demo"}', [0, 1], 1, demo),
  ...beside('BackupsFailInARow', 'holdfast_backup_failures_in_a_row{system="demo"}', [2, 3], 1, demo),
  ...beside('BackupSuccessLow', 'holdfast_backup_success_ratio{system="demo"}', [0.95, 0.94], 6, demo),
  ...beside('BackupSizeAnomaly', `backup_size_bytes{type="full", ${of}}`, [1500, 1501], 6, words, usualSize),
  ...beside('BackupSizeAnomaly', `backup_size_bytes{type="full", ${of}}`, [500, 499], 6, words, usualSize),
  ...beside('BackupSlow', `backup_duration_seconds{type="full", ${of}}`, [1200, 1201], 6, words, usualDuration),
  ...['verification', 'incremental', 'retention', 'drill', 'backup'].flatMap(failing),
  ...beside('StoreChanged', 'holdfast_problems{system="demo", kind="bucket"}', [0, 1], 1, demo),
  { alert: 'RestoreTestFailed', told: { 'holdfast_last_drill_timestamp{system="demo", result="passed"}': '50xT' }, atMinutes: 1, fires: null },
  { alert: 'RestoreTestFailed', told: { 'holdfast_last_drill_timestamp{system="demo", result="failed"}': '50xT' }, atMinutes: 1, fires: demo },
  { alert: 'DrillMissedObjective', told: { 'holdfast_last_drill_timestamp{system="demo", result="passed"}': '50xT' }, atMinutes: 1, fires: null },
  { alert: 'DrillMissedObjective', told: { 'holdfast_last_drill_timestamp{system="demo", result="missed"}': '50xT' }, atMinutes: 1, fires: demo },
  ...beside('DrillOverdue', 'holdfast_drills_overdue{system="demo"}', [0, 1], 61, demo),
  ...beside('RpoBreached', `holdfast_rpo_seconds{${of}}`, [300, 301], 2, words, { 'holdfast_rpo_objective_seconds{system="demo"}': '300xT' }),
  ...beside('ArchiveStopped', `holdfast_archive_running{${of}}`, [1, 0], 3, words, { [`backup_last_success_timestamp{type="log", ${of}}`]: '0xT' }),
  // Nobody has ever archived its log: a source without one.
  { alert: 'ArchiveStopped', told: { [`holdfast_archive_running{${of}}`]: '0xT' }, atMinutes: 3, fires: null },
  ...beside('LogGap', `holdfast_open_gaps{${of}}`, [0, 1], 1, words),
  ...beside('RtoForecastBreached', 'holdfast_rto_forecast_seconds{system="demo"}', [3600, 3601], 11, demo, { 'holdfast_rto_objective_seconds{system="demo"}': '3600xT' }),
  ...beside('NotReady', 'holdfast_ready{system="demo", verdict="not ready"}', [0, 1], 3, demo),
  { alert: 'ReadinessUnknown', told: { 'holdfast_facts_timestamp{system="demo"}': '0+60xT', 'holdfast_readiness_timestamp{system="demo"}': '0+60xT' }, atMinutes: 120, fires: null },
  { alert: 'ReadinessUnknown', told: { 'holdfast_facts_timestamp{system="demo"}': '0+60xT', 'holdfast_readiness_timestamp{system="demo"}': '0xT' }, atMinutes: 62, fires: demo },
  { alert: 'ReadinessUnknown', told: { 'holdfast_facts_timestamp{system="demo"}': '0+60xT' }, atMinutes: 31, fires: demo },
  ...beside('ClockWrong', 'holdfast_clock_ahead_seconds{system="demo", of="store"}', [600, 601], 6, { ...demo, of: 'store' }),
  ...beside('ClockWrong', 'holdfast_clock_ahead_seconds{system="demo", of="store"}', [-600, -21600], 6, { ...demo, of: 'store' }),
  ...beside('StorageFilling', 'holdfast_storage_used_ratio{system="demo"}', [0.79, 0.8], 6, demo),
  ...beside('StorageFull', 'holdfast_storage_used_ratio{system="demo"}', [0.89, 0.9], 6, demo),
  { alert: 'StorageFilling', told: { 'holdfast_storage_used_ratio{system="demo"}': '0.9xT' }, atMinutes: 6, fires: null },
  ...beside('StorageFullSoon', 'holdfast_storage_days_left{system="demo"}', [14, 13], 61, demo),
  ...beside('StoreUnreachable', 'holdfast_unread{system="demo", what="manifests"}', [0, 1], 11, demo),
  { alert: 'StoreUnreachable', told: { 'holdfast_unread{system="demo", what="schedules"}': '1xT' }, atMinutes: 11, fires: null },
  ...beside('ScheduleStopped', 'holdfast_schedule_stopped{system="demo", schedule="nightly"}', [0, 1], 6, { ...demo, schedule: 'nightly' }),
  ...beside('SchedulePaused', 'holdfast_schedule_paused{system="demo", schedule="nightly"}', [0, 1], 24 * hour + 1, { ...demo, schedule: 'nightly' }),
  ...beside('RunWaits', 'holdfast_open_work{system="demo", purpose="recovery", phase="waiting"}', [0, 1], 11, { ...demo, phase: 'waiting' }),
  ...beside('WorkerNotReady', 'holdfast_worker_ready{role="data", instance="a"}', [1, 0], 6, { role: 'data', instance: 'a' }),
  { alert: 'RoleWithoutWorker', told: Object.fromEntries(['control', 'data', 'archive', 'recover'].map((role) => [`holdfast_worker_ready{role="${role}", instance="a"}`, '1xT'])), atMinutes: 6, fires: null },
  // Of two that had the role neither is ready any more.
  { alert: 'RoleWithoutWorker', told: Object.fromEntries(['control', 'data', 'archive', 'recover'].map((role) => [`holdfast_worker_ready{role="${role}"}`, role === 'archive' ? '0xT' : '1xT'])), atMinutes: 6, fires: { role: 'archive' } },
  { alert: 'RoleWithoutWorker', told: Object.fromEntries(['control', 'data', 'archive'].map((role) => [`holdfast_worker_ready{role="${role}"}`, '1xT'])), atMinutes: 6, fires: { role: 'recover' } },
];

/** Two workers tell the same: that is one alert, not two. */
const byBoth = (series: Series, minutes: number): { series: string; values: string }[] =>
  Object.entries(series).flatMap(([name, values]) => {
    const instances = name.includes('instance=') ? [name] : ['a', 'b'].map((instance) => name.replace(/\}$/, `, instance="${instance}"}`));
    return instances.map((of) => ({ series: of, values: values.replace('T', String(minutes)) }));
  });

test('each alert fires by what it is about, once though two workers tell it, and not by what lies just before', { skip: without }, async (t) => {
  const severity = new Map(rules.map((rule) => [rule.alert, rule.labels.severity]));
  const labelsOf = (labels: Record<string, string>): string => Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(', ');
  const testOf = ({ alert, told, atMinutes, fires }: Case): object => ({
    name: `${alert} at ${atMinutes} minutes`,
    interval: '1m',
    input_series: byBoth(told, atMinutes + 5),
    promql_expr_test: [
      {
        expr: `ALERTS{alertname="${alert}", alertstate="firing"}`,
        eval_time: `${atMinutes}m`,
        exp_samples: fires ? [{ labels: `ALERTS{${labelsOf({ alertname: alert, alertstate: 'firing', severity: severity.get(alert)!, ...fires })}}`, value: 1 }] : [],
      },
    ],
  });
  const directory = tempDir(t);
  // Every rule is evaluated at each step: days of minutes would take minutes.
  const files = [false, true].map((long) => {
    const file = join(directory, `${long ? 'long' : 'short'}.yml`);
    const chosen = cases.filter(({ atMinutes }) => atMinutes > 3 * hour === long);
    writeFileSync(file, stringify({ rule_files: [rulesFile], evaluation_interval: long ? '10m' : '1m', tests: chosen.map(testOf) }));
    return file;
  });
  const ended = await runTool('promtool', ['test', 'rules', ...files]);
  assert.match(ended.stdout, /SUCCESS/);
});

test('every rule has a case that fires it and one that does not, and names only metrics that a worker tells', () => {
  const known = new Set([...metricRows.map(({ name }) => name), 'holdfast_worker_ready']);
  for (const { alert, expr } of rules) {
    const own = cases.filter((one) => one.alert === alert);
    assert.ok(own.some(({ fires }) => fires !== null) && own.some(({ fires }) => fires === null), alert);
    const used = [...expr.matchAll(/\b((?:holdfast|backup)_[a-z_]+)\b/g)].map(([, name]) => name!);
    assert.ok(used.length > 0, alert);
    for (const name of used) assert.ok(known.has(name), `${alert} uses ${name}`);
  }
});

test('docs/metrics.md has every alert, and no other', () => {
  const rows = readFileSync(join(project, 'docs', 'metrics.md'), 'utf8').split('## Alerts')[1]!.split('## ')[0]!;
  assert.deepEqual([...rows.matchAll(/^\| `(\w+)` \|/gm)].map(([, alert]) => alert).sort(), rules.map(({ alert }) => alert).sort());
});
