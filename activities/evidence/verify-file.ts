import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { EvidenceProblem, EvidenceRead } from '../../workflows/domain/evidence.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { evidenceSchema, type Evidence } from '../../workflows/domain/act-records.ts';
import { signedSchema } from '../../workflows/domain/stored-object.ts';
import { openVerifier } from '../open-context.ts';
import { sha256Hex } from '../store/checks.ts';
import { parseSigned } from '../store/signed-object.ts';
import { lackOf } from './read-evidence.ts';

/**
 * A bundle on disk, as `evidence get` wrote it: its signature, by the public keys of the system that it names, and the files beside it. What the audit says of it needs the bucket.
 * @throws Tampered - not a bundle, or not signed by a key of that system. UnknownSystem.
 */
export async function verifyEvidenceFile(bytes: Buffer, path: string): Promise<EvidenceRead> {
  const bundle = await readBundle(bytes, path);
  const of = { in: bundle.in, id: bundle.id };
  const folder = layout.recordOf(bundle.system, of);
  const problems: EvidenceProblem[] = [...lackOf(bundle)];
  for (const { key, sha256 } of bundle.files) {
    const beside = join(dirname(path), key.slice(folder.length));
    const found = await readFile(beside).catch(() => undefined);
    if (!found) problems.push({ object: beside, problem: 'is not beside it' });
    else if (sha256Hex(found) !== sha256) problems.push({ object: beside, problem: `is not what was signed: that has SHA-256 ${sha256}, and this ${sha256Hex(found)}` });
  }
  return { of, at: bundle.at, outcome: bundle.outcome, bundle: { key: layout.evidenceBundle(bundle.system, of, bundle.at), versionId: 'on disk', bytes: bytes.length, sha256: sha256Hex(bytes) }, files: bundle.files.length, problems };
}

async function readBundle(bytes: Buffer, path: string): Promise<Evidence> {
  const json: unknown = (() => { try { return JSON.parse(bytes.toString('utf8')); } catch { return undefined; } })();
  const envelope = signedSchema.safeParse(json);
  const system = envelope.success ? envelope.data.body['system'] : undefined;
  if (typeof system !== 'string') throw new HoldfastError('Tampered', `${path}: not a signed object of Holdfast`);
  const { keys } = await openVerifier(system);
  // Where it lay in the bucket it says itself; here it is checked as what lies there.
  const { in: folder, id, at } = envelope.data!.body as unknown as Pick<Evidence, 'in' | 'id' | 'at'>;
  return parseSigned(keys, evidenceSchema, layout.evidenceBundle(system, { in: folder, id }, String(at)), bytes);
}
