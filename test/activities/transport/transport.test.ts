import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer as createPlainServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { createServer, type SecureVersion, type TLSSocket } from 'node:tls';
import type { SourceContext } from '../../../activities/context.ts';
import { connectSource } from '../../../activities/engines/mongodb/connect.ts';
import { mongoTransport } from '../../../activities/engines/mongodb/transport.ts';
import { openEmail } from '../../../activities/notify/email.ts';
import { post } from '../../../activities/notify/post.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import { askOldPrimary } from '../../../activities/traffic/old-primary.ts';
import type { FenceContext } from '../../../activities/traffic/fence.ts';
import { runTool } from '../../../activities/tool/run-tool.ts';
import { isLoopback, requireTls } from '../../../activities/transport/require-tls.ts';
import { tryHandshake } from '../../../activities/transport/try-handshake.ts';
import { readTemporalWeakerTls } from '../../../activities/transport/temporal-weaker-tls.ts';
import { requireTemporalTls } from '../../../workers/temporal-transport.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { weakerTlsSchema, type WeakerTls } from '../../../workflows/domain/weaker-tls.ts';
import { notice } from '../../conformance/notifier.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { until } from '../../harness/until.ts';

/** Off loopback, as far as anybody can tell: an address that another machine would reach this one by. */
const away = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []).find(({ internal, family }) => !internal && family === 'IPv4')?.address;
const skip = away === undefined ? 'this machine has no address but loopback' : false;

interface Place {
  host: string;
  port: number;
  caFile: string;
  /** of each handshake that came through */
  spoken: string[];
  /** connections, whether or not anything was said on them */
  reached(): number;
}

let certificate: { pem: Buffer; caFile: string };

/** A server at this machine's own address that shakes hands and says no more. */
async function serve(t: TestContext, versions: [SecureVersion, SecureVersion] | 'plain', host = away!): Promise<Place> {
  const { pem, caFile } = certificate;
  const spoken: string[] = [];
  let reached = 0;
  const server = versions === 'plain'
    ? createPlainServer((socket) => void socket.on('error', () => undefined).end('220 in the clear\r\n'))
    : createServer({ key: pem, cert: pem, minVersion: versions[0], maxVersion: versions[1] }, (socket: TLSSocket) => {
        spoken.push(socket.getProtocol()!);
        socket.on('error', () => undefined).destroy();
      });
  server.on('connection', () => (reached += 1));
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.after(() => void server.close());
  return { host, port: (server.address() as AddressInfo).port, caFile, spoken, reached: () => reached };
}

const address = (text: string): string => text;
const secret = async (text: string): Promise<string> => await Promise.resolve(text);

/** A source of a system that is nothing but its endpoint, as a job is given it. */
const contextAt = ({ host, port, caFile }: Place, tls: boolean, weakerTls: WeakerTls): SourceContext => ({
  system: { environments: { production: { endpoints: { documents: { uri: `mongodb://${host}:${port}/?directConnection=true`, ...(tls ? { tls: { caFile } } : {}), weakerTls } } } } },
  sourceName: 'documents',
  source: { environment: 'production', limits: { connections: 1, readPreference: 'primary' } },
  signal: new AbortController().signal,
  address,
  secret,
} as unknown as SourceContext);

