import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { postgresAddress } from '../../../../activities/engines/postgres/transport.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { backUpPostgres, database, postgresPlace } from '../../../harness/postgres-place.ts';
import { postgresMissing } from '../../../harness/postgres.ts';
import { tempDir } from '../../../harness/temp-dir.ts';

const skip = await postgresMissing();

test('an address is of one database of one server, and TLS is all of it or none', async () => {
  const of = async (uri: string, tls?: { caFile?: string }): Promise<string> => {
    try {
      const { host, port, database: name, libpq } = await postgresAddress('endpoint ledger', uri, { tls, weakerTls: undefined });
      return `${host} ${port} ${name} ${libpq['PGSSLMODE']}`;
    } catch (error) {
      return `${(error as { type: string }).type}: ${(error as Error).message}`;
    }
  };
  assert.equal(await of('postgres://127.0.0.1/app'), '127.0.0.1 5432 app disable');
  assert.equal(await of('postgresql://[::1]:5433/my%20app', {}), '::1 5433 my app verify-full');
  assert.equal(await of('postgres://db1:5432/app?sslmode=verify-full'), 'db1 5432 app verify-full');
  assert.match(await of('postgres://db1:5432/app'), /^WeakTransport: .*in the clear, off this machine/);
  for (const mode of ['require', 'prefer', 'verify-ca', 'no-verify']) assert.match(await of(`postgres://127.0.0.1/app?sslmode=${mode}`), /^BadSystemFile: .*write sslmode=verify-full/, mode);
  assert.match(await of('postgres://127.0.0.1/app?sslmode=disable', {}), /contradicts tls/);
  assert.match(await of('postgres://127.0.0.1/app?options=-c%20x'), /"options" in an address means nothing here/);
  assert.match(await of('postgres://127.0.0.1:5432'), /names no database/);
  assert.match(await of('postgres://a,b/app'), /names several hosts/);
  assert.match(await of('mysql://127.0.0.1/app'), /is no address of a PostgreSQL server/);
});

test('a server is believed by its certificate and by TLS 1.3, of the driver and of pg_dump', { skip, timeout: 60_000 }, async (t) => {
  const directory = tempDir(t, 'holdfast-pg-tls-');
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  await runTool({ path: '/usr/bin/openssl' }, ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate]);
  const read = (path: string): string => readFileSync(path, 'utf8');
  const place = await postgresPlace(t, { beside: true, tls: { certificate: read(certificate), key: read(key) } });
  await place.source.query('CREATE TABLE one (id int); INSERT INTO one VALUES (1)', [], database);
  const withTls = (tls: { caFile?: string } | undefined, weakerTls?: { atLeast: '1.2'; reason: string }): void => place.change((file) => void Object.assign(file.environments['production']!.endpoints['ledger']!, { tls, weakerTls }));
  withTls({ caFile: certificate });
  assert.equal((await backUpPostgres(place)).documents, 1);
  withTls({});
  await assert.rejects(backUpPostgres(place), { type: 'SourceUnavailable', message: /self.signed certificate/ });
  await place.source.configure({ ssl_max_protocol_version: 'TLSv1.2' });
  withTls({ caFile: certificate });
  await assert.rejects(backUpPostgres(place), { type: 'WeakTransport', message: /speaks no TLS 1\.3/ });
  withTls({ caFile: certificate }, { atLeast: '1.2', reason: 'an old server that nobody may touch' });
  assert.equal((await backUpPostgres(place)).documents, 1);
});
