import type { Document } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { parseOrdered, stringifyOrdered } from '../ordered-documents.ts';
import type { UnitDetail } from '../plan.ts';

/** What metadata.json says of a collection, in its order; canonical Extended JSON, so that numbers keep their types. */
export interface Metadata {
  options: Document;
  indexes: Document[];
  /** hex with dashes; undefined for views and time-series collections, which have none in a dump */
  uuid: string | undefined;
  collectionName: string;
  /** collection, view or timeseries; empty where an old program wrote none */
  type: string;
}

/** @throws BadInput - no JSON, or not of this shape; names the file. */
export function parseMetadata(text: string, where: string): Metadata {
  let parsed: Document;
  try {
    parsed = parseOrdered(text);
  } catch (cause) {
    throw new HoldfastError('BadInput', `${where}: expected a collection's metadata as Extended JSON, found text that does not parse: ${(cause as Error).message}`, { cause });
  }
  const { options = {}, indexes, uuid, collectionName, type } = parsed;
  if (!Array.isArray(indexes)) throw new HoldfastError('BadInput', `${where}: expected a list of indexes, found ${indexes === undefined ? 'none' : JSON.stringify(indexes).slice(0, 60)}`);
  if (uuid !== undefined && !/^[0-9a-f]{32}$/.test(String(uuid))) throw new HoldfastError('BadInput', `${where}: expected a uuid of 32 hex digits, found "${String(uuid)}"`);
  return {
    options: options as Document,
    indexes: indexes as Document[],
    uuid: uuid === undefined || uuid === '' ? undefined : dashed(String(uuid)),
    collectionName: String(collectionName ?? ''),
    type: String(type ?? ''),
  };
}

export function encodeMetadata({ options, indexes, uuid, collectionName, type }: Metadata): string {
  return stringifyOrdered({
    ...(Object.keys(options).length > 0 ? { options } : {}),
    indexes,
    ...(uuid === undefined ? {} : { uuid: uuid.replaceAll('-', '') }),
    collectionName,
    ...(type === '' ? {} : { type }),
  });
}

const dashed = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** A collection as a backup of ours describes it: the index on `_id` apart, a clustered one among the options. */
export function toDetail({ options, indexes }: Pick<Metadata, 'options' | 'indexes'>): UnitDetail {
  const plain = indexes.map(({ ns: _ns, ...spec }): Document => spec);
  return {
    options,
    idIndex: plain.find(({ name, clustered }) => name === '_id_' && clustered === undefined) ?? null,
    indexes: plain.filter(({ name, clustered }) => name !== '_id_' && clustered === undefined),
  };
}

/** All its indexes, as a server lists them. */
export function listedIndexes({ options, idIndex, indexes }: UnitDetail): Document[] {
  const clustered = options['clusteredIndex'] as Document | boolean | undefined;
  const first = idIndex ?? (typeof clustered === 'object' ? { ...clustered, clustered: true } : undefined);
  return first ? [first, ...indexes] : indexes;
}
