import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { rootCertificates } from 'node:tls';
import { HoldfastError } from '../../workflows/domain/errors.ts';

export interface Post {
  url: string;
  headers?: Record<string, string>;
  body: string;
  ca?: string | undefined;
  signal: AbortSignal;
}

/** Of an answer no more is read than a person would. */
const answerBytes = 4_096;
/** Another try may find it otherwise. */
const passing = new Set([408, 425, 429]);

/** @throws BadSystemFile - not an address, or one that what we say would go to in the clear. */
export function checkedUrl(text: string, of: string): URL {
  // Never with its text: a webhook's address is its secret.
  if (!URL.canParse(text)) throw new HoldfastError('BadSystemFile', `${of} is not an address such as https://host/path`);
  const url = new URL(text);
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback)) {
    throw new HoldfastError('BadSystemFile', `${of} is not an https address: messages name hosts and people, and are not sent in the clear`);
  }
  return url;
}

/**
 * Posts a body once: no redirect is followed, since what it would be sent to is nobody's choice.
 * @returns the answer's text, of a status from 200 to 299.
 * @throws ReceiverUnavailable - no answer in time, or one that says "later". ReceiverRefused - any other.
 */
export async function post({ url: text, headers = {}, body, ca, signal }: Post, of: string): Promise<string> {
  const url = checkedUrl(text, of);
  const { status, said } = await exchange(url, { headers, body, ca, signal }).catch((error: unknown) => {
    const why = signal.aborted ? 'no answer in time' : ((error as NodeJS.ErrnoException).code ?? (error as Error).message);
    throw new HoldfastError('ReceiverUnavailable', `${url.host} does not answer: ${why}`);
  });
  if (status >= 200 && status < 300) return said;
  const answered = `${url.host} answers ${status}${said === '' ? '' : `: ${said.replace(/\s+/g, ' ').slice(0, 200)}`}`;
  if (status >= 500 || passing.has(status)) throw new HoldfastError('ReceiverUnavailable', answered);
  throw new HoldfastError('ReceiverRefused', answered);
}

async function exchange(url: URL, { headers, body, ca, signal }: Pick<Required<Post>, 'headers' | 'body' | 'signal'> & { ca: string | undefined }): Promise<{ status: number; said: string }> {
  const send = url.protocol === 'https:' ? overHttps : overHttp;
  const trust = ca === undefined ? {} : { ca: [...rootCertificates, ca] };
  return await new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), 'user-agent': 'holdfast', ...headers };
    const request = send(url, { method: 'POST', headers: all, signal, ...trust }, (response) => {
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
