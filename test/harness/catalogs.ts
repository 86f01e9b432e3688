import { logPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import type { Catalog, CatalogBase } from '../../workflows/domain/recovery-point.ts';

/** Position n of a log whose seconds have ten entries each; starts at 2025-11-21T03:00:00Z. */
export const at = (n: number): LogPosition => logPosition(1_763_694_000 + Math.floor(n / 10), n % 10);

export function base(end: number, of: Partial<CatalogBase> = {}): CatalogBase {
  return {
    timeline: 't00000001',
    backup: `b${end}`,
    manifest: { key: `manifest of b${end}`, versionId: 'v', bytes: 1, sha256: '0'.repeat(64) },
    logFrom: at(end),
    start: at(end),
    end: at(end),
    finishedAt: '2025-11-21T04:00:00.000Z',
    documents: 1,
    plainBytes: 1,
    storedBytes: 1,
    exact: true,
    why: 'test',
    ...of,
  };
}

export const span = (from: number, to: number, timeline = 't00000001') =>
  ({ timeline, from: at(from), to: at(to), slices: to - from, storedBytes: (to - from) * 100 });

export const gap = (from: number, to: number, timeline = 't00000001') => ({ timeline, from: at(from), to: at(to), why: 'the log was overwritten' });

export const timelineOf = (n: number, startedAt: string, parent: Catalog['timelines'][number]['parent'] = null) =>
  ({ timeline: `t0000000${n}`, startedAt, why: 'test', sourceIdentity: `set-${n}`, parent });

export function catalogOf(parts: Partial<Catalog>): Catalog {
  return {
    system: 'demo', source: 'documents', bases: [], spans: [], gaps: [], rejected: [],
    timelines: [timelineOf(1, '2025-11-21T02:59:00.000Z')],
    ...parts,
  };
}

/** Numbers in [0, 1) that are the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
