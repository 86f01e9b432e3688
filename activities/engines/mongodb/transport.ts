import { createSecureContext } from 'node:tls';
import { MongoClient, type MongoClientOptions } from 'mongodb';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import { readCa } from '../../transport/read-ca.ts';
import { requireTls, type Connector } from '../../transport/require-tls.ts';

/**
 * How the server at an address is spoken to: the client's options, and what names it where it is refused. Whether there is TLS, and by which
 * certificates, may stand in the endpoint or in the address itself.
 *
 * The driver has no setting for the oldest TLS, so it is given a context that has.
 * @throws WeakTransport, BadSystemFile - a certificate cannot be read.
 */
export async function mongoTransport(name: string, uri: string, { tls, weakerTls }: Pick<Endpoint, 'tls' | 'weakerTls'>): Promise<{ connector: Connector; options: MongoClientOptions }> {
  const { options: parsed } = new MongoClient(uri, tls ? { tls: true, ...(tls.caFile ? { tlsCAFile: tls.caFile } : {}), ...(tls.certificateKeyFile ? { tlsCertificateKeyFile: tls.certificateKeyFile } : {}) } : {});
  const connector: Connector = {
    name,
    hosts: parsed.srvHost ? [parsed.srvHost] : parsed.hosts.map(({ host }) => host ?? 'localhost'),
    tls: parsed.tls,
    checked: parsed.rejectUnauthorized !== false && parsed.checkServerIdentity === undefined,
    weakerTls,
  };
  const { minVersion } = requireTls(connector);
  if (!parsed.tls) return { connector, options: {} };
  const read = async (path: string | undefined): Promise<string | undefined> => (path ? await readCa(path, name) : undefined);
  const pair = await read(parsed.tlsCertificateKeyFile);
  const secureContext = createSecureContext({ minVersion, ca: await read(parsed.tlsCAFile), cert: pair, key: pair, passphrase: parsed.passphrase });
  return { connector, options: { tls: true, secureContext } };
}

export async function checkTransport({ name, uri, endpoint }: { name: string; uri: string; endpoint: Endpoint }): Promise<null> {
  await mongoTransport(name, uri, endpoint);
  return null;
}
