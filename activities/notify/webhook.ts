import { createHmac } from 'node:crypto';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { ReceiverOf } from '../../workflows/domain/notify/schema.ts';
import { readCa, type Notifier, type NotifierContext } from './notifier.ts';
import { post } from './post.ts';

/** A shorter key could be guessed from one message. */
const shortestKeyBytes = 16;

/**
 * Any program, by a signed POST as the Standard Webhooks specification has it: HMAC-SHA256 over id, time and body. A repeated message has the
 * same id, in `webhook-id` and `Idempotency-Key`, and the same body; its time and so its signature are new.
 * @source Standard Webhooks: webhook-id, webhook-timestamp (Unix seconds), webhook-signature `v1,` and base64
 */
export const openWebhook = (config: ReceiverOf<'webhook'>, context: NotifierContext): Notifier => ({
  send: async ({ notice, link, signal }) => {
    const { id, phase, at, audience: _audience, thread, alert, ...said } = notice;
    const body = JSON.stringify({ type: `holdfast.${phase}`, timestamp: at, data: { id, thread, alert: notice.audience === 'internal' ? alert : null, ...said, link } });
    const sentAt = Math.floor(Date.now() / 1000);
    const headers = {
      'idempotency-key': id,
      'webhook-id': id,
      'webhook-timestamp': String(sentAt),
      'webhook-signature': `v1,${createHmac('sha256', keyBytes(await context.secret(config.secret))).update(`${id}.${sentAt}.${body}`).digest('base64')}`,
    };
    await post({ url: context.address(config.url), headers, body, ca: await readCa(config.caFile, context), weakerTls: config.weakerTls, signal }, 'the address of the webhook');
    return 'accepted';
  },
});

/** @throws BadSystemFile - the secret is too short to sign with; says nothing of it. */
function keyBytes(secret: string): Buffer {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
  if (key.length < shortestKeyBytes) throw new HoldfastError('BadSystemFile', `the secret of a webhook has ${key.length} bytes, and needs at least ${shortestKeyBytes}`);
  return key;
}
