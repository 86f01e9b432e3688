import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportAccess } from '../../../workflows/domain/access-report.ts';
import { findPeople, personOf, samePerson, type People } from '../../../workflows/domain/people.ts';
import type { System } from '../../../workflows/domain/system.ts';

test('a person is found by id and by name, however they are written; of two that fit the first of the file', () => {
  const people: People = { ada: { name: 'Ada Byron', roles: [], proofs: [] }, eve: { name: 'Ada', roles: [], proofs: [] }, bob: { name: 'eve', roles: [], proofs: [] } };
  for (const idOf of [(by: string) => personOf(people, by), findPeople(people)]) {
    assert.deepEqual(['ada', ' ADA ', 'ada byron', 'eve', 'bob', 'mallory', 'constructor'].map(idOf), ['ada', 'ada', 'ada', 'eve', 'bob', undefined, undefined]);
  }
  assert.deepEqual([samePerson(people, 'Ada', 'ada byron'), samePerson(people, 'ada', 'bob'), samePerson(undefined, 'Ada', ' ada')], [true, false, true]);
});

test('who may do what is told of thousands of people, too: it grows as they do, and not as their square', () => {
  const fileOf = (count: number): System => ({
    system: 'demo', approvals: { go: { quorum: 1, people: ['p1'], notRequester: true } },
    people: Object.fromEntries(Array.from({ length: count }, (_, n) => [`p${n}`, { name: `Person ${n}`, roles: [n % 2 === 0 ? 'administrator' : 'operator'] }])),
  }) as unknown as System;
  const tookMs = (count: number): number => {
    const startedMs = process.cpuUsage().user;
    const { people } = reportAccess({ file: fileOf(count), run: null, unread: null, at: '2026-01-01T00:00:00.000Z' });
    assert.deepEqual([people.length, people[1]!.gates, people[0]!.may.includes('dispose'), people[1]!.may.includes('dispose')], [count, ['go'], true, false]);
    return (process.cpuUsage().user - startedMs) / 1_000;
  };
  tookMs(100);
  const few = Math.max(5, tookMs(500));
  const many = tookMs(4_000);
  assert.ok(many < few * 8 * 4, `${few} ms of 500, ${many} ms of 4000`);
});
