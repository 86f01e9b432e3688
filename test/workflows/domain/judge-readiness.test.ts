import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeReadiness } from '../../../workflows/domain/describe-readiness.ts';
import { judgeReadiness, unknownReadiness } from '../../../workflows/domain/judge-readiness.ts';
import type { ProblemKind, ReadinessFacts, SourceReadiness, Verdict } from '../../../workflows/domain/readiness.ts';
import { hours, minutes } from '../../../workflows/domain/units.ts';
import { readyFacts } from '../stub-activities.ts';

const facts = (change: Partial<ReadinessFacts>): ReadinessFacts => ({ ...readyFacts, ...change });
const source = (change: Partial<SourceReadiness>): ReadinessFacts => facts({ sources: [{ ...readyFacts.sources[0]!, ...change }] });
const gap = { timeline: 't00000001', from: '1763694000-0000000001', to: '1763694100-0000000001', why: 'the log rolled over' };

test('a system that stands as it should is ready, and says so at a glance', () => {
  const readiness = judgeReadiness(readyFacts);
  assert.deepEqual([readiness.verdict, readiness.problems, readiness.rpoMs], ['ready', [], 1_000]);
  const { heading, lines } = describeReadiness(readiness);
  assert.match(heading, /^demo: READY {3}if disaster struck now: service back in 2m00s of .*, 1\.0s of writes lost/);
  assert.match(lines.join('\n'), /documents: newest recovery point 2026-11-21T03:10:00.000Z, loss now 1\.0s[^]*forecast RTO: 2m00s of[^]*last drill: passed at 2026-11-20T10:00:00.000Z/);
});

const cases: [string, ReadinessFacts, ProblemKind, Exclude<Verdict, 'ready'>, RegExp][] = [
  ['no good point', source({ newest: null, base: null, rpoMs: null, rpoNote: 'there is no recovery point' }), 'point', 'not ready', /nothing could be recovered/],
  ['loss past the objective', source({ rpoMs: hours(3) }), 'rpo', 'at risk', /3h00m of writes would be lost, past the objective/],
  ['a source that does not answer', source({ rpoMs: null, rpoNote: 'the source does not answer; the log reaches X' }), 'rpo', 'at risk', /nobody knows what would be lost: the source does not answer/],
  ['an open gap', source({ openGaps: [gap], gaps: 1 }), 'gap', 'at risk', /log is lost from .*the log rolled over/],
  ['a base that did not come', source({ baseDueAt: '2026-11-21T02:00:00.000Z' }), 'base', 'at risk', /one was due at 2026-11-21T02:00:00.000Z/],
  ['a store that was changed', source({ lost: ['base B1 was there, and is gone'] }), 'bucket', 'at risk', /THE STORE WAS CHANGED.*base B1/],
  ['what is not believed', source({ disbelieved: [{ key: 'k', why: 'signed by nobody' }] }), 'bucket', 'at risk', /not believed: k: signed by nobody/],
  ['a forecast past the objective', facts({ forecastMs: hours(9) }), 'rto', 'at risk', /service would be back after 9h00m/],
  ['a drill that failed', facts({ lastDrill: { ...readyFacts.lastDrill!, result: 'failed', why: 'step restore: ReplayFailed' } }), 'drill', 'at risk', /the last drill failed: step restore/],
  ['a drill that did not come', facts({ drillsOverdue: [{ schedule: 'demo/quarterly', dueAt: '2026-10-05T09:00:00.000Z' }] }), 'drill', 'at risk', /no drill of demo\/quarterly since it was due/],
  ['a missing program', facts({ findings: [{ effect: 'fails', type: 'ToolMissing', message: 'mongod is not found', hint: 'install it' }] }), 'tool', 'not ready', /mongod is not found/],
  ['a right that is missing', facts({ findings: [{ effect: 'fails', type: 'NotPermitted', message: 'may not write', hint: null }] }), 'permission', 'not ready', /may not write/],
  ['nobody who could approve', facts({ findings: [{ effect: 'fails', type: 'BadSystemFile', message: 'gate "x" would stay shut', hint: null, about: 'people' }] }), 'people', 'not ready', /stay shut/],
  ['a server that is set up against a recovery', facts({ findings: [{ about: 'server', effect: 'warns', type: 'Unsupported', message: 'postgresql.conf lies outside', hint: null }] }), 'tool', 'at risk', /lies outside/],
  ['a clock that is ahead', facts({ clocks: [{ of: 'the store', aheadMs: hours(6) }] }), 'clock', 'at risk', /6h00m ahead of that of the store/],
  ['a clock that is behind', facts({ clocks: [{ of: 'Temporal', aheadMs: -hours(6) }] }), 'clock', 'at risk', /6h00m behind that of Temporal/],
  ['what could not be looked at', facts({ unread: [{ what: 'the store', why: 'StoreUnavailable: no answer' }] }), 'check', 'not ready', /the store could not be looked at: StoreUnavailable/],
];

test('each thing that is not as it should be is one problem of its kind, with its verdict', () => {
  for (const [name, of, kind, verdict, text] of cases) {
    const { problems, verdict: said } = judgeReadiness(of);
    const problem = problems.find((one) => one.kind === kind);
    assert.ok(problem, `${name}: ${JSON.stringify(problems)}`);
    assert.match(problem.what, text, name);
    assert.equal(problem.makes, verdict, name);
    assert.equal(said, verdict, name);
  }
});

test('what is within bounds is no problem: a clock minutes off, what is not written yet, an archive that the sources judge', () => {
  const of = facts({
    clocks: [{ of: 'the store', aheadMs: minutes(5) }],
    findings: [{ effect: 'warns', type: 'Unsupported', message: 'stores.mirror: not written yet', hint: null }, { effect: 'warns', type: 'LogGap', message: 'the archive is silent', hint: null }],
  });
  assert.deepEqual(judgeReadiness(of).problems, []);
});

test('a problem that goes on keeps its beginning though its figures change; one that is new begins now; the worst stands first', () => {
  const first = judgeReadiness(source({ rpoMs: hours(3), openGaps: [gap] }));
  const later = { ...source({ rpoMs: hours(4) }), at: '2026-11-21T05:10:00.000Z', findings: [{ effect: 'fails', type: 'ToolMissing', message: 'mongod is not found', hint: null }] } satisfies ReadinessFacts;
  const second = judgeReadiness(later, first.problems);
  assert.deepEqual(second.problems.map(({ kind, since }) => [kind, since]), [['tool', '2026-11-21T05:10:00.000Z'], ['rpo', '2026-11-21T00:10:00.000Z']]);
});

test('a check that came to nothing is not ready, and keeps what was known beside it', () => {
  const before = judgeReadiness(source({ rpoMs: hours(3) }));
  const gone = unknownReadiness(before, { system: 'demo', at: '2026-11-21T04:00:00.000Z', kind: 'file', what: 'systems/demo.yaml is gone' });
  assert.deepEqual([gone.verdict, gone.problems.map(({ kind }) => kind), gone.sources], ['not ready', ['file', 'rpo'], before.sources]);
  assert.equal(unknownReadiness(gone, { system: 'demo', at: '2026-11-21T05:00:00.000Z', kind: 'file', what: 'still gone' }).problems[0]!.since, '2026-11-21T04:00:00.000Z');
});
