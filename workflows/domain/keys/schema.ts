import { z } from 'zod';
import { carriesPassword } from '../address.ts';
import { durationSchema } from '../duration.ts';
import { nameSchema as name } from '../name-schema.ts';
import { secretRefSchema } from '../tool-source.ts';
import { hours } from '../units.ts';
import { weakerTlsSchema } from '../weaker-tls.ts';

/**
 * The keys of a system, as its file names them. Each backup, and each hour of log, has a key of its own, which is wrapped for every recipient: any one of them opens it.
 * A recipient's name is written into every key object that is made for it, and never stands for another key.
 */

/** Words that Holdfast says itself of every key, whoever it is wrapped for. */
const ourWords = ['holdfast', 'system', 'source', 'timeline', 'backup'] as const;

const contextSchema = z
  .record(z.string().regex(/^[A-Za-z0-9._:/-]{1,64}$/, 'letters, digits and . _ : / -, at most 64'), z.string().min(1).max(256))
  .refine((context) => !ourWords.some((word) => word in context), `${ourWords.join(', ')} are said already, by Holdfast itself`);

const proveEvery = durationSchema.optional().meta({ description: 'without its private half nobody here can open what is wrapped for it: `holdfast key prove-recovery` is overdue after so long; left out: 92 days' });
/** A quarter, whichever it is. */
export const proveEveryMs = hours(24 * 92);

const recipientSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('aes256').meta({ description: 'an AES-256 key of the system’s own' }),
    aes256: secretRefSchema.meta({ description: '32 bytes as 64 hex digits' }),
  }),
  z.strictObject({
    kind: z.literal('kms').meta({ description: 'a key of AWS KMS, or of what speaks as it does' }),
    keyId: z.string().min(1).meta({ description: 'ARN or id of the key, or alias/NAME; ${ENV} allowed' }),
    region: z.string().min(1),
    endpoint: z.string().min(1).refine((text) => !carriesPassword(text), 'an address without user and password').optional().meta({ description: 'left out: AWS' }),
    context: contextSchema.default({ purpose: 'backup' }).meta({ description: 'encryption context beside ours; KMS opens nothing under another' }),
    credentials: z.strictObject({ accessKeyId: secretRefSchema, secretAccessKey: secretRefSchema }).optional().meta({ description: 'left out: as the SDK finds them (environment, profile, role)' }),
    caFile: z.string().min(1).optional().meta({ description: 'certificates (PEM) that the server’s is believed by, beside the usual ones; ${ENV} allowed' }),
    weakerTls: weakerTlsSchema,
  }),
  z.strictObject({
    kind: z.literal('gpg').meta({ description: 'an OpenPGP key, by the program gpg' }),
    publicKey: secretRefSchema.meta({ description: 'the public key, as gpg --armor --export writes it' }),
    recipient: z.string().min(1).optional().meta({ description: 'address or fingerprint that the key has to be of; left out: whoever it is of' }),
    privateKey: secretRefSchema.optional().meta({ description: 'as gpg --armor --export-secret-keys writes it, where backups are opened with it; left out: it only wraps' }),
    passphrase: secretRefSchema.optional().meta({ description: 'of the private key; left out: it has none' }),
    proveEvery,
  }),
  z.strictObject({
    kind: z.literal('age').meta({ description: 'an X25519 key pair of age, whose private half lies on paper or on a stick: the offline recovery recipient' }),
    publicKey: z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/, 'a public key of age: age1 and 58 characters'),
    privateKey: secretRefSchema.optional().meta({ description: 'AGE-SECRET-KEY-1…, where backups are opened with it; left out: it only wraps' }),
    proveEvery,
  }),
]);
export type RecipientConfig = z.output<typeof recipientSchema>;

