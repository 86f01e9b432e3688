import type { SecureVersion } from 'node:tls';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { WeakerTls } from '../../workflows/domain/weaker-tls.ts';

/** Something that this process is about to speak to. */
export interface Connector {
  /** as the system file calls it, for messages: `endpoint documents of production` */
  name: string;
  /** without port */
  hosts: readonly string[];
  tls: boolean;
  /** its certificate is looked at; left out: it is */
  checked?: boolean | undefined;
  weakerTls: WeakerTls;
}

/** A name or address of this very machine that no cable leads to. What a name is looked up to may change, so names count as they stand. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);

/**
 * Whether a connector may be spoken to at all, and what its TLS must be.
 * @throws WeakTransport - off loopback it would be in the clear, or by a certificate that nobody checks, and no `weakerTls` allows that.
 */
export function requireTls({ name, hosts, tls, checked = true, weakerTls }: Connector): { minVersion: SecureVersion } {
  const away = hosts.filter((host) => !isLoopback(host));
  if (away.length > 0 && weakerTls?.atLeast !== 'none') {
    if (!tls) throw weak(`${name} (${away.join(', ')}) would be spoken to in the clear, off this machine`);
    if (!checked) throw weak(`${name} (${away.join(', ')}) would be believed whatever its certificate is`);
  }
  return { minVersion: weakerTls === undefined ? 'TLSv1.3' : 'TLSv1.2' };
}

/**
 * A connection that failed because the other side speaks no TLS as new as was asked for, or none, as an error that says so; undefined: it failed for another reason.
 * @param error - what the socket, or whoever wraps it, threw.
 */
export function asWeakTransport(error: unknown, { name, weakerTls }: Pick<Connector, 'name' | 'weakerTls'>): HoldfastError | undefined {
  for (const { code = '', message = '' } of causesOf(error)) {
    const said = `${String(code)} ${message}`;
    if (/ALERT_PROTOCOL_VERSION|alert protocol version|UNSUPPORTED_PROTOCOL|unsupported protocol|ALERT_HANDSHAKE_FAILURE|alert handshake failure/i.test(said)) {
      return weak(`${name} speaks no TLS ${weakerTls === undefined ? '1.3' : '1.2'}`, error);
    }
    if (/WRONG_VERSION_NUMBER|wrong version number|PACKET_LENGTH_TOO_LONG/i.test(said)) return weak(`${name} does not answer in TLS: it speaks in the clear`, error);
  }
  return undefined;
}

const weakerTlsHint = 'give the server TLS 1.3; or, where that cannot be, say so beside its address in the system file: weakerTls: {atLeast: \'1.2\' or none, reason: why}';

const weak = (message: string, cause?: unknown): HoldfastError => new HoldfastError('WeakTransport', message, { hint: weakerTlsHint, cause });

interface Failure {
  code?: unknown;
  message?: string;
}

/** An error and all that it says it came of: drivers wrap the socket's error, the MongoDB driver one for each server. */
function causesOf(error: unknown, depth = 0): Failure[] {
  if (error === null || typeof error !== 'object' || depth > 6) return [];
  const { cause, errors, reason, error: inner } = error as { cause?: unknown; errors?: unknown; reason?: { servers?: unknown }; error?: unknown };
  const servers = reason?.servers instanceof Map ? [...reason.servers.values() as Iterable<{ error?: unknown }>].map((server) => server.error) : [];
  return [error as Failure, ...[cause, inner, ...(Array.isArray(errors) ? errors as unknown[] : []), ...servers].flatMap((next) => causesOf(next, depth + 1))];
}
