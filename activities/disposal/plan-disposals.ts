import type { DisposalList, ListedPoint } from '../../workflows/domain/disposal/describe-list.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { SourceContext } from '../context.ts';
import { readFacts } from '../retention/read-facts.ts';
import { sha256Hex } from '../store/checks.ts';
import { canonicalBytes } from '../stream/canonical.ts';
import { findPoint, lastLock, takeInventory } from './plan-disposal.ts';
import { listDisposals } from './read-disposals.ts';

/** What the history of one workflow holds several times over. */
const listedAtMost = 1_500;

/**
 * Every base and import of the sources, those too whose disposal was begun and not ended, and what stands against the disposal of each: that the others go as well stands against none. The digest says
 * which they are, by their manifests. Reads only; safe to repeat.
 *
 * @throws BadInput - there are more than a list holds.
 */
export async function planDisposals(contexts: readonly SourceContext[]): Promise<DisposalList> {
  const points: (ListedPoint & { manifest: string | null })[] = [];
  const stays: string[] = [];
  for (const context of contexts) {
    const listed = await listPoints(context);
    points.push(...listed.points);
    stays.push(...listed.stays.map((what) => `${context.sourceName}: ${what}`));
  }
  const [{ store, signal, system }] = contexts as [SourceContext];
  if (points.length > listedAtMost) throw new HoldfastError('BadInput', `${system.system}: ${points.length} recovery points; a list holds ${listedAtMost}`, { hint: 'name one source, or let retention take what is old first' });
  return {
    system: system.system,
    at: (await store.now({ signal })).toISOString(),
    digest: sha256Hex(canonicalBytes(points.map(({ source, point, timeline, manifest }) => ({ source, point, timeline, manifest })))),
    bytes: points.reduce((sum, { bytes }) => sum + bytes, 0),
    points: points.map(({ manifest: _, ...point }) => point),
    stays,
  };
}

async function listPoints(context: SourceContext): Promise<{ points: (ListedPoint & { manifest: string | null })[]; stays: string[] }> {
  const { system, sourceName: source } = context;
  const facts = await readFacts(context, system.retention?.sources[source]);
  const begun = (await listDisposals(context, system.system)).filter((one) => one.source === source && one.withdrawn === null && (one.certificate === null || one.certificate.leftCount > 0));
  const { bases, disposed = [], rejected } = facts.catalog;
  const ids = new Set([...bases, ...disposed, ...facts.imports].map(({ backup }) => backup).concat(begun.map(({ point }) => point)));
  const points: (ListedPoint & { manifest: string | null })[] = [];
  const stays = new Set(['what was never sealed is retention’s', ...(rejected.length > 0 ? [`${rejected.length} objects that are not believed are not on this list: somebody has to look`] : [])]);
  for (const point of ids) {
    context.signal.throwIfAborted();
    const { scope, end, manifest, orders, refused, notes } = await findPoint(context, { point, evenTheLast: true }, facts);
    const { inventory, wrappings } = await takeInventory(context, scope);
    notes.forEach((note) => stays.add(note));
    points.push({
      source, point, timeline: scope.timeline, end, objects: inventory.objects, bytes: inventory.bytes, wrappings: wrappings.length, keysLockedUntil: await lastLock(context, wrappings),
      begunAt: orders[0]?.body.at ?? null, refused, manifest: manifest?.sha256 ?? null,
    });
    context.progress({ phase: 'list', done: points.length, of: ids.size, unit: 'objects' });
  }
  return { points: points.sort((a, b) => (a.end === b.end ? (a.point < b.point ? -1 : 1) : a.end < b.end ? -1 : 1)), stays: [...stays] };
}
