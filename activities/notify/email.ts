import { connect, isIP, type Socket } from 'node:net';
import { rootCertificates } from 'node:tls';
import { createTransport } from 'nodemailer';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Notice } from '../../workflows/domain/notify/notice.ts';
import type { ReportPage } from '../../workflows/domain/report-page.ts';
import type { ReceiverOf } from '../../workflows/domain/notify/schema.ts';
import { printMail } from '../report/print-mail.ts';
import { printText } from '../report/print-text.ts';
import { asWeakTransport, requireTls } from '../transport/require-tls.ts';
import { keyOf } from './keys.ts';
import { noticePage } from './notice-page.ts';
import { readCa, type Notifier, type NotifierContext } from './notifier.ts';

type Config = ReceiverOf<'email'>;

/** A mail server that says nothing for so long is given up, whatever the time that the try has left. */
const silentForMs = 10_000;

/**
 * E-mail, by SMTP. The Message-ID is made of the message's id: a mail that is sent again, because the server's answer was lost, has the same
 * one, and servers and programs that go by it keep one. Those of one run refer to one another.
 */
export const openEmail = (config: Config, context: NotifierContext): Notifier => ({
  send: async ({ notice, link, mails = [], page, signal }) => {
    const to = [...new Set([...config.to, ...mails])];
    const { smtp } = config;
    const host = context.address(smtp.host);
    const connector = { name: `mail server ${host}:${smtp.port}`, hosts: [host], tls: smtp.tls !== 'none', weakerTls: config.weakerTls };
    const { minVersion } = requireTls(connector);
    const ca = await readCa(smtp.caFile, context);
    const auth = smtp.credentials ? { user: smtp.credentials.username, pass: await context.secret(smtp.credentials.password) } : undefined;
    const socket = await open(host, smtp.port, signal);
    const end = (): void => void socket.destroy();
    signal.addEventListener('abort', end, { once: true });
    try {
      const transport = createTransport({
        host, port: smtp.port, connection: socket, secure: smtp.tls === 'implicit', requireTLS: smtp.tls === 'starttls', ignoreTLS: smtp.tls === 'none',
        ...(auth ? { auth } : {}),
        tls: { minVersion, ...(isIP(host) === 0 ? { servername: host } : {}), ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }) },
        greetingTimeout: silentForMs, socketTimeout: silentForMs, disableFileAccess: true, disableUrlAccess: true,
      });
      const { accepted, rejected } = await transport.sendMail(mailOf({ ...config, to }, notice, { link, page }));
      // Sent again, those who have it would get it twice.
      if (rejected.length > 0) throw new HoldfastError('ReceiverRefused', `${host} takes it for ${accepted.length} of ${to.length} addresses, and not for the others`);
      return `accepted for ${accepted.length} address${accepted.length === 1 ? '' : 'es'}`;
    } catch (error) {
      throw asWeakTransport(error, connector) ?? named(error, host, signal);
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  },
});

/** Ours, so that it can be ended at any moment. */
async function open(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const fail = (why: string): void => {
      socket.destroy();
      reject(new HoldfastError('ReceiverUnavailable', `${host}:${port} does not answer: ${why}`));
    };
    const abort = (): void => fail('no answer in time');
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      resolve(socket);
    });
  });
}

/** 5xx of the server is final (RFC 5321, 4.2.1); a wrong password too, since servers lock out who goes on trying. */
function named(error: unknown, host: string, signal: AbortSignal): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const { responseCode, code, message } = error as { responseCode?: number; code?: string; message: string };
  const said = message.replace(/\s+/g, ' ').slice(0, 200);
  if ((responseCode !== undefined && responseCode >= 500) || code === 'EAUTH') return new HoldfastError('ReceiverRefused', `${host} refuses the mail: ${said}`);
  return new HoldfastError('ReceiverUnavailable', signal.aborted ? `${host} does not answer: no answer in time` : `${host}: ${said}`);
}

/** In two printings of one page: as text, and as HTML, where a program shows that. */
function mailOf({ from, to }: Config, notice: Notice, { link, page }: { link: string | null; page: ReportPage | undefined }): Parameters<ReturnType<typeof createTransport>['sendMail']>[0] {
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const thread = `<${keyOf(notice.thread)}@${domain}>`;
  const text = [
    ...(page ? [printText(page).trimEnd()] : notice.lines.map((line) => `- ${line}`)),
    ...(notice.answers.length > 0 ? ['', 'How to answer:', ...notice.answers.map((way) => `  ${way}`)] : []),
    ...(link ? ['', link] : []),
  ];
  return {
    from,
    // Customers are not to see one another.
    ...(notice.audience === 'external' ? { to: 'undisclosed-recipients:;', bcc: to } : { to }),
    subject: notice.title,
    text: `${text.join('\n')}\n`,
    html: printMail(page ?? noticePage(notice), link),
    messageId: `<${keyOf(notice.id)}@${domain}>`,
    references: thread,
    inReplyTo: thread,
    date: new Date(notice.at),
    ...(notice.severity === 'critical' ? { priority: 'high' as const } : {}),
    // Nobody's absence note is wanted back.
    headers: { 'Auto-Submitted': 'auto-generated' },
  };
}
