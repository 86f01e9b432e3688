import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPeople } from '../../../workflows/domain/check-people.ts';
import { entryWorkflows } from '../../../workflows/domain/names.ts';
import { personSchema, samePerson, viewPeople, type PeopleConfig } from '../../../workflows/domain/people.ts';
import { actOf, permissions, permit, type Act } from '../../../workflows/domain/permissions.ts';

const config: PeopleConfig = {
  ada: { name: 'Ada Admin', roles: ['administrator'], totp: 'file:ada', publicKey: 'file:ada.pub' },
  dana: { roles: ['dr-team'] },
  olaf: { roles: ['operator'] },
  sara: { name: 'sara@example.com', roles: ['security'], contact: { email: 'sara@example.com' } },
};
const people = viewPeople(config)!;

test('each role may do what the handbook’s table says, and nothing else', () => {
  const may = (name: string): Act[] => (Object.keys(permissions) as Act[]).filter((act) => permit(people, act, name).may === true);
  assert.deepEqual(may('ada'), Object.keys(permissions), 'full access');
  assert.deepEqual(may('sara'), ['verify', 'read', 'read-audit', 'report'], 'read-only');
  assert.deepEqual(may('olaf'), ['back-up', 'archive', 'verify', 'read', 'drill', 'dry-run', 'seal-audit', 'prove-recovery', 'mark', 'retain', 'report', 'record-deployment', 'apply', 'open-incident', 'update-incident', 'review-incident', 'comment', 'confirm'], 'monitoring and validation');
  assert.deepEqual((Object.keys(permissions) as Act[]).filter((act) => permit(people, act, 'dana').may === 'elevated'), ['recover', 'take-data-out']);
});

test('a refusal names the person, what they asked and the roles that may', () => {
  const why = (name: string | undefined): string => {
    const permission = permit(people, 'export', name);
    return permission.may === false ? permission.why : '';
  };
  assert.equal(why('olaf'), 'olaf (operator) may not export a recovery point. Roles that may export a recovery point: administrator.');
  assert.match(why('mallory'), /mallory may not export a recovery point: the system’s people do not name them/);
  assert.match(why(undefined), /Nobody without a name may export/);
});

test('without people anybody may do anything, with or without a name', () => {
  for (const act of Object.keys(permissions) as Act[]) assert.deepEqual([permit(undefined, act, undefined), permit(undefined, act, 'x')], [{ may: true }, { may: true }]);
  assert.equal(viewPeople({}), undefined);
});

test('every start is an act, and what a recovery is for decides which', () => {
  for (const workflow of entryWorkflows) assert.ok(permissions[actOf(workflow, {})].about);
  const act = (asked: Parameters<typeof actOf>[1]): Act => actOf('recoverSystem', asked);
  assert.deepEqual([act({ purpose: 'recovery' }), act({ purpose: 'drill' }), act({ purpose: 'recovery', only: ['a.b'] }), act({ purpose: 'drill', takeOver: true }), act({ purpose: 'recovery', dryRun: true })], ['recover', 'drill', 'take-data-out', 'take-over', 'dry-run']);
});

test('a person is one by id and by name, and neither contact nor reference goes to a workflow', () => {
  assert.equal(samePerson(people, 'ada', ' Ada admin '), true);
  assert.equal(samePerson(people, 'ada', 'dana'), false);
  assert.equal(samePerson(undefined, 'Erik', 'erik '), true);
  assert.doesNotMatch(JSON.stringify(people), /file:|@example\.com.*@example\.com/);
  assert.deepEqual(people['ada'], { name: 'Ada Admin', roles: ['administrator'], proofs: ['totp', 'signature'] });
  assert.equal(personSchema.safeParse({ roles: ['operator'], totp: 'GEZDGNBVGY3TQOJQ' }).success, false, 'a secret never stands in the file');
});

test('people and gates that do not fit each other are found in the file', () => {
  const problems = (of: PeopleConfig, approvals: Parameters<typeof checkPeople>[0]['approvals'] = {}): string[] => {
    const found: string[] = [];
    checkPeople({ people: of, approvals }, (path, message) => found.push(`${path.join('.')}: ${message}`));
    return found;
  };
  assert.deepEqual(problems(config, { go: { quorum: 2, people: ['Ada Admin'], roles: ['dr-team'] } }), []);
  assert.match(problems(config, { go: { quorum: 3, people: ['ada'], roles: ['dr-team'] } }).join(), /approvals\.go\.quorum: 3 different people must approve, and 2 may answer/);
  assert.match(problems(config, { go: { quorum: 1, people: ['erik'] } }).join(), /approvals\.go\.people\.0: "erik" is neither id nor name/);
  assert.match(problems(config, { go: { quorum: 1, people: [], roles: ['cto'] } }).join(), /nobody has the role "cto"/);
  const ceo = { ceo: { roles: [] } };
  assert.deepEqual(problems({ ...config, ...ceo }, { go: { quorum: 1, people: ['ada'], escalate: [{ to: ['ceo'] }] } }), [], 'told, and never allowed');
  assert.deepEqual((Object.keys(permissions) as Act[]).filter((act) => permit(viewPeople({ ...config, ...ceo }), act, 'ceo').may !== false), []);
  assert.match(problems({ ...config, ...ceo }, { go: { quorum: 1, people: ['ada', 'ceo'] } }).join(), /approvals\.go\.people\.1: "ceo" has no role, and so answers nothing/);
  assert.match(problems({ ...config, ceo: { roles: [], totp: 'file:ceo' } }).join(), /people\.ceo\.roles: nobody without a role has anything to prove/);
  assert.match(problems({}, { go: { quorum: 1, people: [], roles: ['operator'] } }).join(), /the system names no people/);
  assert.match(problems({ ...config, eve: { roles: ['adminstrator'] } }).join(), /people\.eve\.roles: no role "adminstrator"/);
  assert.match(problems({ ...config, eve: { name: 'ada', roles: ['operator'] } }).join(), /people\.eve\.name: "ada" is the name or id of another/);
  assert.match(problems({ dana: { roles: ['dr-team'] } }).join(), /nobody is an administrator/);
});
