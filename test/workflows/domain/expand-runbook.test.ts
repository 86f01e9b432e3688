import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRunbooks } from '../../../workflows/domain/check-runbooks.ts';
import { expandRunbook } from '../../../workflows/domain/expand-runbook.ts';
import { runbookSchema, type Runbook } from '../../../workflows/domain/runbook.ts';

const runbook = (...steps: object[]): Runbook => runbookSchema.parse({ steps });
const sources = { documents: {}, users: {} };
const shape = (of: Parameters<typeof expandRunbook>[0], name?: string): string[] => expandRunbook(of, name).map(({ id, needs, source }) => `${id}${source ? ` (${source})` : ''} after ${needs.join(', ') || 'nothing'}`);

test('foreach sources: a step for each, loops of the same source in a row, and what follows waits for all', () => {
  const of = { sources, runbook: runbook({ id: 'make', uses: 'provision', foreach: 'sources' }, { id: 'load', uses: 'restore', needs: ['make'], foreach: 'sources' }, { id: 'check', uses: 'validate', needs: ['load'] }) };
  assert.deepEqual(shape(of), [
    'make-documents (documents) after nothing',
    'make-users (users) after nothing',
    'load-documents (documents) after make-documents',
    'load-users (users) after make-users',
    'check after load-documents, load-users',
  ]);
});

test('a sub-runbook is written out under a prefix: its first steps need what the step needs, and what needs the step needs its last ones', () => {
  const of = {
    sources,
    runbook: runbook({ id: 'declare', uses: 'declare' }, { id: 'data', uses: 'runbook', with: { runbook: 'restore-data' }, needs: ['declare'], when: { purpose: 'recovery' } }, { id: 'report', uses: 'report', needs: ['data'] }),
    runbooks: { 'restore-data': runbook({ id: 'find', uses: 'find-recovery-point' }, { id: 'make', uses: 'provision' }, { id: 'load', uses: 'restore', needs: ['find', 'make'] }, { id: 'check', uses: 'validate', needs: ['load'], when: { step: 'load', is: 'done' }, onFailure: { goto: 'find' } }) },
  };
  assert.deepEqual(shape(of), ['declare after nothing', 'data-find after declare', 'data-make after declare', 'data-load after data-find, data-make', 'data-check after data-load', 'report after data-check']);
  const check = expandRunbook(of).find(({ id }) => id === 'data-check')!;
  assert.deepEqual(check.when, [[{ purpose: ['recovery'] }], [{ step: 'data-load', is: ['done'] }]]);
  assert.deepEqual(check.onFailure, { goto: 'data-find', atMost: 1 });
  assert.equal(check.at, 'runbooks.restore-data.steps[3]');
});

test('what is wrong between runbooks is named with its place', () => {
  const of = {
    sources,
    approvals: { go: { quorum: 2, people: ['dana', 'Dana ', 'erik'], notRequester: true } },
    runbook: runbook(
      { id: 'a', uses: 'runbook', with: { runbook: 'one' } },
      { id: 'b', uses: 'restore', approval: 'gone', source: 'user', onFailure: { escalate: 'nowhere' } },
      { id: 'c', uses: 'approval' },
    ),
    runbooks: { one: runbook({ id: 'x', uses: 'runbook', with: { runbook: 'two' } }), two: runbook({ id: 'y', uses: 'runbook', with: { runbook: 'one' } }), three: runbook({ id: 'z', uses: 'report', onFailure: { escalate: 'three' } }) },
  };
  const said: string[] = [];
  checkRunbooks(of, (path, message) => said.push(`${path.join('.')}: ${message}`));
  const text = said.join('\n');
  assert.match(text, /^approvals\.go\.people: 2 may answer, and whoever asks for the run may not: too few are left for a quorum of 2/m);
  assert.match(text, /^runbook\.steps\.1\.approval: gate "gone" is not under approvals; known: go$/m);
  assert.match(text, /^runbook\.steps\.1\.source: unknown source "user"; known: documents, users$/m);
  assert.match(text, /^runbook\.steps\.1\.onFailure\.escalate: there is no runbook "nowhere"; known: main, one, two, three$/m);
  assert.match(text, /^runbook\.steps\.2: gate "c" is not under approvals/m);
  assert.match(text, /^runbook\.steps: Runbooks stand for each other in a circle: main → one → two → one/m);
  assert.match(text, /^runbooks: runbooks escalate to each other in a circle, and no run would end: three → three$/m);
});

