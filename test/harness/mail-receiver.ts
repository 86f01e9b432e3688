import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Owner } from './cleanup.ts';
import type { Behaviour } from './http-receiver.ts';

const tls = join(import.meta.dirname, '..', 'fixtures', 'tls');

export interface Mail {
  from: string;
  to: string[];
  secure: boolean;
  raw: string;
}

export interface MailReceiver {
  port: number;
  mails: Mail[];
  behave(behaviour: Behaviour): void;
  stop(): Promise<void>;
}

export const mailUser = { username: 'holdfast', password: 'a mail password' };

const smtpError = (responseCode: number, message: string): Error => Object.assign(new Error(message), { responseCode });

/** A real SMTP server of the test's own on loopback: STARTTLS, a password asked for, `full@…` is refused as a recipient. */
export async function startMailReceiver(owner: Owner, options: SMTPServerOptions = {}): Promise<MailReceiver> {
  const pem = readFileSync(join(tls, 'server.pem'));
  const mails: Mail[] = [];
  let behaviour: Behaviour = 'ok';
  const server = new SMTPServer({
    key: pem,
    cert: pem,
    closeTimeout: 50,
    disableReverseLookup: true,
    onAuth: ({ username, password }, _session, done) =>
      done(username === mailUser.username && password === mailUser.password ? null : smtpError(535, 'wrong password'), { user: username }),
    onRcptTo: ({ address }, _session, done) => done(address.startsWith('full@') ? smtpError(550, 'no such mailbox') : null),
    onData: (stream, { envelope, secure }, done) => {
      void text(stream).then((raw) => {
        if (behaviour === 'hang') return;
        if (behaviour === 'later' || behaviour === 'refuse') {
          done(smtpError(behaviour === 'later' ? 451 : 554, behaviour));
          return;
        }
        mails.push({ from: envelope.mailFrom ? envelope.mailFrom.address : '', to: envelope.rcptTo.map(({ address }) => address), secure, raw });
        if (behaviour === 'lose') for (const connection of server.connections) (connection as unknown as { _socket: { destroy(): void } })._socket.destroy();
        else done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await new Promise<void>((resolve) => server.close(resolve));
  };
  owner.after(stop);
  return { port: (server.server.address() as AddressInfo).port, mails, behave: (next) => (behaviour = next), stop };
}

/** Headers by lower-case name, unfolded, and the parts, their transfer encoding undone. */
export function readMail({ raw }: Mail): { headers: Record<string, string>; text: string; html: string } {
  const whole = readPart(raw);
  const boundary = /boundary="([^"]+)"/.exec(whole.headers['content-type'] ?? '')?.[1];
  const parts = boundary === undefined ? [whole] : raw.split(`--${boundary}`).slice(1, -1).map((part) => readPart(part.replace(/^\r\n/, '')));
  const of = (type: string): string => parts.find(({ headers }) => (headers['content-type'] ?? 'text/plain').startsWith(type))?.body ?? '';
  return { headers: whole.headers, text: of('text/plain'), html: of('text/html') };
}

function readPart(part: string): { headers: Record<string, string>; body: string } {
  const [head = '', ...body] = part.split('\r\n\r\n');
  const headers = Object.fromEntries(head.replace(/\r\n[ \t]+/g, ' ').split('\r\n').map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
  const encoded = body.join('\r\n\r\n');
  const decode: Record<string, () => string> = {
    base64: () => Buffer.from(encoded, 'base64').toString('utf8'),
    'quoted-printable': () => Buffer.from(encoded.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))), 'latin1').toString('utf8'),
  };
  return { headers, body: (decode[headers['content-transfer-encoding'] ?? ''] ?? (() => encoded))() };
}
