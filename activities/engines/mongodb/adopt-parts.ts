import { createHash } from 'node:crypto';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import type { Part } from '../../../workflows/domain/manifest.ts';
import { partContext } from '../../stream/contexts.ts';
import { open } from '../../stream/sealed.ts';
import { parsePartName, rangeStart, type PartName, type PartStore } from '../base/stored-parts.ts';
import { cutRows, hasIdFirst, holdsZeroTimestamp, splitDocuments, type Rows } from './raw-documents.ts';

export interface AdoptedPart {
  part: Part;
  name: PartName;
  /** whole documents that end in this part: a document that lies over several parts comes with the last of them */
  documents: Buffer[];
}

/**
 * Parts of a range that earlier attempts left whole: the longest chain, each part read back and authenticated.
 * One that does not open ends the chain, as if it had never been written. Costs a download, and no read of the source.
 */
export async function* adoptParts(from: PartStore, of: { unit: string; range: string }, behind: string = rangeStart): AsyncGenerator<AdoptedPart> {
  const candidates: (PartName & { key: string; versionId: string })[] = [];
  for await (const { key, versionId, isDeleteMarker } of from.store.list(layout.parts(from.scope, of.unit, of.range), { signal: from.signal })) {
    const name = isDeleteMarker ? undefined : parsePartName(key);
    // Keys are unique, so the first version of one is the only one that was ever ours.
    if (name && candidates.at(-1)?.key !== key) candidates.push({ ...name, key, versionId });
  }
  let continued: { adopted: Omit<AdoptedPart, 'documents'>[]; bytes: Buffer[] } = { adopted: [], bytes: [] };
  for (const candidate of longestChain(candidates, behind)) {
    const opened = await openCandidate(from, of, candidate);
    if (!opened) return;
    const bytes = continued.bytes.length > 0 ? Buffer.concat([...continued.bytes, opened.plain]) : opened.plain;
    const documents = wholeDocuments(bytes);
    const continues = documents === undefined;
    const exact = (documents ?? []).some((document) => !hasIdFirst(document) || holdsZeroTimestamp(document));
    const part: Part = { ...opened.part, documents: documents?.length ?? 0, continues, exact };
    continued.adopted.push({ part, name: candidate });
    continued.bytes = continues ? [...continued.bytes, opened.plain] : [];
    if (continues) continue;
    // A large document's parts are adopted together or not at all, and all say what the whole document needs.
    for (const adopted of continued.adopted) {
      const last = adopted.part === part;
      yield { part: { ...adopted.part, exact }, name: adopted.name, documents: last ? documents : [] };
    }
    continued = { adopted: [], bytes: [] };
  }
}

/** Ranges of the whole backup of which parts are there, as `rangeName` names them: a thousand parts a request. */
export async function listBegunRanges({ store, scope, signal }: PartStore): Promise<Set<string>> {
  const prefix = layout.allParts(scope);
  const begun = new Set<string>();
  for await (const { key } of store.list(prefix, { signal })) begun.add(key.slice(prefix.length, key.lastIndexOf('/')));
  return begun;
}

async function openCandidate(
  from: PartStore,
  of: { unit: string; range: string },
  candidate: PartName & { key: string; versionId: string },
): Promise<{ plain: Buffer; part: Omit<Part, 'documents' | 'continues' | 'exact'> } | undefined> {
  const { key, versionId, index } = candidate;
  try {
    const stored = await from.store.getVersion({ key, versionId }, { signal: from.signal });
    const plain = await open(from.key, stored, partContext(from.scope, { ...of, index }));
    const object = { key, versionId, bytes: stored.length, sha256: sha256(stored) };
    return { plain, part: { object, unit: of.unit, range: of.range, index, plainBytes: plain.length, plainSha256: sha256(plain) } };
  } catch (error) {
    if (error instanceof HoldfastError && !error.retryable) return undefined;
    throw error;
  }
}

/** Documents that fill these bytes exactly; undefined when the last one goes on behind them. */
function wholeDocuments(bytes: Buffer): Buffer[] | undefined {
  const documents: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readInt32LE(at);
    if (at + size > bytes.length) return undefined;
    documents.push(bytes.subarray(at, at + size));
    at += size;
  }
  return documents;
}

function longestChain<T extends PartName>(candidates: readonly T[], behind: string): T[] {
  const chains = new Map<string, T[]>();
  // From the last index to the first, so that what follows a part is known when the part is looked at.
  for (const candidate of [...candidates].sort((a, b) => b.index - a.index)) {
    const chain = [candidate, ...(chains.get(`${candidate.index + 1}.${candidate.name}`) ?? [])];
    const at = `${candidate.index}.${candidate.previous}`;
    if (chain.length > (chains.get(at)?.length ?? 0)) chains.set(at, chain);
  }
  return chains.get(`0.${behind}`) ?? [];
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** As `splitDocuments`, for the parts of an index: bytes that are no documents are a damaged backup, not a bug. */
export const documentsOf = (part: Part, bytes: Buffer): Buffer[] => readRows(part, () => [...splitDocuments(bytes)]);

/** As `cutRows`, for the parts of an index. */
export const rowsOf = (part: Part, bytes: Buffer, documentsAtMost: number): Rows[] => readRows(part, () => cutRows(bytes, documentsAtMost));

function readRows<T>(part: Part, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new HoldfastError('Tampered', `${part.object.key}: authentic, but not a row of documents: ${String(cause)}`, { cause });
  }
}
