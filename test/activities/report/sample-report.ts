import type { StepState } from '../../../workflows/domain/run-state.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
const at = (afterSeconds: number): string => new Date(Date.parse('2026-11-21T03:00:05.000Z') + afterSeconds * 1000).toISOString();

const step = (id: string, uses: string, from: number, to: number, budgetSeconds: number): StepState => ({
  id,
  uses,
  title: id,
  needs: [],
  state: 'done',
  attempt: 1,
  budgetMs: budgetSeconds * 1000,
  startedAt: at(from),
  endedAt: at(to),
  elapsedMs: (to - from) * 1000,
  error: null,
  summary: `what came of ${id}`,
  undo: false,
});

/** An invented report of a whole recovery, for tests of what reads reports. */
export const sampleReport = (): RunReport => ({
  format: 1, system: 'demo', title: 'WordNet <demo> & friends', workflowId: 'recover/demo', runId: '0198-aaaa-bbbb', outcome: 'done',
  incidentAt: at(0), finishedAt: at(64), rto: { objectiveMs: 3600_000, achievedMs: 58_300, machineMs: 51_000, humanMs: 7_300, met: true }, rpo: { objectiveMs: 300_000, achievedMs: 1_240, met: true },
  points: [{ system: 'demo', source: 'documents', timeline: 't00000001', limit: '1763717205-0000000001' , reaches: '1763717205-0000000001', reachesAt: at(-1), log: { from: '1763717005-0000000001', slices: 41, storedBytes: 9_123_123 }, base: { timeline: 't00000001', backup: '01HZX0A1B2C3D4', manifest: { key: 'k', versionId: 'v', bytes: 1, sha256: '0'.repeat(64) }, logFrom: '1763717005-0000000001', start: '1763717005-0000000001', end: '1763717005-0000000001', finishedAt: at(-40), documents: 480_000, plainBytes: 190_000_000, storedBytes: 60_000_000, exact: true, why: 'demo' } }],
  fence: { documents: { outcome: 'proved', logReachable: false, evidence: ['Process 4312 of the old primary is gone.', 'Its configuration was moved aside: it cannot be started as it was.', 'A write to 127.0.0.1:27017 was refused: connection refused.'], fencedAt: at(49) } },
  validation: [{ id: 'equality', ok: true, effect: 'gate', claim: 'every collection equals base and log', problems: [], collectionCount: 4, collections: [
    { ns: 'wordnet.synsets', count: 117791, expectedCount: 117791, hashEqual: true, note: null }, { ns: 'wordnet.senses', count: 207235, expectedCount: 207235, hashEqual: true, note: null }, { ns: 'wordnet.words', count: 155583, expectedCount: 155583, hashEqual: true, note: null }, { ns: 'wordnet.edits', count: 9911, expectedCount: 9911, hashEqual: true, note: 'example <b>of a note</b>' } ] }],
  state: { format: 1, system: 'demo', purpose: 'recovery', status: 'done', requestedBy: 'ada', incidentAt: at(0), startedAt: at(1.2), endedAt: at(64), rtoObjectiveMs: 3600_000, rpoObjectiveMs: 300_000, servedAt: at(58.3), humanMs: 7300, forecastMs: 58_000, forecastBasis: null,
    steps: [ step('declare','declare',1.3,1.5,60), step('find-point','find',1.5,2.8,120), step('provision-standby','provision',1.5,3.4,300), step('restore','restore',3.4,14,1200), step('replay','replay',14,19,600), step('build-indexes','indexes',19,26,600), step('validate','validate',26,41,5), step('approve-switch','approval',41,48.3,600), step('fence','fence',48.3,50,120), step('drain','drain',50,51,60), step('switch','switch',51,58.3,300), step('protect','protect',58.3,63.5,300), step('report','report',63.5,64,30) ],
    gates: [{ gate: 'switch', step: 'approve-switch', description: 'May traffic move to the standby?', status: 'approved', quorum: 1, people: [], notRequester: true, openedAt: at(41), closedAt: at(48.3), decisions: [{ by: 'grace', decision: 'approve', reason: 'validated; go', at: at(48.2), proof: 'claimed' }] }],
    journal: [{ at: at(1.3), about: 'run', what: 'started', by: 'ada' }, { at: at(41), about: 'switch', what: 'gate opened', by: null }, { at: at(48.2), about: 'switch', what: 'approved', by: 'grace' }], warnings: [] },
  warnings: ['step validate is over its budget: 15s of 5.0s'],
  writes: { acknowledged: 41_233, lost: 311, newestLostAgeMs: 4, oldestLostAgeMs: 812, unknown: 32, acknowledgedAfterSwitch: 4_021, oldPrimary: 'refused to start: retired by run recover/demo' },
});

