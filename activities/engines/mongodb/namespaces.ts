import type { Source } from '../../../workflows/domain/system.ts';
import { controlDatabase } from './control.ts';

/** Databases that belong to one server, not to its data. */
const ownDatabases = new Set(['local', 'config', controlDatabase]);

/**
 * Whether a namespace is part of a backup, and so of a replay: both ask here, since an entry replayed for a collection
 * that was never restored would fail.
 *
 * `admin.system.version` and `admin.system.keys` stay out: they hold the server's own feature version and signing keys.
 */
export function isBackedUp(ns: string, source: Pick<Source, 'namespaces'>): boolean {
  const dot = ns.indexOf('.');
  const database = dot < 0 ? ns : ns.slice(0, dot);
  const collection = dot < 0 ? '' : ns.slice(dot + 1);
  if (ownDatabases.has(database)) return false;
  if (database === 'admin' && (collection === 'system.version' || collection === 'system.keys')) return false;
  if (collection === 'system.profile') return false;
  // A time-series collection is excluded with the buckets that hold its data.
  const named = `${database}.${collection.replace(/^system\.buckets\./, '')}`;
  return !source.namespaces.exclude.some((excluded) => excluded === database || excluded === ns || excluded === named);
}

export function splitNamespace(ns: string): { database: string; collection: string } {
  const dot = ns.indexOf('.');
  return { database: ns.slice(0, dot), collection: ns.slice(dot + 1) };
}
