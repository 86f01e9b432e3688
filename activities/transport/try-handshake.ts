import { isIP } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import type { HoldfastError } from '../../workflows/domain/errors.ts';
import { asWeakTransport, requireTls, type Connector } from './require-tls.ts';

const withinMs = 3_000;

/**
 * Shakes hands with a server that something else is about to speak to, which has no setting for the oldest TLS: a program, or Temporal's own client. Both take the
 * newest that the server offers, so a server that shakes hands here in TLS 1.3 does so there.
 *
 * A server that does not answer is for whoever connects to it to name.
 * @throws WeakTransport - it speaks no TLS as new as asked for.
 */
export async function tryHandshake(connector: Connector, { host, port }: { host: string; port: number }, options: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'ALPNProtocols'> = {}): Promise<void> {
  const { minVersion } = requireTls(connector);
  if (!connector.tls) return;
  const weak = await new Promise<HoldfastError | undefined>((resolve) => {
    // Whether its certificate is to be believed is looked at by whoever connects.
    const socket = connect({ host, port, minVersion, rejectUnauthorized: false, ...(isIP(host) === 0 ? { servername: host } : {}), ...options });
    const settle = (found?: HoldfastError): void => {
      // After what it still has to say: a server that is cut off in the middle writes an error into its log.
      socket.destroySoon();
      resolve(found);
    };
    socket.setTimeout(withinMs, () => settle());
    socket.once('secureConnect', () => settle());
    socket.once('error', (error) => settle(asWeakTransport(error, connector)));
  });
  if (weak) throw weak;
}
