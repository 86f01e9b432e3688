import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineKinds, engines } from '../../../workflows/domain/engines.ts';
import { systemSchema, type SystemFile } from '../../../workflows/domain/system.ts';

type Tool = NonNullable<SystemFile['sources'][string]['tool']>;

const command: Tool = { uses: 'command', dump: { argv: ['pg_dump', '--dbname={{uri}}'] }, restore: { argv: ['pg_restore', '--clean', '--dbname={{uri}}'] } };

function fileOf(tool: Tool | undefined, change: (file: SystemFile) => void = () => undefined): SystemFile {
  const isServer = tool?.uses === 'mongodump';
  const file: SystemFile = {
    system: 'shop',
    title: 'Shop',
    objectives: { rto: '1h', rpo: '24h' },
    environments: {
      production: { protection: 'production', endpoints: { orders: { uri: 'postgres://a:5432/shop' } } },
      dr: { protection: 'production', endpoints: { orders: { uri: 'postgres://b:5432/shop' } } },
    },
    sources: { orders: { engine: 'tool', environment: 'production', tool } },
    stores: [{ name: 'main', kind: 'local', path: '/store' }],
    key: { id: 'test', aes256: '${KEY}', signing: { privateKey: '${PRIVATE}', publicKeys: ['${PUBLIC}'] } },
    standby: { environment: 'dr', provision: { orders: isServer ? { uses: 'local', directory: '/dr' } : { uses: 'existing', directory: '/dr' } } },
    fence: isServer ? { orders: { uses: 'local', directory: '/old' } } : {},
    traffic: { uses: 'nginx', directory: '/nginx', url: 'http://x', sides: { production: 'a:1', dr: 'b:1' } },
    validators: [],
    runbook: { steps: [{ id: 'restore', uses: 'restore' }] },
  };
  change(file);
  return file;
}

const problems = (file: SystemFile): string[] => {
  const parsed = systemSchema.safeParse(file);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
};

test('a source of a command, and one of mongodump, are whole systems', () => {
  assert.deepEqual(problems(fileOf(command)), []);
  assert.deepEqual(problems(fileOf({ uses: 'mongodump' })), []);
  const { orders } = systemSchema.parse(fileOf({ uses: 'mongodump', oplog: true })).sources;
  assert.deepEqual(orders!.tool, { uses: 'mongodump', oplog: true, quietFor: 3_600_000 });
  assert.deepEqual(Object.keys(engines), engineKinds);
});

test('the block stands where its engine needs it, and nowhere else', () => {
  assert.match(problems(fileOf(undefined)).join(), /sources\.orders\.tool: the engine "tool" needs to know its programs/);
  assert.match(problems(fileOf({ uses: 'mongodump' }, (file) => void (file.sources['orders']!.engine = 'mongodb'))).join(), /sources\.orders\.tool: belongs to the engine "tool", and this source’s is "mongodb"/);
  for (const field of ['archive', 'limits', 'namespaces'] as const) {
    assert.match(problems(fileOf(command, (file) => void (file.sources['orders']![field] = {}))).join(), new RegExp(`sources\\.orders\\.${field}: means nothing to the engine "tool"`));
  }
});

test('no secret can stand in an argument, and no value where a reference belongs', () => {
  const withDump = (dump: object): string => problems(fileOf({ ...command, dump: { argv: ['pg_dump'], ...dump } } as Tool)).join();
  assert.match(problems(fileOf({ ...command, version: ['pg_dump', '{{host}}'] } as Tool)).join(), /tool\.version\.1: no \{\{…\}\} here/);
  assert.match(withDump({ argv: ['pg_dump', '--password=${PGPASSWORD}'] }), /dump\.argv\.1: no \$\{NAME\} in an argument, which anybody on the machine can read/);
  assert.match(withDump({ env: { PGPASSWORD: 'hunter2' } }), /dump\.env\.PGPASSWORD/);
  assert.match(withDump({ env: { PGOPTIONS: { plain: '-c x=${Y}' } } }), /no \$\{NAME\} in an argument/);
  assert.match(withDump({ files: { pgpass: 'localhost:5432:*:u:pw' } }), /dump\.files\.pgpass: a reference to a secret/);
  assert.match(withDump({ files: { '../pgpass': 'file:x' } }), /dump\.files\.\.\.\/pgpass: Invalid key/);
  assert.match(withDump({ argv: ['pg_dump', '{{file:pgpas}}'], files: { pgpass: 'file:pgpass' } }), /dump\.argv\.1: unknown \{\{file:pgpas\}\}; known: .*\{\{file:pgpass\}\}/);
  assert.match(withDump({ argv: ['pg_dump', '{{password}}'] }), /unknown \{\{password\}\}; known: \{\{uri\}\}, \{\{host\}\}, \{\{port\}\}, \{\{username\}\}/);
  assert.equal(withDump({ argv: ['sh', '-c', 'awk "{print}"'], env: { PGPASSWORD: '${PW}', PGPASSFILE: { plain: '{{file:pgpass}}' } }, files: { pgpass: 'file:pgpass' } }), '');
});

