import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSystemFile } from '../../../activities/system-files.ts';
import { describeAccess, reportAccess } from '../../../workflows/domain/access-report.ts';
import { peopleSchema } from '../../../workflows/domain/people.ts';
import { permissions } from '../../../workflows/domain/permissions.ts';
import type { GateState, RunState } from '../../../workflows/domain/run-state.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { sampleReport } from '../../activities/report/sample-report.ts';

const at = '2026-11-21T04:00:00.000Z';
const { system: demo } = await loadSystemFile('demo');
const people = peopleSchema.parse({
  ada: { name: 'Ada Admin', roles: ['administrator'], totp: 'file:ada', publicKey: 'file:ada.pub' },
  dana: { roles: ['dr-team'] },
  sara: { roles: ['security', 'auditor'] },
  carl: { name: 'Carl', roles: [] },
});
const file: System = {
  ...demo,
  people,
  approvals: {
    'approve-switch': { description: 'May it?', quorum: 2, people: ['Ada Admin', 'sara'], roles: ['dr-team'], notRequester: true, proof: 'any' },
    'read-logs': { description: 'Were they read?', quorum: 1, people: [], roles: ['auditor'], notRequester: false },
    'approve-return': { description: 'May it?', quorum: 1, people: [], notRequester: false },
  },
};
const gate = (over: Partial<GateState>): GateState => ({ gate: 'approve-switch', step: 's', description: '', status: 'open', quorum: 1, people: [], notRequester: true, openedAt: at, closedAt: null, decisions: [], ...over });
const running = (...gates: GateState[]): RunState => ({ ...sampleReport().state, requestedBy: 'dana', gates });
const linesOf = (of: Partial<Parameters<typeof reportAccess>[0]> = {}): string[] => describeAccess(reportAccess({ file, run: null, unread: null, at, ...of })).split('\n');

test('the report says of each person what they may, alone and by elevation, what proves them, and which gates they answer', () => {
  const all = Object.keys(permissions);
  const team = ['recover', 'take-data-out', 'take-over', 'import', 'export', 'elevate', 'read-audit', 'dispose', 'rotate'];
  assert.deepEqual(linesOf().filter((line) => !line.startsWith('act ')), [
    `access to demo at ${at}`,
    'ada  Ada Admin  administrator  proof: totp, signature',
    `  may ${all.join(', ')}`,
    '  answers approve-switch',
    'dana  dana  dr-team  proof: none, only claimed',
    `  may ${all.filter((act) => !team.includes(act)).join(', ')}; by elevation recover, take-data-out`,
    '  answers approve-switch',
    'sara  sara  security, auditor  proof: none, only claimed',
    '  may verify, read, read-audit, report',
    '  answers approve-switch, read-logs',
    'carl  Carl  no role: only told  proof: none, only claimed',
    '  may nothing',
    'gate approve-switch: 2 of Ada Admin, sara, role dr-team, not who asked for the run; proof: any',
    'gate read-logs: 1 of role auditor; proof: none',
    'gate approve-return: 1 of whoever may approve; proof: none',
    'elevations: none in force',
  ]);
});

test('it has a line for each act of the table, with the roles that may', () => {
  const acts = linesOf().filter((line) => line.startsWith('act '));
  assert.deepEqual(acts.map((line) => line.split(' ')[1]), Object.keys(permissions));
  assert.ok(acts.includes('act recover (recover production): administrator, dr-team by elevation'), acts.join('\n'));
  assert.ok(acts.includes('act read-audit (read the audit): administrator, security'));
});

test('elevations and handed-on rights are those in force: of the run that goes on, approved, and not over', () => {
  const elevation = { person: 'dana', step: 'elevate', approvedBy: ['Ada Admin (totp)'], at: '2026-11-21T03:05:00.000Z', reason: 'dana asks for a recovery of demo: disk lost', until: '2026-11-21T11:05:00.000Z' };
  const handed = gate({ delegations: [{ from: 'Ada Admin', to: 'carla', at, until: '2026-11-21T05:00:00.000Z', proof: 'signature' }, { from: 'sara', to: 'carla', at: '2026-11-21T01:00:00.000Z', until: at, proof: 'claimed' }] });
  assert.deepEqual(linesOf({ run: { ...running(handed), elevation } }).slice(-2), [
    'elevated dana since 2026-11-21T03:05:00.000Z until 2026-11-21T11:05:00.000Z or the end of the run, by Ada Admin (totp): dana asks for a recovery of demo: disk lost',
    'handed on: Ada Admin’s right at gate approve-switch, to carla until 2026-11-21T05:00:00.000Z (signature)',
  ]);
  assert.match(linesOf({ run: { ...running(), elevation }, at: elevation.until }).at(-1)!, /^elevated dana since .* until 2026-11-21T11:05:00\.000Z, which is over: asks anew before any command, by Ada Admin/);
  for (const status of ['open', 'rejected'] as const) assert.equal(linesOf({ run: running(gate({ gate: 'elevation', status })) }).at(-1), 'elevations: none in force', status);
});

test('what it does not know it says, and that a system names nobody', () => {
  assert.equal(linesOf({ unread: 'no Temporal server answers' }).at(-1), 'elevations: not known, no Temporal server answers');
  assert.deepEqual(linesOf({ file: { ...file, people: {} } }), ['demo names no people: anybody may do anything, and every name is only claimed']);
});
