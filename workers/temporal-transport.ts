import type { loadClientConnectConfig } from '@temporalio/envconfig';
import { HoldfastError } from '../workflows/domain/errors.ts';
import { readTemporalWeakerTls, temporalWeakerTls } from '../activities/transport/temporal-weaker-tls.ts';
import { tryHandshake } from '../activities/transport/try-handshake.ts';

type Options = ReturnType<typeof loadClientConnectConfig>['connectionOptions'];

/**
 * Refuses a Temporal server off this machine that would be spoken to in the clear, or by TLS older than 1.3: inputs and results of workflows go there.
 * @throws WeakTransport - names the address, and the way out.
 */
export async function requireTemporalTls({ tls, apiKey }: Options, address: string): Promise<void> {
  const [, host = address, port = '7233'] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(address.replace(/^\w+:\/\//, '')) ?? [];
  const config = typeof tls === 'object' && tls !== null ? tls : undefined;
  const isTls = config !== undefined || tls === true || (tls === undefined && apiKey !== undefined);
  const connector = { name: `Temporal at ${address}`, hosts: [host], tls: isTls, weakerTls: readTemporalWeakerTls() };
  const servername = config?.serverNameOverride ?? undefined;
  const pair = config?.clientCertPair;
  await tryHandshake(connector, { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }, {
    ALPNProtocols: ['h2'],
    ...(servername ? { servername } : {}),
    ...(pair ? { cert: Buffer.from(pair.crt), key: Buffer.from(pair.key) } : {}),
  }).catch((error: unknown) => {
    if (!(error instanceof HoldfastError) || error.type !== 'WeakTransport') throw error;
    throw new HoldfastError('WeakTransport', error.message.replace(` HINT: ${error.hint}`, ''), { hint: `set TEMPORAL_TLS and give the server TLS 1.3; or, where that cannot be, say so: ${temporalWeakerTls}="none: REASON", or "1.2: REASON"`, cause: error });
  });
}
