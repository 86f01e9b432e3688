import { hash } from 'node:crypto';
import { ulid } from 'ulid';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type BackupScope } from '../../../workflows/domain/layout.ts';
import type { Part } from '../../../workflows/domain/manifest.ts';
import type { Store } from '../../store/store.ts';
import { partContext } from '../../stream/contexts.ts';
import type { DataKey } from '../../stream/keys.ts';
import { letGo } from '../../stream/let-go.ts';
import { open, seal } from '../../stream/sealed.ts';
import { kib, mib } from '../../../workflows/domain/units.ts';

/** Plain bytes of a part. What cannot be compressed grows a little by framing and headers, and must stay below 16 MiB. */
export const partBytes = mib(16) - kib(512);

/** A part before it is sealed. */
export interface PlainPart {
  bytes: Buffer;
  documents: number;
  continues: boolean;
  exact: boolean;
}

/** Where parts go, and what opens them. */
export interface PartStore {
  store: Store;
  key: DataKey;
  scope: BackupScope;
  signal: AbortSignal;
}

/**
 * The last segment of a part's key: `<index>.<name of the part before it>.<own name>`.
 *
 * Names are unique per attempt, and each part names the one that it was read behind. So parts that several attempts
 * left form chains, and a chain is a range read without a hole, whoever wrote which part of it.
 */
export interface PartName {
  index: number;
  previous: string;
  name: string;
}

/** What the first part of a range was read behind. */
export const rangeStart = 'start';

export const nextPartName = (previous: PartName | undefined): PartName => ({
  index: previous ? previous.index + 1 : 0,
  previous: previous?.name ?? rangeStart,
  name: ulid(),
});

const segmentOf = ({ index, previous, name }: PartName): string => `${String(index).padStart(6, '0')}.${previous}.${name}`;

export function parsePartName(key: string): PartName | undefined {
  const [index, previous, name] = key.slice(key.lastIndexOf('/') + 1).split('.');
  return index && previous && name && /^\d{6,}$/.test(index) ? { index: Number(index), previous, name } : undefined;
}

/** Seals one part and puts it under its own key. */
export async function putPart(to: PartStore, of: { unit: string; range: string }, name: PartName, plain: PlainPart): Promise<Part> {
  const sealing = seal(to.key, plain.bytes, partContext(to.scope, { ...of, index: name.index }));
  // While it is compressed in the pool. Here, and not in the pool too: that would take a copy of it, which is as much work.
  const plainSha256 = hash('sha256', plain.bytes);
  const sealed = await sealing;
  to.signal.throwIfAborted();
  const object = await to.store.put(layout.part(to.scope, of.unit, of.range, segmentOf(name)), sealed, { signal: to.signal });
  letGo(sealed);
  return {
    object,
    unit: of.unit,
    range: of.range,
    index: name.index,
    documents: plain.documents,
    plainBytes: plain.bytes.length,
    plainSha256,
    continues: plain.continues,
    exact: plain.exact,
  };
}

/**
 * Downloads a part, compares it with its index's digest, authenticates it and opens it. What it returns is memory of its own, the caller's to let go.
 * @param options.checkedLater - what it opens to is held against its source's own digests by whoever takes it, so that the digest of the plain bytes says nothing more.
 * @throws Tampered, ObjectMissing - the part is not what its index says.
 */
export async function getPart(from: PartStore, part: Part, { checkedLater = false }: { checkedLater?: boolean } = {}): Promise<Buffer> {
  const stored = await from.store.get(part.object, { signal: from.signal });
  const plain = await open(from.key, stored, partContext(from.scope, part));
  letGo(stored);
  if (plain.length !== part.plainBytes || (!checkedLater && hash('sha256', plain) !== part.plainSha256)) {
    throw new HoldfastError('Tampered', `${part.object.key}: opens to other bytes than its group's index says`);
  }
  return plain;
}

/** The parts of a range in order, each as `getPart` gives it, the next ones fetched and opened while one is worked on. @param options.ahead - so many more are in memory at once; left out: one. */
export async function* openParts(from: PartStore, { parts }: { parts: readonly Part[] }, { ahead = 1, checkedLater = false }: { ahead?: number; checkedLater?: boolean } = {}): AsyncGenerator<{ bytes: Buffer; done: number }> {
  const opening = (part: Part): Promise<{ bytes: Buffer } | { error: unknown }> => getPart(from, part, { checkedLater }).then((bytes) => ({ bytes }), (error: unknown) => ({ error }));
  const next = parts.slice(0, ahead).map(opening);
  let done = 0;
  for (let at = 0; at < parts.length; at += 1) {
    if (parts[at + ahead]) next.push(opening(parts[at + ahead]!));
    const part = await next.shift()!;
    if ('error' in part) throw part.error;
    yield { bytes: part.bytes, done: (done += part.bytes.length) };
  }
}