test('what only some step types may say, and a gate that a sub-runbook would not find, are named with their place', () => {
  const of = {
    sources,
    approvals: { go: { quorum: 1, people: [], notRequester: true } },
    runbook: runbook({ id: 'tell', uses: 'report', source: 'users' }, { id: 'all', uses: 'switch', foreach: 'sources' }, { id: 'part', uses: 'runbook', with: { runbook: 'asking' } }, { id: 'fence', uses: 'fence', onFailure: 'continue' }, { id: 'look', uses: 'validate', source: 'users', onFailure: 'continue' }),
    runbooks: { asking: runbook({ id: 'go', uses: 'approval' }, { id: 'again', uses: 'approval', with: { gate: 'go' }, onFailure: 'continue' }) },
  };
  const said: string[] = [];
  checkRunbooks(of, (path, message) => said.push(`${path.join('.')}: ${message}`));
  assert.deepEqual(said, [
    'runbook.steps.0.source: a step that uses report is of the whole system',
    'runbook.steps.1.foreach: a step that uses switch is of the whole system',
    'runbook.steps.3.onFailure: a step that uses fence cannot be gone on without: let it pause',
    'runbook.steps: runbooks.asking.steps[0] becomes step "part-go" here, and there is no gate of that name under approvals: say with: { gate: … } there',
    'runbooks.asking.steps.1.onFailure: a step that uses approval cannot be gone on without: let it pause',
  ]);
});

test('a step that says what cannot be is refused with its field', () => {
  const said = (...steps: object[]): string => runbookSchema.safeParse({ steps }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n') ?? 'accepted';
  const find = { id: 'find', uses: 'find-recovery-point' };
  assert.match(said(find, { id: 'b', uses: 'restore', when: { step: 'find', is: 'failed' } }), /^steps\.1\.when\.step: "find" is not among the steps that "b" needs/);
  assert.match(said({ id: 'b', uses: 'restore', when: { step: 'b' } }), /steps\.0\.when.*step and is belong together/);
  assert.match(said({ id: 'b', uses: 'restore', when: { purpos: 'drill' } }), /steps\.0\.when/);
  assert.match(said(find, { id: 'b', uses: 'restore', needs: ['find'] }, { id: 'c', uses: 'validate', needs: ['b'], onFailure: { goto: 'b' } }), /^steps\.2\.onFailure\.goto: "b" does not use find-recovery-point/);
  assert.match(said({ id: 'b', uses: 'restore', onFailure: 'panic' }), /steps\.0\.onFailure: pause, continue, \{retry: times\}/);
  assert.match(said({ id: 'b', uses: 'restore', foreach: 'sources', source: 'users' }), /either foreach or source/);
  assert.match(said({ id: 'b', uses: 'runbook', with: { runbook: 'x' }, budget: '5m', timeout: '1m' }), /steps\.0\.budget: means nothing.*\nsteps\.0\.timeout: means nothing/);
  assert.match(said({ id: 'b', uses: 'runbook' }), /steps\.0\.with: a step that uses runbook names one/);
  assert.equal(said(find, { id: 'b', uses: 'restore', needs: ['find'], timeout: '20m', onFailure: { goto: 'find', atMost: 2 }, when: [{ purpose: 'drill' }, { severity: ['P1', 'P2'] }] }), 'accepted');
});