test('what the engine cannot prove, fence or restore to is refused before anything runs', () => {
  assert.match(problems(fileOf(command, (file) => void delete file.validators)).join(), /validators\.0: equality \(which is meant when validators is left out\) cannot be proved of any source here/);
  assert.match(problems(fileOf(command, (file) => void (file.validators = [{ id: 'q', uses: 'query', source: 'orders', namespace: 'a.b' }]))).join(), /validators\.0\.source: a query asks a MongoDB, and source "orders" is restored by a command/);
  assert.deepEqual(problems(fileOf(command, (file) => void (file.validators = [{ id: 'v', uses: 'command', source: 'orders', run: { argv: ['psql'] } }]))), []);
  assert.match(problems(fileOf(command, (file) => void (file.validators = [{ id: 'v', uses: 'command', source: 'order', run: { argv: ['psql'] } }]))).join(), /validators\.0\.source: a command looks at a source of the engine "tool", and the engine of "order" is "unknown"/);
  assert.match(problems(fileOf(command, (file) => void (file.fence = { orders: { uses: 'local', directory: '/old' } }))).join(), /fence\.orders\.uses: "local" does not fence source "orders" .*; nothing does/);
  assert.match(problems(fileOf(command, (file) => void (file.standby.provision['orders'] = { uses: 'local', directory: '/dr' }))).join(), /standby\.provision\.orders\.uses: "local" does not fit source "orders" \(engine tool, command\); expected "existing"/);
  assert.match(problems(fileOf({ uses: 'mongodump' }, (file) => void (file.fence = {}))).join(), /fence: no fence for source "orders"/);
  assert.match(problems(fileOf(command, (file) => void (file.environments['dr']!.endpoints['orders']!.uri = 'postgres://a:5432/shop'))).join(), /environments\.dr\.endpoints\.orders\.uri: is the address of the living source "orders"/);
});

test('a database of a PostgreSQL is a whole system, proved equal by default; what it has not is refused', () => {
  const postgres = (change: (file: SystemFile) => void = () => undefined): string => problems(fileOf(undefined, (file) => {
    file.sources['orders'] = { engine: 'postgres', environment: 'production', namespaces: { exclude: ['scratch'] }, limits: { bytesPerSecond: '50MiB' } };
    file.standby.provision['orders'] = { uses: 'database', directory: '/dr' };
    delete file.validators;
    change(file);
  })).join();
  assert.equal(postgres(), '');
  assert.deepEqual(problems(fileOf({ uses: 'pg_dump' })), []);
  assert.match(postgres((file) => void (file.sources['orders']!.archive = {})), /sources\.orders\.archive: the engine "postgres" archives no log/);
  assert.match(postgres((file) => void (file.sources['orders']!.tool = { uses: 'pg_dump' })), /belongs to the engine "tool", and this source’s is "postgres"/);
  assert.match(postgres((file) => void (file.standby.provision['orders'] = { uses: 'existing', directory: '/dr' })), /"existing" does not fit source "orders" \(engine postgres\); expected "database"/);
  assert.match(postgres((file) => void (file.fence = { orders: { uses: 'local', directory: '/old' } })), /"local" does not fence source "orders" \(engine postgres\); expected "database"/);
  assert.match(postgres((file) => void (file.validators = [{ id: 'q', uses: 'query', source: 'orders', namespace: 'a.b' }])), /a query asks a MongoDB, and source "orders" is none/);
  assert.equal(postgres((file) => {
    file.sources['orders']!.contents = 'rows';
    Object.assign(file.standby.provision['orders']!, { contents: 'rows' });
  }), '');
  assert.match(problems(fileOf({ uses: 'pg_dump' }, (file) => void (file.sources['orders']!.contents = 'rows'))).join(), /sources\.orders\.contents: belongs to the engine "postgres", and this source’s is "tool"/);
  assert.match(postgres((file) => {
    file.environments['test'] = { protection: 'open', endpoints: { orders: { uri: 'postgres://c:5432/shop' } } };
    file.drill = { environment: 'test', provision: { orders: { uses: 'database', directory: '/drill', contents: 'rows' } } };
  }), /drill\.provision\.orders\.contents: a drill drops what it restored to/);
  const asked = (of: object, tool?: NonNullable<SystemFile['sources'][string]['tool']>): string => {
    const validators = [{ id: 'q', uses: 'sql' as const, source: 'orders', statement: 'SELECT count(*) FROM orders', ...of }];
    return tool ? problems(fileOf(tool, (file) => void (file.validators = validators))).join() : postgres((file) => void (file.validators = validators));
  };
  assert.deepEqual([asked({ min: 1 }), asked({ equals: true, within: '5s' }), asked({ equals: 0 }, { uses: 'pg_dump' })], ['', '', '']);
  assert.match(asked({}), /validators\.0: the answer that is expected: equals, or min, max or both/);
  assert.match(asked({ equals: 1, min: 1 }), /validators\.0: the answer that is expected/);
  assert.match(asked({ min: 2, max: 1 }), /validators\.0\.max: at least min \(2\)/);
  assert.match(asked({ min: 1, database: 'other' }), /validators\.0\.database: source "orders" is one database, and no other can be asked/);
  assert.match(asked({ min: 1, source: 'order' }), /validators\.0\.source: a question in SQL asks a PostgreSQL, and the engine of "order" is "unknown"/);
  assert.match(asked({ min: 1 }, { uses: 'mongodump' }), /a question in SQL asks a PostgreSQL, and the engine of "orders" is "tool"/);
  assert.match(postgres((file) => void (file.environments['dr']!.endpoints['orders']!.uri = 'postgres://a:5432/shop')), /is the address of the living source "orders"/);
});
