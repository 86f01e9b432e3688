import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { rootCertificates, type SecureVersion } from 'node:tls';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { WeakerTls } from '../../workflows/domain/weaker-tls.ts';
import { asWeakTransport, requireTls } from '../transport/require-tls.ts';

export interface Post {
  url: string;
  headers?: Record<string, string>;
  body: string;
  ca?: string | undefined;
  weakerTls?: WeakerTls;
  signal: AbortSignal;
}

/** Of an answer no more is read than a person would. */
const answerBytes = 4_096;
/** Another try may find it otherwise. */
const passing = new Set([408, 425, 429]);

/**
 * Where a message goes, and what its TLS must be: messages name hosts and people.
 * @throws BadSystemFile - not an address. WeakTransport - one that what we say would go to in the clear.
 */
function checkedUrl(text: string, of: string, weakerTls: WeakerTls): { url: URL; minVersion: SecureVersion } {
  // Never with its text: a webhook's address is its secret.
  if (!URL.canParse(text)) throw new HoldfastError('BadSystemFile', `${of} is not an address such as https://host/path`);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new HoldfastError('BadSystemFile', `${of} is not an https address`);
  return { url, ...requireTls({ name: of, hosts: [url.hostname], tls: url.protocol === 'https:', weakerTls }) };
}

/**
 * Posts a body once: no redirect is followed, since what it would be sent to is nobody's choice.
 * @returns the answer's text, of a status from 200 to 299.
 * @throws ReceiverUnavailable - no answer in time, or one that says "later". ReceiverRefused - any other. WeakTransport - it speaks no TLS 1.3.
 */
export async function post({ url: text, headers = {}, body, ca, weakerTls, signal }: Post, of: string): Promise<string> {
  const { url, minVersion } = checkedUrl(text, of, weakerTls);
  const { status, said } = await exchange(url, { headers, body, ca, minVersion, signal }).catch((error: unknown) => {
    const weak = asWeakTransport(error, { name: `${of} (${url.host})`, weakerTls });
    if (weak) throw weak;
    const why = signal.aborted ? 'no answer in time' : ((error as NodeJS.ErrnoException).code ?? (error as Error).message);
    throw new HoldfastError('ReceiverUnavailable', `${url.host} does not answer: ${why}`);
  });
  if (status >= 200 && status < 300) return said;
  const answered = `${url.host} answers ${status}${said === '' ? '' : `: ${said.replace(/\s+/g, ' ').slice(0, 200)}`}`;
  if (status >= 500 || passing.has(status)) throw new HoldfastError('ReceiverUnavailable', answered);
  throw new HoldfastError('ReceiverRefused', answered);
}

async function exchange(url: URL, { headers, body, ca, minVersion, signal }: Pick<Required<Post>, 'headers' | 'body' | 'signal'> & { ca: string | undefined; minVersion: SecureVersion }): Promise<{ status: number; said: string }> {
  const send = url.protocol === 'https:' ? overHttps : overHttp;
  const trust = ca === undefined ? {} : { ca: [...rootCertificates, ca] };
  return await new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), 'user-agent': 'holdfast', ...headers };
    const request = send(url, { method: 'POST', headers: all, signal, ...(url.protocol === 'https:' ? { minVersion, ...trust } : {}) }, (response) => {
      let said = '';
      response.setEncoding('utf8');
      const settle = (): void => resolve({ status: response.statusCode ?? 0, said });
      response.on('data', (piece: string) => {
        said = (said + piece).slice(0, answerBytes);
        // The status is what counts; an answer without end is not waited for.
        if (said.length >= answerBytes) {
          settle();
          response.destroy();
        }
      });
      response.once('end', settle);
      response.once('error', reject);
    });
    request.once('error', reject);
    request.end(body);
  });
}