/** Each kind of connector, made to speak to a place. `tls` false: its settings ask for none. */
const connectors: Record<string, (place: Place, tls: boolean, weakerTls: WeakerTls) => Promise<unknown>> = {
  // Long enough for a handshake on a machine that is busy: the driver tells why it failed only once this is over.
  mongodb: async (place, tls, weakerTls) => await connectSource(contextAt(place, tls, weakerTls), { environment: 'production', serverSelectionTimeoutMS: 3_000 }),
  // Nothing that answers in an old TLS is dead: what is silent may be killed for it.
  'the old primary': async (place, tls, weakerTls) => {
    const { hello } = await askOldPrimary(contextAt(place, tls, weakerTls) as unknown as FenceContext);
    throw new Error(`hello: ${String(hello)}`);
  },
  store: async ({ host, port, caFile }, tls, weakerTls) => {
    const store = openS3Store({ name: 'primary', endpoint: `${tls ? 'https' : 'http'}://${host}:${port}`, region: 'us-east-1', bucket: 'b', prefix: '', pathStyle: true, credentials: { accessKeyId: 'aaaa', secretAccessKey: 'bbbb' }, ca: readFileSync(caFile, 'utf8'), weakerTls, retryAfterMs: [] });
    return await store.getVersion({ key: 'k', versionId: 'v' });
  },
  webhook: async ({ host, port, caFile }, tls, weakerTls) => await post({ url: `${tls ? 'https' : 'http'}://${host}:${port}/`, body: '{}', ca: readFileSync(caFile, 'utf8'), weakerTls, signal: AbortSignal.timeout(5_000) }, 'the address of the webhook'),
  'mail server': async ({ host, port, caFile }, tls, weakerTls) =>
    await openEmail({ kind: 'email', audience: 'internal', from: 'a@b.example', to: ['c@d.example'], smtp: { host, port, tls: tls ? 'implicit' : 'none', caFile }, weakerTls }, { secret, address }).send({ notice: notice(), link: null, signal: AbortSignal.timeout(5_000) }),
  Temporal: async ({ host, port }, tls, weakerTls) => {
    const variable = 'HOLDFAST_TEMPORAL_WEAKER_TLS';
    if (weakerTls) process.env[variable] = `${weakerTls.atLeast}: ${weakerTls.reason}`;
    try {
      await requireTemporalTls({ tls }, `${host}:${port}`);
      throw new Error('it may be spoken to');
    } finally {
      delete process.env[variable];
    }
  },
  'a program’s server': async ({ host, port }, tls, weakerTls) => {
    await tryHandshake({ name: 'endpoint orders', hosts: [host], tls, weakerTls }, { host, port });
    throw new Error('it may be started');
  },
};

async function errorOf(work: Promise<unknown>): Promise<HoldfastError | Error> {
  return await work.then(() => assert.fail('it was spoken to, and nothing there answers'), (error: Error) => error);
}

const why = 'an appliance that knows no newer TLS';

