import { HoldfastError } from './errors.ts';

/** What a kind of source can do beyond a base that is backed up, verified and restored whole. */
export interface Abilities {
  /** its log is archived, replayed and drained, and what an old primary took after a recovery is read from it */
  log: boolean;
  /** its collections, documents and indexes are known one by one: what is restored can be proved equal */
  units: boolean;
  /** dumps of other programs come in */
  imports: boolean;
  /** a recovery point goes out as a dump that another program restores */
  exports: boolean;
  /** chosen namespaces can be restored alone */
  partial: boolean;
  /** modes beside and swap bring whole databases, and nothing has to be chosen */
  databases?: boolean;
  /** its rows are known by their keys: compared with what lives, put back into it, masked */
  rows?: boolean;
  /** its target is asked in SQL whether it holds what it should */
  sql?: boolean;
  /** a base may hold only what changed since another one, and is restored on top of it */
  increments?: boolean;
  /** all of a base is read at one snapshot that a session of ours holds for as long as it is read */
  snapshot: boolean;
}

/**
 * Every engine, and what it can do: read by whoever must refuse early (system file, entry workflows, command line) and by
 * the steps that pass a source over in words.
 */
export const engines = {
  mongodb: { log: true, units: true, imports: true, exports: true, partial: true, snapshot: false },
  /** a whole PostgreSQL server as files (pg_basebackup), and its WAL */
  'postgres-physical': { log: true, units: false, imports: false, exports: false, partial: false, snapshot: false, increments: true, sql: true },
  /** a program's standard output, given back to a program's standard input: nobody here knows what is in it */
  tool: { log: false, units: false, imports: false, exports: false, partial: false, snapshot: false },
  /** one database, table by table, by COPY: its log is another source's, of the whole server */
  postgres: { log: false, units: true, imports: false, exports: true, partial: true, snapshot: true, databases: true, rows: true, sql: true },
} as const satisfies Record<string, Abilities>;

export type EngineKind = keyof typeof engines;
export const engineKinds = Object.keys(engines) as [EngineKind, ...EngineKind[]];

/** A name of no engine that this Holdfast knows comes from an older history: it was a mongodb. */
export const abilitiesOf = (engine: string): Abilities => (Object.hasOwn(engines, engine) ? engines[engine as EngineKind] : engines.mongodb);

/** Behind `the engine "…"`. */
export const lacks: Record<keyof Abilities, string> = {
  log: 'has no log: nothing can be archived, replayed or drained, only its bases can be restored',
  units: 'knows nothing of what is inside a dump: nothing can be proved equal',
  imports: 'imports no dumps',
  exports: 'exports no dumps',
  partial: 'restores a dump whole or not at all',
  databases: 'brings no whole databases into what lives',
  rows: 'knows no rows by their keys: none can be compared with what lives, put back into it or masked',
  sql: 'answers no questions in SQL',
  increments: 'takes full bases alone: what changes between two of them is in its log, where it has one',
  snapshot: 'reads at no snapshot of a session',
};

/** One sentence: which source cannot do it, and why. */
export const lackOf = (of: { system: string; source: string; engine: string }, ability: keyof Abilities): string => `${of.system}/${of.source}: the engine "${of.engine}" ${lacks[ability]}`;

/** @throws Unsupported - the source's engine lacks it; names source, engine and what is lacking. */
export function requireAbility(of: { system: string; source: string; engine: string }, ability: keyof Abilities): void {
  if (abilitiesOf(of.engine)[ability] !== true) throw new HoldfastError('Unsupported', lackOf(of, ability));
}
