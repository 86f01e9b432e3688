import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ruleFor } from '../../../workflows/domain/alert.ts';
import { checkIncidents, incidentsSchema, listenSchema, toIncidentsView } from '../../../workflows/domain/incident-schema.ts';
import { recordOf, totalOf } from '../../../workflows/domain/incident-record.ts';
import { kindOf, type IncidentRun, type IncidentState } from '../../../workflows/domain/incident.ts';
import { renderIncident } from '../../../workflows/domain/render-incident.ts';
import { runbookSchema } from '../../../workflows/domain/runbook.ts';
import { showIncident } from '../../../workflows/incident/show-incident.ts';
import { detailsBytes } from '../../../workflows/runbook/show-details.ts';
import { runbook } from '../stub-activities.ts';

const sources = { documents: {} };
const problems = (system: Partial<Parameters<typeof checkIncidents>[0]>, alerts: object = { down: { match: { alertname: 'Down' }, auto: true } }): string[] => {
  const found: string[] = [];
  const listen = listenSchema.parse({ alertmanager: { token: 'file:t' }, alerts });
  checkIncidents({ runbook, sources, listen, ...system }, (path, message) => found.push(`${path.join('.')}: ${message}`));
  return found;
};
const steps = (...given: object[]) => runbookSchema.parse({ steps: given });
const find = { id: 'find', uses: 'find-recovery-point' };
const approve = { id: 'approve', uses: 'approval', needs: ['find'] };

test('what starts by itself must stop at an approval that always holds, wherever its runbook leads', () => {
  assert.deepEqual(problems({}), []);
  const on = (needs: string[], over: object = {}): object => ({ id: 'switch', uses: 'switch', needs, ...over });
  assert.match(problems({ runbook: steps(find, on(['find'])) })[0]!, /^listen\.alerts\.down\.auto: .*runbook "main" has none$/);
  assert.match(problems({ runbook: steps(find, approve, on(['find'])) })[0]!, /step "switch" of runbook "main" has none before it/, 'beside it is not before it');
  assert.match(problems({ runbook: steps(find, { ...approve, when: { purpose: 'drill' } }, on(['approve'])) })[0]!, /has none/, 'one that is passed over stops nobody');
  assert.deepEqual(problems({ runbook: steps(find, on(['find'], { approval: 'go' })) }), [], 'its own gate');
  assert.deepEqual(problems({ runbook: steps(find, approve, { id: 'fence', uses: 'fence', needs: ['approve'] }, on(['fence'])) }), []);
  const part = { runbooks: { full: steps(find, on(['find'])) }, runbook: steps(find, approve, on(['approve'], { onFailure: { escalate: 'full' } })) };
  assert.match(problems(part)[0]!, /runbook "full" has none/);
  assert.deepEqual(problems(part, { down: { match: { alertname: 'Down' } } }), [], 'a proposal is started by a person');
});

test('rules and owners that fit nothing in the file are found', () => {
  assert.match(problems({}, { down: { match: { alertname: 'Down' }, runbook: 'none' } })[0]!, /^listen\.alerts\.down\.runbook: there is no runbook "none"; known: main/);
  const owners = (of: object) => problems({ incidents: incidentsSchema.parse({ owners: of }), notify: { receivers: { ops: {} } } });
  assert.match(owners({ restor: { role: 'DBA' } })[0]!, /no runbook has a step "restor"/);
  assert.match(owners({ restore: { role: 'DBA', receivers: ['ops', 'pager'] } })[0]!, /no receiver pager under notify; known: ops/);
  const wrong = (typed: unknown): string => String(listenSchema.safeParse(typed).error?.issues[0]?.message);
  assert.match(wrong({ alerts: {} }), /alertmanager or pagerduty/);
  assert.match(wrong({ alertmanager: { token: 'secret' }, alerts: {} }), /a reference/);
  assert.match(wrong({ alertmanager: { token: 'file:t' }, alerts: { all: { match: {} } } }), /everything would match/);
  assert.doesNotMatch(JSON.stringify(toIncidentsView(undefined, listenSchema.parse({ alertmanager: { token: 'file:t' }, alerts: { a: { match: { x: 'y' } } } }))), /file:/);
});

test('the first rule whose every label fits is an alert’s', () => {
  const rules = { exact: { match: { alertname: 'Down', cluster: 'a' } }, part: { match: { alertname: 'Down', cluster: 'a*z' } }, dotted: { match: { alertname: 'a.b*' } } };
  assert.deepEqual([{ alertname: 'Down', cluster: 'a' }, { alertname: 'Down', cluster: 'a.\n.z' }, { alertname: 'Down' }, { alertname: 'Downs', cluster: 'a' }, { alertname: 'a.bc' }, { alertname: 'axbc' }].map((labels) => ruleFor(rules, labels as Record<string, string>)), ['exact', 'part', undefined, undefined, 'dotted', undefined]);
});