/** The same system after a bad night: forty steps, some failed, late, skipped or stuck, names that are long, hours, and past midnight. */
export function sampleBadReport(): RunReport {
  const report = sampleReport();
  const word = 'x'.repeat(90);
  const steps = Array.from({ length: 40 }, (_, index) => step(`restore-collection-group-${index}`, 'restore', 60 + index * 500, 60 + index * 500 + 480, index % 7 === 0 ? 300 : 900));
  Object.assign(steps[5]!, { state: 'failed', attempt: 3, error: { type: 'ToolFailed', message: `no space left on device: ${word}` } });
  Object.assign(steps[11]!, { id: `approve-${'a-long-name-of-a-gate-'.repeat(3)}end`, uses: 'approval' });
  Object.assign(steps[12]!, { state: 'skipped', skippedBy: 'erik', summary: 'skipped by erik: the cache fills itself' });
  Object.assign(steps[38]!, { state: 'stuck' });
  Object.assign(steps[39]!, { state: 'pending', startedAt: null, endedAt: null, elapsedMs: 0, attempt: 0, summary: null });
  const journal = Array.from({ length: 200 }, (_, index) => ({
    at: at(index * 100 + 70_000), about: `restore-collection-group-${index % 40}`,
    what: index % 40 === 5 ? `try ${1 + Math.floor(index / 40)} failed: ToolFailed: no space left on device: ${word}` : 'started', by: index % 50 === 9 ? 'a.very.long.name.of.a.person@subdomain.example.com' : null,
  }));
  Object.assign(report, { outcome: 'failed', finishedAt: at(90_000), rto: { objectiveMs: 3600_000, achievedMs: null, machineMs: 80_000_000, humanMs: 10_000_000, met: null }, rpo: { objectiveMs: 300_000, achievedMs: 7_340_000, met: false }, warnings: Array.from({ length: 12 }, (_, index) => `restore-collection-group-${index}: over its budget of 5m00s, still running ${index === 3 ? word : ''}`) });
  report.validation[0]!.collections = Array.from({ length: 60 }, (_, index) => ({ ns: `${'a_long_database_name'}.${'collection_of_something_'.repeat(index === 7 ? 8 : 1)}${index}`, count: 1_234_567_890, expectedCount: 1_234_567_890, hashEqual: index % 9 !== 4, note: index === 8 ? word : null }));
  report.validation[0]!.ok = false;
  Object.assign(report.state, { purpose: 'recovery', status: 'stuck', severity: 'P1', servedAt: null, endedAt: at(90_000), steps, journal });
  return report;
}

/** A drill of the same system that a schedule asked for: production left alone, what was restored removed. */
export function sampleDrill(startedAt = '2026-11-21T03:00:05.000Z'): RunReport {
  const byMs = Date.parse(startedAt) - Date.parse('2026-11-21T03:00:05.000Z');
  const moved = JSON.parse(JSON.stringify(sampleReport()), (_key, value: unknown) => (typeof value === 'string' && /^20\d\d-\d\d-\d\dT[\d:.]+Z$/.test(value) ? new Date(Date.parse(value) + byMs).toISOString() : value)) as RunReport;
  Object.assign(moved, { fence: {}, cleanup: { documents: { removed: true, summary: 'its server is stopped, its directory deleted' } } });
  Object.assign(moved.state, { purpose: 'drill', requestedBy: 'schedule/demo/weekly', startedAt, servedAt: null, run: `run-${startedAt.slice(0, 10)}` });
  for (const step of moved.state.steps) if (['fence', 'drain', 'switch', 'protect'].includes(step.uses)) Object.assign(step, { state: 'skipped', elapsedMs: 0, summary: 'a drill leaves production alone' });
  delete moved.writes;
  return moved;
}
