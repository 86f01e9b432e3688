import type { z } from 'zod';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { JournalOf } from '../../workflows/domain/journal.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion, signedSchema, type ObjectRef } from '../../workflows/domain/stored-object.ts';
import { sha256Hex } from './checks.ts';
import { canonicalBytes } from '../stream/canonical.ts';
import type { Keys } from '../stream/keys.ts';
import type { ObjectVersion, PutOptions, ReadOptions, Store } from './store.ts';

/** What every signed object says of itself, whatever else it holds. */
export interface SignedBody {
  format: number;
  kind: string;
}

export interface Rejected {
  key: string;
  why: string;
}

export interface Found<T> {
  body: T;
  ref: ObjectRef;
}

/**
 * Puts `{body, signature}` as canonical JSON. The same body gives the same bytes, so a retry writes nothing new.
 * @throws AlreadyExists - with `ifAbsent`; then `findSigned` says who won.
 */
export async function putSigned<T extends SignedBody>(store: Store, keys: Keys, key: string, body: T, options: PutOptions = {}): Promise<ObjectRef> {
  const signature = keys.signer.sign(canonicalBytes(body));
  return store.put(key, canonicalBytes({ body, signature }), options);
}

/**
 * Reads one exact version, verifies its signature, then parses it.
 *
 * @param version - an ObjectRef, compared with its digest, or a version from a listing.
 * @throws Tampered - not signed by a known key, altered, not of this shape, or an object of another place put here.
 * @throws NewerFormat - written by a later Holdfast.
 */
export async function readSigned<S extends z.ZodType>(
  store: Store,
  keys: Keys,
  schema: S,
  version: ObjectRef | { key: string; versionId: string },
  options: ReadOptions = {},
): Promise<z.output<S>> {
  const bytes = 'sha256' in version ? await store.get(version, options) : await store.getVersion(version, options);
  return parseSigned(keys, schema, version.key, bytes);
}

/** As `readSigned`, of bytes that were read. */
export function parseSigned<S extends z.ZodType>(keys: Keys, schema: S, key: string, bytes: Buffer): z.output<S> {
  const json = parseJson(bytes, key);
  const envelope = signedSchema.safeParse(json);
  if (!envelope.success) {
    refuseNewer((json as { body?: { format?: unknown } } | null)?.body?.format, key);
    throw new HoldfastError('Tampered', `${key}: not a signed object of Holdfast`, { cause: envelope.error });
  }
  const { body, signature } = envelope.data;
  keys.signer.verify(canonicalBytes(body), signature, key);
  refuseNewer(body.format, key);
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new HoldfastError('Tampered', `${key}: signed, but not what it should be: ${issue?.path.join('.')} ${issue?.message}`, { cause: parsed.error });
  }
  const home = homeOf(body);
  if (home !== undefined && home !== key) {
    throw new HoldfastError('Tampered', `${key}: holds the object of ${home}`);
  }
  return parsed.data;
}

/**
 * The object of a key that was there first. A lock protects versions, not keys: somebody who may write can put a newer
 * version over a locked one, or hide it behind a delete marker. So: all versions, markers ignored, the oldest that is
 * validly signed.
 *
 * @returns `found` undefined when there is none; `rejected` names the versions that were not believed.
 * @throws NewerFormat - nothing valid, and a version that a later Holdfast signed.
 */
export async function findSigned<S extends z.ZodType>(
  store: Store,
  keys: Keys,
  schema: S,
  key: string,
  options: ReadOptions = {},
): Promise<{ found: Found<z.output<S>> | undefined; rejected: Rejected[] }> {
  const versions: ObjectVersion[] = [];
  for await (const version of store.list(key, options)) {
    // Keys that only begin like ours come after it.
    if (version.key !== key) break;
    if (!version.isDeleteMarker) versions.push(version);
  }
  const rejected: Rejected[] = [];
  let newer: HoldfastError | undefined;
  for (const version of versions) {
    try {
      const bytes = await store.getVersion(version, options);
      const body = parseSigned(keys, schema, key, bytes);
      return { found: { body, ref: { key, versionId: version.versionId, bytes: bytes.length, sha256: sha256Hex(bytes) } }, rejected };
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.retryable) throw error;
      if (error.type === 'NewerFormat') newer = error;
      rejected.push({ key, why: `version ${version.versionId}: ${error.message}` });
    }
  }
  if (newer) throw newer;
  return { found: undefined, rejected };
}

/** Where an object of this content belongs, so that a signed object copied to another key is not believed there. */
function homeOf(body: SignedBody & Record<string, unknown>): string | undefined {
  const of = body as unknown as Record<'system' | 'source' | 'timeline' | 'backup' | 'from' | 'to' | 'run' | 'person' | 'point' | 'at' | 'before' | 'day' | 'id', string> & { in: JournalOf['in']; epoch: number; step: number; number: number };
  switch (body.kind) {
    case 'base': return layout.manifest(of);
    case 'plan': return layout.plan(of);
    case 'timeline': return layout.timeline(of);
    case 'gap': return layout.gap(of, of.from, of.to);
    case 'head': return layout.head(of, of.to);
    case 'history': return layout.history(of);
    case 'epoch': return layout.epoch(of.system, of.epoch);
    case 'hold': return layout.hold(of.system, of.run);
    case 'expired-base': return layout.expiredBase(of);
    case 'expired-log': return layout.expiredLog(of, of.before);
    case 'retention-plan': return layout.retentionPlan(of.system, of.run, of.source);
    case 'disposal-order': return layout.disposalOrder(of);
    case 'disposal-certificate': return layout.disposalCertificate(of);
    case 'base-list': return layout.baseList(of, of.number);
    case 'mark': return layout.mark(of, of.point, of.at);
    case 'verification': return layout.verification(of, of.at);
    case 'audit': return layout.auditRecord(of.system, of.number);
    case 'audit-seal': return layout.auditSeal(of.system, of.day);
    case 'evidence': return layout.evidenceBundle(of.system, of, of.at);
    case 'key-check': return layout.keyCheck(of, of.at);
    case 'key-rotation': return layout.keyRotation(of.system, of.run);
    case 'retired-key': return layout.retiredKey(of.system, (body as unknown as { recipient: { id: string } }).recipient.id);
    case 'recovery-proof': return layout.recoveryProof(body as unknown as Parameters<typeof layout.recoveryProof>[0]);
    case 'deployment': return layout.deployment(of.system, of.number);
    case 'backup-report':
    case 'period-report': return layout.keptReport(of.system, of.id, 'report.json');
    case 'used-code': return layout.usedCode(of.system, of.person, of.step);
    default: return undefined;
  }
}

function parseJson(bytes: Buffer, key: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new HoldfastError('Tampered', `${key}: not JSON (${bytes.length} bytes)`, { cause });
  }
}

function refuseNewer(format: unknown, key: string): void {
  if (typeof format !== 'number' || format <= formatVersion) return;
  throw new HoldfastError('NewerFormat', `${key}: format ${format}; this Holdfast reads up to ${formatVersion}`, {
    hint: 'use the version of Holdfast that wrote it, or a later one',
  });
}