const run = (over: Partial<IncidentRun>): IncidentRun => ({ id: 'r1', kind: 'full', runbook: null, status: 'done', why: 'x', by: 'dana', proposedAt: '2026-11-21T03:01:00.000Z', entry: null, workflowId: null, runId: null, steps: [], servedAt: null, endedAt: null, outcome: null, rpo: null, ...over });
const incident = (over: Partial<IncidentState> = {}): IncidentState => ({
  format: 1, id: '01JA', system: 'demo', summary: 'lost', status: 'resolved', severity: 'P1', impact: null, startedAt: '2026-11-21T03:00:00.000Z', openedAt: '2026-11-21T03:01:00.000Z', openedBy: 'dana',
  rtoObjectiveMs: 3_600_000, rpoObjectiveMs: 300_000, nextUpdateAt: null, homeward: [], owners: [], answeredAt: null, ladders: [], alerts: [], runs: [], resolvedAt: '2026-11-21T05:00:00.000Z', resolvedBy: 'dana', review: null, closedAt: '2026-11-21T06:00:00.000Z', journal: [], warnings: [], ...over,
});

test('the time to recovery is until service was back, or until people said that it is over; objectives follow from it', () => {
  const rpo = { objectiveMs: 300_000, achievedMs: 160_000, met: true };
  const recovered = recordOf(incident({ runs: [run({ servedAt: '2026-11-21T03:40:00.000Z', rpo }), run({ status: 'aborted', servedAt: '2026-11-21T03:10:00.000Z' })] }));
  assert.deepEqual([recovered.recoveryMs, recovered.rto.met, recovered.rpo.achievedMs, recovered.rpo.met], [2_400_000, true, 160_000, true]);
  const byHand = recordOf(incident({ review: { by: 'dana', at: 'x', cause: '# a cause', lessons: [], actions: [] } }));
  assert.deepEqual([byHand.recoveryMs, byHand.rto.met, byHand.rpo.met], [7_200_000, false, null]);
  const totals = totalOf([recovered, byHand, recordOf(incident({ resolvedAt: null }))], 3_600_000);
  assert.deepEqual(totals, { incidents: 3, mttrMs: 4_800_000, mttrObjectiveMs: 3_600_000, mttrMet: false, longestMs: 7_200_000, rto: { met: 1, missed: 1 }, rpo: { met: 1, missed: 0, unknown: 2 }, reviewsOwed: 2 });
  assert.equal(totalOf([], null).mttrMs, null);
  assert.ok(renderIncident(byHand).includes('Cause: \\# a cause'));
  assert.deepEqual([undefined, null, 'main', 'cache', 'home'].map((name) => kindOf(name, ['home'])), ['full', 'full', 'full', 'component', 'failback']);
});

/** As much of everything as an incident may have, in words that are `word`. */
function crowded(word: string): IncidentState {
  const words = (length: number): string => word.repeat(length).slice(0, length);
  const at = '2026-11-21T03:00:00.000Z';
  const owners = Array.from({ length: 60 }, (_, n) => ({ step: `step-${n}-${'x'.repeat(50)}`, role: words(80), person: words(100) }));
  const steps = owners.slice(10, 14).map(({ step: id }) => ({ id, state: 'running' as const }));
  const runs = Array.from({ length: 30 }, (_, n) => run({ id: `r${n}`, status: n === 29 ? 'proposed' : 'running', why: words(500), by: words(100), steps }));
  const alerts = Array.from({ length: 100 }, (_, n) => ({ key: `k${n}`, from: 'alertmanager' as const, rule: 'down', name: words(60), summary: words(300), link: null, firing: true, at, lastAt: at, count: n }));
  return incident({
    status: 'identified', summary: words(500), impact: words(500), openedBy: words(100), resolvedAt: null, closedAt: null, nextUpdateAt: '2026-11-21T04:00:00.000Z', owners, runs, alerts,
    journal: Array.from({ length: 200 }, () => ({ at, by: words(100), what: words(500) })), warnings: Array.from({ length: 50 }, () => words(400)),
  });
}

test('however much there is of an incident, its details stay under 4 KB, and say what it is, who owns what runs, by when people hear again and what to send', () => {
  for (const word of ['lost ', 'Ünï ☂ ', '災害']) {
    const text = showIncident(crowded(word), '2026-11-21T03:30:00.000Z');
    assert.ok(Buffer.byteLength(text) <= detailsBytes, `${word}: ${Buffer.byteLength(text)}`);
    assert.match(text, /^\*\*incident demo P1: identified\*\*[^]*\n- what: \*\*[^]*\n- impact: [^]*of 1h00m RTO, breach at 2026-11-21 04:00:00Z[^]*\n- next update due by 2026-11-21 04:00:00Z\n/);
    assert.match(text, /\n- run r29: full, proposed[^]*\n- alerts: 100 of 100 fire: [^]*\n- owner of step-10-x+: .*: \*\*running\*\*\n[^]*signal `start` with `\{"run": "r29"[^]*signal `update`[^]*signal `resolve`/);
  }
  const small = showIncident(incident({ journal: [{ at: '2026-11-21T03:02:00.000Z', by: 'dana', what: 'we look' }] }), '2026-11-21T03:30:00.000Z');
  assert.match(small, /\n\n- 2026-11-21 03:02:00Z dana: we look$/, 'where there is room the journal is there');
});