describe('off this machine', { skip }, () => {
  before(async () => {
    const directory = tempDir({ after: (cleanUp) => void process.once('exit', cleanUp) });
    const [pair, ca] = [join(directory, 'server.pem'), join(directory, 'ca.pem')];
    await runTool({ path: '/usr/bin/openssl' }, ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=holdfast test', '-addext', `subjectAltName=IP:${away},IP:127.0.0.1`, '-keyout', pair, '-out', ca]);
    certificate = { pem: Buffer.concat([readFileSync(pair), readFileSync(ca)]), caFile: ca };
  });

  for (const [kind, speak] of Object.entries(connectors)) {
    test(`${kind}: a server of TLS 1.2 is refused by name, and the way out is told`, async (t) => {
      const place = await serve(t, ['TLSv1.2', 'TLSv1.2']);
      const error = await errorOf(speak(place, true, undefined));
      assert.ok(error instanceof HoldfastError, String(error));
      assert.equal(error.type, 'WeakTransport', error.message);
      assert.match(error.message, /speaks no TLS 1\.3/);
      assert.match(error.hint ?? '', /weakerTls|HOLDFAST_TEMPORAL_WEAKER_TLS/);
      assert.deepEqual(place.spoken, [], 'no handshake came through');
    });

    test(`${kind}: in the clear it is refused before a byte is sent`, async (t) => {
      const place = await serve(t, 'plain');
      const error = await errorOf(speak(place, false, undefined));
      assert.ok(error instanceof HoldfastError, String(error));
      assert.equal(error.type, 'WeakTransport', error.message);
      assert.match(error.message, /in the clear/);
      assert.equal(place.reached(), 0);
    });

    // It is listened to for five seconds each time, and speaks as the one before.
    if (kind === 'the old primary') continue;

    test(`${kind}: a server of TLS 1.3 is spoken to in that`, async (t) => {
      const place = await serve(t, ['TLSv1.2', 'TLSv1.3']);
      const error = await errorOf(speak(place, true, undefined));
      assert.notEqual((error as HoldfastError).type, 'WeakTransport', error.message);
      // The server's own end of the handshake comes a moment after ours.
      await until('the server has seen the handshake', () => place.spoken.length > 0);
      assert.deepEqual([...new Set(place.spoken)], ['TLSv1.3'], error.message);
    });

    test(`${kind}: TLS 1.2 is spoken where the system file says so, and why`, async (t) => {
      const place = await serve(t, ['TLSv1.2', 'TLSv1.2']);
      const error = await errorOf(speak(place, true, { atLeast: '1.2', reason: why }));
      assert.notEqual((error as HoldfastError).type, 'WeakTransport', error.message);
      assert.deepEqual([...new Set(place.spoken)], ['TLSv1.2'], error.message);
    });

    test(`${kind}: a permission for TLS 1.2 is none for the clear, and one for the clear is`, async (t) => {
      const place = await serve(t, 'plain');
      assert.equal((await errorOf(speak(place, false, { atLeast: '1.2', reason: why })) as HoldfastError).type, 'WeakTransport');
      assert.equal(place.reached(), 0);
      if (kind === 'mongodb' || kind === 'mail server') return;
      const error = await errorOf(speak(place, false, { atLeast: 'none', reason: why }));
      assert.notEqual((error as HoldfastError).type, 'WeakTransport', error.message);
    });
  }

  test('a server that answers TLS in the clear is named for that', async (t) => {
    const place = await serve(t, 'plain');
    assert.match((await errorOf(connectors['webhook']!(place, true, undefined))).message, /does not answer in TLS: it speaks in the clear/);
  });

  test('a certificate that nobody checks counts as none', async () => {
    await assert.rejects(mongoTransport('endpoint documents of dr', `mongodb://${away}:1/?tls=true&tlsAllowInvalidCertificates=true`, {}), /endpoint documents of dr .* would be believed whatever its certificate is/);
    await assert.rejects(mongoTransport('endpoint documents of dr', `mongodb://${away}:1/?tls=true&tlsInsecure=true`, {}), /whatever its certificate is/);
  });
});

test('loopback may be in the clear, and no name that merely looks like it', () => {
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1', '[::1]']) assert.equal(isLoopback(host), true, host);
  for (const host of ['localhost.example.com', '127.0.0.1.example.com', '10.0.0.1', '0.0.0.0', 'mongo-1', '::2', '1127.0.0.1']) assert.equal(isLoopback(host), false, host);
  assert.doesNotThrow(() => requireTls({ name: 'store', hosts: ['127.0.0.1'], tls: false, weakerTls: undefined }));
  assert.throws(() => requireTls({ name: 'store', hosts: ['127.0.0.1', 'mongo-2'], tls: false, weakerTls: undefined }), /store \(mongo-2\) would be spoken to in the clear/);
});

test('a permission needs its reason', () => {
  assert.equal(weakerTlsSchema.safeParse({ atLeast: '1.2' }).success, false);
  assert.equal(weakerTlsSchema.safeParse({ atLeast: '1.2', reason: 'because' }).success, false);
  assert.equal(weakerTlsSchema.safeParse({ atLeast: '1.1', reason: why }).success, false);
  assert.deepEqual(readTemporalWeakerTls({ HOLDFAST_TEMPORAL_WEAKER_TLS: `none: ${why}` }), { atLeast: 'none', reason: why });
  assert.throws(() => readTemporalWeakerTls({ HOLDFAST_TEMPORAL_WEAKER_TLS: 'none' }), /HOLDFAST_TEMPORAL_WEAKER_TLS: expected/);
});
