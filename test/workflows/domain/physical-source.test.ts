import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInput, recoverSystemInput } from '../../../workflows/domain/inputs.ts';
import { isMoment, limitOfTargetTime, logPosition, nextLogPosition } from '../../../workflows/domain/log-position.ts';
import { systemSchema, type SystemFile } from '../../../workflows/domain/system.ts';

function fileOf(change: (file: SystemFile) => void = () => undefined): SystemFile {
  const file: SystemFile = {
    system: 'shop',
    title: 'Shop',
    objectives: { rto: '1h', rpo: '1m' },
    environments: {
      production: { protection: 'production', endpoints: { orders: { uri: 'postgresql://a:5432/postgres' } } },
      dr: { protection: 'production', endpoints: { orders: { uri: 'postgresql://b:5432/postgres' } } },
    },
    sources: { orders: { engine: 'postgres-physical', environment: 'production' } },
    stores: [{ name: 'main', kind: 'local', path: '/store' }],
    key: { id: 'test', aes256: '${KEY}', signing: { privateKey: '${PRIVATE}', publicKeys: ['${PUBLIC}'] } },
    standby: { environment: 'dr', provision: { orders: { uses: 'local', directory: '/dr' } } },
    fence: {},
    traffic: { uses: 'nginx', directory: '/nginx', url: 'http://x', sides: { production: 'a:1', dr: 'b:1' } },
    validators: [],
    runbook: { steps: [{ id: 'restore', uses: 'restore' }] },
  };
  change(file);
  return file;
}

const problems = (file: SystemFile): string => {
  const parsed = systemSchema.safeParse(file);
  return parsed.success ? '' : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
};

test('a PostgreSQL server as files is a whole system, pushed or received; what it does not have is refused by name', () => {
  assert.equal(problems(fileOf()), '');
  assert.equal(systemSchema.parse(fileOf()).sources['orders']!.wal.by, 'push');
  assert.equal(problems(fileOf(({ sources }) => void Object.assign(sources['orders']!, { wal: { by: 'receive' }, archive: { every: '1s' }, limits: { bytesPerSecond: '10MiB' } }))), '');
  assert.match(problems(fileOf(({ sources }) => void (sources['orders']!.archive = { every: '1s' }))), /sources\.orders\.archive: a server that pushes its log says itself how often/);
  assert.match(problems(fileOf(({ sources }) => void (sources['orders']!.namespaces = { exclude: ['x'] }))), /means nothing to the engine "postgres-physical"/);
  assert.match(problems(fileOf(({ sources }) => void (sources['orders']!.engine = 'mongodb'))), /fence/);
  assert.match(problems(fileOf((file) => void Object.assign(file.sources['orders']!, { engine: 'mongodb', wal: { by: 'push' } }))), /sources\.orders\.wal: belongs to the engine "postgres-physical"/);
  const often = { often: { does: 'backup' as const, every: '6h', with: { incremental: true } } };
  assert.equal(problems(fileOf((file) => void (file.schedules = often))), '');
  assert.match(problems(fileOf((file) => void Object.assign(file, { schedules: often, sources: { orders: { engine: 'mongodb', environment: 'production' } } }))), /schedules\.often\.with\.incremental: the engine "mongodb" of "orders" takes full bases alone/);
  assert.equal(problems(fileOf((file) => void (file.validators = [{ id: 'asked', uses: 'sql', source: 'orders', database: 'shop', statement: 'SELECT 1', equals: 1 }]))), '');
  assert.match(problems(fileOf((file) => void (file.validators = [{ id: 'proof', uses: 'equality' }]))), /validators\.0: equality .* cannot be proved of any source here: the engine "postgres-physical" knows nothing/);
  assert.match(problems(fileOf(({ standby }) => void (standby.provision['orders'] = { uses: 'existing', directory: '/dr' }))), /"existing" does not fit/);
  assert.match(problems(fileOf((file) => void (file.fence = { orders: { uses: 'local', directory: '/old' } }))), /fence\.orders\.uses: "local" does not fence source "orders" .*; expected "databases"/);
});

test('a place in the source’s own words is typed as a point', () => {
  for (const point of ['lsn:0/3000060', 'named:before the upgrade', '01JABC']) assert.equal(parseInput('recoverSystem', recoverSystemInput, { system: 'shop', point }).point, point);
  for (const point of ['lsn:xyz', 'named:', 'a b']) assert.throws(() => parseInput('recoverSystem', recoverSystemInput, { system: 'shop', point }), /lsn:0\/3000060 or named:NAME/);
});

test('a limit that stands for a moment is told from one behind something archived', () => {
  assert.ok(isMoment(limitOfTargetTime('2026-11-21T03:00:05Z')));
  assert.ok(!isMoment(nextLogPosition(logPosition(1_763_717_205, 14))));
});
