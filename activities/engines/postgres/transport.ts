import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { isIP } from 'node:net';
import { parse } from 'pg-connection-string';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import { hostsOf } from '../../tool/hosts-of.ts';
import { readCa } from '../../transport/read-ca.ts';
import { requireTls, type Connector } from '../../transport/require-tls.ts';

/** Where a database is, and how its server is spoken to. */
export interface PostgresAddress {
  host: string;
  port: number;
  database: string;
  connector: Connector;
  /** left out: in the clear */
  tls?: TlsOptions;
  /** the same for libpq, which pg_dump speaks by: variables, no secret among them */
  libpq: Record<string, string>;
}

/**
 * Reads an address such as `postgres://db1:5432/app`. TLS is asked for by `tls` of the endpoint, or by `sslmode=verify-full`: the modes between that
 * and `disable` believe whoever answers.
 * @throws BadSystemFile - no database, no one host, or a parameter that means nothing here. @throws WeakTransport - off this machine, and not by TLS 1.3.
 */
export async function postgresAddress(name: string, uri: string, { tls, weakerTls }: Pick<Endpoint, 'tls' | 'weakerTls'>): Promise<PostgresAddress> {
  const bad = (what: string, hint: string): HoldfastError => new HoldfastError('BadSystemFile', `${name}: ${what}`, { hint });
  const [first, ...others] = /^postgres(ql)?:\/\//.test(uri) ? hostsOf(uri) : [];
  if (!first || first.host === '') throw bad('is no address of a PostgreSQL server', 'write postgres://HOST:PORT/DATABASE');
  if (others.length > 0) throw bad('names several hosts', 'name one: the primary, or what stands before it');
  const { searchParams } = new URL(uri);
  const strange = [...searchParams.keys()].find((key) => key !== 'sslmode');
  if (strange !== undefined) throw bad(`"${strange}" in an address means nothing here`, 'certificates stand under tls of the endpoint, user and password under credentials');
  const mode = searchParams.get('sslmode') ?? (tls ? 'verify-full' : 'disable');
  if (mode !== 'verify-full' && mode !== 'disable') throw bad(`sslmode=${mode} believes whoever answers, or goes on in the clear`, 'write sslmode=verify-full');
  if (tls && mode === 'disable') throw bad('sslmode=disable contradicts tls of the endpoint', 'leave one of them out');
  const database = parse(uri).database ?? '';
  if (database === '') throw bad('names no database', 'write postgres://HOST:PORT/DATABASE');
  const connector: Connector = { name, hosts: [first.host], tls: mode === 'verify-full', weakerTls };
  const { minVersion } = requireTls(connector);
  const address = { host: first.host, port: Number(first.port), database, connector };
  const libpq = { PGHOST: first.host, PGPORT: first.port, PGDATABASE: database, PGSSLMODE: mode };
  if (mode === 'disable') return { ...address, libpq };
  const pair = tls?.certificateKeyFile ? await readCa(tls.certificateKeyFile, name) : undefined;
  const ca = tls?.caFile ? await readCa(tls.caFile, name) : undefined;
  return {
    ...address,
    tls: { minVersion, rejectUnauthorized: true, host: first.host, ...(isIP(first.host) === 0 ? { servername: first.host } : {}), ...(ca ? { ca } : {}), ...(pair ? { cert: pair, key: pair } : {}) },
    libpq: {
      ...libpq,
      PGSSLMINPROTOCOLVERSION: minVersion,
      // `system` is what libpq calls the certificates that the machine believes; it knows the word from 16 on.
      PGSSLROOTCERT: tls?.caFile ?? 'system',
      ...(tls?.certificateKeyFile ? { PGSSLCERT: tls.certificateKeyFile, PGSSLKEY: tls.certificateKeyFile } : {}),
    },
  };
}

export async function checkTransport({ name, uri, endpoint }: { name: string; uri: string; endpoint: Endpoint }): Promise<null> {
  await postgresAddress(name, uri, endpoint);
  return null;
}
