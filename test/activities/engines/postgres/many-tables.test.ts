import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backUpPostgres, database, postgresPlace, restorePostgres, validatePostgres } from '../../../harness/postgres-place.ts';
import { postgresMissing } from '../../../harness/postgres.ts';
import { isWhole } from '../../../harness/sample.ts';

const skip = await postgresMissing();

/** 2,000 on a server with the usual number of locks; or a sixth of both. */
const [tables, locks] = isWhole ? [2_000, 64] : [320, 10];

test(`${tables} tables, each with keys and a sequence, on a server with few locks for so many`, { skip, timeout: isWhole ? 900_000 : 240_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true, settings: { max_locks_per_transaction: locks } });
  const { source } = place;
  for (let at = 0; at < tables; at += 40) {
    await source.query(Array.from({ length: 40 }, (_, n) => `CREATE TABLE "t ${at + n}" (id serial PRIMARY KEY, note text UNIQUE); INSERT INTO "t ${at + n}" (note) VALUES ('a'), ('b')`).join(';'), [], database);
  }
  const summary = await backUpPostgres(place);
  assert.deepEqual([summary.documents, summary.units], [2 * tables, tables + 2]);
  const context = await place.open();
  assert.deepEqual((await restorePostgres(context, summary)).failed, []);
  const { ok, problems, collectionCount } = await validatePostgres(context, summary);
  assert.deepEqual([ok, problems, collectionCount], [true, [], tables]);
});
