import type { Result } from './race.ts';

/**
 * One measured comparison: a line of `--json`. Times are medians. A peer that is not there has no name, no time and no ratio.
 */
export interface BenchLine {
  bench: string;
  /** which variant: the kind of target, or what was counted */
  of: string;
  /** plain bytes that were moved; 0 where none are counted */
  bytes: number;
  /** entries of the log; 0 where none are read */
  entries: number;
  oursMs: number;
  peer: string | null;
  peerMs: number | null;
  /** peerMs / oursMs: above 1 we are faster */
  ratio: number | null;
  oursSpreadMs: [number, number];
  peerSpreadMs: [number, number] | null;
  oursPeakRssBytes: number | null;
  peerPeakRssBytes: number | null;
  /** processor time of everything that took part, servers included; null: not looked at */
  oursProcessorMs: number | null;
  peerProcessorMs: number | null;
  rounds: number;
  /** the ratio that DESIGN asks for; null: none was set */
  atLeast: number | null;
  /** the same time while nothing of ours or the peer's runs; null: not looked at */
  idleMs: number | null;
  /** the share of `idleMs` that ours may take more; null: none was set */
  atMostOverIdle: number | null;
  /** what it may take at most, whatever a peer takes; null: none was set */
  atMostMs: number | null;
  note: string;
}

export type LineHead = Pick<BenchLine, 'bench' | 'of' | 'bytes' | 'entries'> & Partial<Pick<BenchLine, 'atLeast' | 'idleMs' | 'atMostOverIdle' | 'atMostMs' | 'note'>>;

export function lineOf(head: LineHead, ours: Result, peer?: { name: string; result: Result }): BenchLine {
  return {
    atLeast: null,
    idleMs: null,
    atMostOverIdle: null,
    atMostMs: null,
    note: '',
    ...head,
    oursMs: ours.medianMs,
    peer: peer?.name ?? null,
    peerMs: peer?.result.medianMs ?? null,
    ratio: peer ? peer.result.medianMs / ours.medianMs : null,
    oursSpreadMs: [ours.leastMs, ours.mostMs],
    peerSpreadMs: peer ? [peer.result.leastMs, peer.result.mostMs] : null,
    oursPeakRssBytes: ours.peakRssBytes,
    peerPeakRssBytes: peer?.result.peakRssBytes ?? null,
    oursProcessorMs: ours.processorMs ?? null,
    peerProcessorMs: peer?.result.processorMs ?? null,
    rounds: ours.rounds.length,
  };
}

/** By how much ours takes longer than without it, in percent with its sign; empty: not looked at. */
export const overIdle = ({ oursMs, idleMs }: BenchLine): string => (idleMs === null ? '' : percent(oursMs / idleMs - 1));
const percent = (share: number): string => `${share >= 0 ? '+' : ''}${Math.round(share * 100)} %`;

/** What was asked for, and beside a bound over idle what it is; empty: nothing was. */
export function targetOf(line: BenchLine): string {
  if (line.atLeast !== null) return `≥ ${line.atLeast}×`;
  if (line.atMostMs !== null) return `≤ ${(line.atMostMs / 1000).toFixed(2)} s`;
  return line.atMostOverIdle === null ? '' : `≤ ${percent(line.atMostOverIdle)}: ${overIdle(line)}`;
}

const spread = ([least, most]: readonly [number, number]): string => `${(least / 1000).toFixed(2)} to ${(most / 1000).toFixed(2)}`;
const processor = (ms: number | null): string => (ms === null ? '' : `, processors ${(ms / 1000).toFixed(2)} s`);
const inMib = (bytes: number | null): string => (bytes === null ? '' : `, ${Math.round(bytes / 1024 / 1024)} MiB`);

export function describeLine(line: BenchLine): string {
  const ours = `ours ${(line.oursMs / 1000).toFixed(2)} s (${spread(line.oursSpreadMs)}${inMib(line.oursPeakRssBytes)}${processor(line.oursProcessorMs)})`;
  const peer = line.peer === null || line.peerMs === null || line.peerSpreadMs === null
    ? ''
    : `   ${line.peer} ${(line.peerMs / 1000).toFixed(2)} s (${spread(line.peerSpreadMs)}${inMib(line.peerPeakRssBytes)}${processor(line.peerProcessorMs)})   ratio ${line.ratio!.toFixed(1)}`;
  return `${line.bench}  ${line.of}  ${ours}${peer}${line.note ? `   ${line.note}` : ''}`;
}