const keyFields = z.strictObject({
  id: name.optional().meta({ description: 'name of aes256, written into every key object that it wraps' }),
  aes256: secretRefSchema.optional().meta({ description: 'the system’s own key: 32 bytes as 64 hex digits; left out: the recipients alone' }),
  recipients: z.record(name, recipientSchema).optional().meta({ description: 'for whom every key is wrapped too, by name: any one of them opens every backup' }),
  retiring: z.record(name, recipientSchema).optional().meta({ description: 'keys that still open what was wrapped for them and wrap nothing any more: `holdfast key rotate` says when nothing depends on them' }),
  rotateEvery: durationSchema.optional().meta({ description: 'a key that lies on the workers (of all but KMS and what is offline) is to be replaced after so long, such as 92d: readiness says so until it is; left out: nobody says so' }),
  signing: z.strictObject({
    privateKey: secretRefSchema.meta({ description: 'Ed25519 private key, PEM' }),
    publicKeys: z.array(secretRefSchema).min(1).meta({ description: 'Ed25519 public keys, PEM, that manifests are accepted from' }),
  }),
});
export type KeyConfig = z.output<typeof keyFields>;

export interface NamedRecipient {
  id: string;
  /** its field in the system file, for messages */
  where: string;
  config: RecipientConfig;
}

/** For whom every new key is wrapped, the cheapest to open first. */
export function recipientsOf({ id, aes256, recipients = {} }: Pick<KeyConfig, 'id' | 'aes256' | 'recipients'>): NamedRecipient[] {
  const own: NamedRecipient[] = id !== undefined && aes256 !== undefined ? [{ id, where: 'key', config: { kind: 'aes256', aes256 } }] : [];
  return [...own, ...namedIn(recipients, 'key.recipients')].sort((a, b) => cost[a.config.kind] - cost[b.config.kind]);
}

export const retiringOf = ({ retiring = {} }: Pick<KeyConfig, 'retiring'>): NamedRecipient[] => namedIn(retiring, 'key.retiring');

const namedIn = (recipients: Record<string, RecipientConfig>, where: string): NamedRecipient[] => Object.entries(recipients).map(([id, config]) => ({ id, where: `${where}.${id}`, config }));
const cost: Record<RecipientConfig['kind'], number> = { aes256: 0, age: 1, kms: 2, gpg: 3 };

/** Whether those who have this file open what is wrapped for it. */
export const opensHere = (config: RecipientConfig): boolean => config.kind === 'aes256' || config.kind === 'kms' || config.privateKey !== undefined;

/** Every secret that the keys of a system are read from. */
export function secretRefsOf(key: KeyConfig): string[] {
  const refs = [...recipientsOf(key), ...retiringOf(key)].flatMap(({ config }) => {
    if (config.kind === 'aes256') return [config.aes256];
    if (config.kind === 'kms') return Object.values(config.credentials ?? {});
    return [config.privateKey, config.kind === 'gpg' ? config.passphrase : undefined];
  });
  return [...refs.filter((ref) => ref !== undefined), key.signing.privateKey, ...key.signing.publicKeys];
}

export const keySchema = keyFields.superRefine((key, ctx) => {
  const complain = (path: string[], message: string): void => ctx.addIssue({ code: 'custom', path, message });
  if ((key.id === undefined) !== (key.aes256 === undefined)) complain([key.id === undefined ? 'id' : 'aes256'], 'id and aes256 belong together: a key and its name');
  const current = recipientsOf(key);
  if (!current.some(({ config }) => opensHere(config))) complain(['recipients'], 'nobody here could open a backup: expected aes256, a recipient of the kind aes256 or kms, or one with its privateKey');
  const names = new Set<string>();
  for (const { id, where, config } of [...current, ...retiringOf(key)]) {
    const path = where.split('.').slice(1);
    if (names.has(id)) complain(path, `"${id}" names another key already: a new key has a new name`);
    names.add(id);
    if (path[0] === 'retiring' && !opensHere(config)) complain(path, 'opens nothing here, so nothing is gained by naming it: leave it out');
  }
});
