/**
 * The writer's ledger: one line an operation whose outcome the client learnt, appended and never changed.
 *
 * What makes it decidable afterwards which acknowledged operations the recovered data reflects:
 * - a key belongs to one lane, and a lane has one operation under way at a time: operations of a lane are in order;
 * - every operation on a key writes the next `rev` into its document, so a document shows which operation was its last;
 * - after any answer but an acknowledgement, the lane leaves all its keys for ever and goes on with new ones: nothing
 *   written later can hide that an earlier write is lost.
 */
export type Change = 'insert' | 'update' | 'delete';

export interface LedgerLine {
  /** number of the operation in its lane, from 1, without holes */
  seq: number;
  lane: number;
  /** one change, or several that one transaction makes together */
  changes: { change: Change; key: string; rev: number }[];
  outcome: 'acknowledged' | 'refused' | 'unknown';
  /** which side acknowledged it, as the application said; null when nobody did */
  side: string | null;
  sentAt: string;
  /** when the answer was in the client's hands, or it stopped waiting */
  at: string;
}

/** `rev` of every document that stands in the recovered data; a key that is not in it has no document. */
export type Recovered = ReadonlyMap<string, number>;

export interface LostWrite {
  lane: number;
  seq: number;
  change: Change;
  key: string;
  rev: number;
  at: string;
  ageMs: number;
}

export interface Comparison {
  /** operations that the side acknowledged */
  acknowledged: number;
  /** of these, operations with at least one change that the recovered data does not reflect */
  lost: number;
  newestLostAgeMs: number | null;
  oldestLostAgeMs: number | null;
  unknown: number;
  refused: number;
  /** transactions of which one change is there and another is not: never right, whatever the loss */
  torn: number;
  /** what breaks the ledger's own rules, and so makes the comparison worthless */
  violations: string[];
  /** the oldest ten */
  examples: LostWrite[];
}

interface Written {
  line: LedgerLine;
  change: Change;
  key: string;
  rev: number;
}

/** `present` and `absent` are certain; `since`: the key has no document and was deleted; its first write is operation `since` of the lane. */
type Evidence = 'present' | 'absent' | { since: number };

/**
 * Compares what one side acknowledged with what the recovered data holds.
 *
 * A key without a document that was deleted may have lost nothing, or everything. If a later acknowledged operation of the
 * lane than the key's first write is certainly there, that first write was, so the delete is too; otherwise all count as lost.
 *
 * @param lines - the whole ledger, in any order.
 * @param side - whose acknowledgements are looked for; the other side's are evidence of nothing.
 * @param incidentAtMs - ages count back from here; an acknowledgement that was read later has age 0.
 */
export function compareLedger(lines: readonly LedgerLine[], side: string, recovered: Recovered, incidentAtMs: number): Comparison {
  const isOurs = (line: LedgerLine): boolean => line.outcome === 'acknowledged' && line.side === side;
  const violations: string[] = [];
  const byKey = groupByKey(lines, violations);
  const evidence = new Map<LedgerLine, Evidence[]>();
  for (const [key, written] of byKey) {
    written.forEach((write, index) => {
      const found = judge(write, recovered.get(key), written, index);
      const known = evidence.get(write.line);
      if (known) known.push(found);
      else evidence.set(write.line, [found]);
    });
  }
  const certainUntil = newestCertainByLane(evidence, isOurs);
  const lost: LedgerLine[] = [];
  let torn = 0;
  for (const [line, all] of evidence) {
    const certain = certainUntil.get(line.lane) ?? 0;
    const settled = all.map((one) => (typeof one === 'string' ? one : one.since < certain ? 'present' : 'absent'));
    const isTorn = all.includes('present') && all.includes('absent');
    if (isTorn) torn += 1;
    if (isOurs(line) && settled.includes('absent')) lost.push(line);
  }
  return { acknowledged: lines.filter(isOurs).length, ...summarize(lines, lost, torn, violations, incidentAtMs) };
}

/** What the document of one key says about one change to it. `written`: all changes that were sent for the key, acknowledged or not. */
function judge(write: Written, rev: number | undefined, written: Written[], index: number): Evidence {
  if (rev !== undefined) {
    // A delete is there when a later insert of the same key is; before that the document must be gone.
    return rev >= write.rev && (write.change !== 'delete' || rev > write.rev) ? 'present' : 'absent';
  }
  const deletes = written.slice(index).some((one) => one.change === 'delete');
  return deletes ? { since: written[0]!.line.seq } : 'absent';
}

function newestCertainByLane(evidence: Map<LedgerLine, Evidence[]>, isOurs: (line: LedgerLine) => boolean): Map<number, number> {
  const newest = new Map<number, number>();
  for (const [line, all] of evidence) {
    if (isOurs(line) && all.every((one) => one === 'present')) newest.set(line.lane, Math.max(newest.get(line.lane) ?? 0, line.seq));
  }
  return newest;
}

/** A refused operation did nothing, so it is evidence of nothing. */
function groupByKey(lines: readonly LedgerLine[], violations: string[]): Map<string, Written[]> {
  const byKey = new Map<string, Written[]>();
  const inOrder = [...lines].sort((a, b) => a.lane - b.lane || a.seq - b.seq);
  for (const line of inOrder) {
    for (const { change, key, rev } of line.changes) {
      const written = byKey.get(key);
      const last = written?.at(-1);
      if (last && last.line.lane !== line.lane) violations.push(`key ${key} was written by lanes ${last.line.lane} and ${line.lane}`);
      if (last && last.line.side !== null && line.side !== null && last.line.side !== line.side) violations.push(`key ${key} was acknowledged by ${last.line.side} and by ${line.side}`);
      if (last && last.line.outcome !== 'acknowledged') violations.push(`key ${key} was written after an operation that was ${last.line.outcome}`);
      if (rev !== (last?.rev ?? 0) + 1) violations.push(`key ${key}: rev ${rev} follows rev ${last?.rev ?? 0}`);
      const one = { line, change, key, rev };
      if (written) written.push(one);
      else byKey.set(key, [one]);
    }
  }
  for (const [key, written] of byKey) {
    const kept = written.filter((one) => one.line.outcome !== 'refused');
    if (kept.length > 0) byKey.set(key, kept);
    else byKey.delete(key);
  }
  return byKey;
}

function summarize(lines: readonly LedgerLine[], lost: LedgerLine[], torn: number, violations: string[], incidentAtMs: number): Omit<Comparison, 'acknowledged'> {
  const count = (outcome: LedgerLine['outcome']): number => lines.filter((line) => line.outcome === outcome).length;
  const ageMs = (line: LedgerLine): number => Math.max(0, incidentAtMs - Date.parse(line.at));
  const oldestFirst = [...lost].sort((a, b) => a.at.localeCompare(b.at));
  const [oldest, newest] = [oldestFirst[0], oldestFirst.at(-1)];
  return {
    lost: lost.length,
    newestLostAgeMs: newest ? ageMs(newest) : null,
    oldestLostAgeMs: oldest ? ageMs(oldest) : null,
    unknown: count('unknown'),
    refused: count('refused'),
    torn,
    violations: violations.slice(0, 10),
    examples: oldestFirst.slice(0, 10).map((line) => ({ lane: line.lane, seq: line.seq, ...line.changes[0]!, at: line.at, ageMs: ageMs(line) })),
  };
}
