import type { FenceResult } from '../../workflows/contract.ts';
import type { RunReport, WritesReport } from '../../workflows/domain/report.ts';
import { waitedMsOf, type StepStatus } from '../../workflows/domain/run-state.ts';
import { formatBytes, formatDuration, seconds } from '../../workflows/domain/units.ts';
import type { Comparison } from './ledger.ts';
import type { LoadResult } from './load-wordnet.ts';

/** An acknowledged write that is older than this at the kill must not be lost. */
const mustKeepAfterMs = seconds(5);
/** Of what was asked for: a machine on which less is acknowledged is too slow for it. */
const mustReachShare = 0.75;

/** What the demo saw outside the run: the writer's ledger, the old primary, the archive of the new side. */
export interface Observed {
  data: LoadResult;
  /** acknowledged writes a second from the writer's start to the kill */
  writesPerSecond: number;
  /** writes a second that the writer was asked for */
  rate: number;
  comparison: Comparison;
  acknowledgedAfterSwitch: number;
  /** seconds that the writer went on at the new side after the run had ended */
  wentOnMs: number;
  /** acknowledged by the new side, but not found in it afterwards */
  lostAfterSwitch: number;
  oldPrimary: { outcome: 'refused' | 'cut off' | 'accepted'; detail: string };
  newArchive: { proved: boolean; detail: string };
}

/** `holdfast demo --json FILE`: a documented contract. */
export interface DemoResult {
  ok: boolean;
  /** why it is not ok, a sentence each */
  failures: string[];
  /** what was not as it should be, but breaks no promise: a machine that was too slow for the load */
  warnings: string[];
  workflowId: string;
  runId: string;
  outcome: RunReport['outcome'];
  incidentAt: string;
  rto: { objectiveMs: number; achievedMs: number | null; machineMs: number; humanMs: number };
  rpo: { objectiveMs: number; achievedMs: number | null };
  writes: {
    acknowledged: number;
    lost: number;
    newestLostAgeMs: number | null;
    oldestLostAgeMs: number | null;
    unknown: number;
    acknowledgedAfterSwitch: number;
    lostAfterSwitch: number;
    perSecond: number;
  };
  validation: { ok: boolean; collections: { ns: string; count: number; hashEqual: boolean }[] };
  fence: (FenceResult & { source: string }) | null;
  oldPrimary: Observed['oldPrimary'];
  newArchive: Observed['newArchive'];
  /** `waitedMs`: for people, by a step that is nothing else */
  steps: { id: string; state: StepStatus; budgetMs: number | null; elapsedMs: number; waitedMs: number | null }[];
  data: LoadResult;
  reportPath: string;
}

export function judgeDemo(report: RunReport, observed: Observed, reportPath: string): DemoResult {
  const { comparison } = observed;
  const failures = [...judgeRun(report), ...judgeWrites(observed), ...judgeSides(observed)];
  const [fence] = Object.entries(report.fence);
  return {
    ok: failures.length === 0,
    failures,
    warnings: judgeLoad(observed),
    workflowId: report.workflowId,
    runId: report.runId,
    outcome: report.outcome,
    incidentAt: report.incidentAt,
    rto: { objectiveMs: report.rto.objectiveMs, achievedMs: report.rto.achievedMs, machineMs: report.rto.machineMs, humanMs: report.rto.humanMs },
    rpo: { objectiveMs: report.rpo.objectiveMs, achievedMs: report.rpo.achievedMs },
    writes: {
      acknowledged: comparison.acknowledged,
      lost: comparison.lost,
      newestLostAgeMs: comparison.newestLostAgeMs,
      oldestLostAgeMs: comparison.oldestLostAgeMs,
      unknown: comparison.unknown,
      acknowledgedAfterSwitch: observed.acknowledgedAfterSwitch,
      lostAfterSwitch: observed.lostAfterSwitch,
      perSecond: Math.round(observed.writesPerSecond),
    },
    validation: {
      ok: isValidated(report),
      collections: compared(report),
    },
    fence: fence ? { source: fence[0], ...fence[1] } : null,
    oldPrimary: observed.oldPrimary,
    newArchive: observed.newArchive,
    steps: report.state.steps.map((step) => ({ id: step.id, state: step.state, budgetMs: step.budgetMs, elapsedMs: step.elapsedMs, waitedMs: waitedMsOf(step) })),
    data: observed.data,
    reportPath,
  };
}

/** Collections whose whole content was compared; a validator that only counts says nothing of content. */
const compared = (report: RunReport): { ns: string; count: number; hashEqual: boolean }[] =>
  report.validation.flatMap(({ collections }) => collections).flatMap(({ ns, count, hashEqual }) => (hashEqual === null ? [] : [{ ns, count, hashEqual }]));

const isValidated = (report: RunReport): boolean => report.validation.length > 0 && report.validation.every(({ ok, effect }) => ok || effect === 'warn');

function judgeRun(report: RunReport): string[] {
  const all = compared(report);
  const different = all.filter(({ hashEqual }) => !hashEqual).map(({ ns }) => ns);
  return [
    ...(report.outcome === 'done' ? [] : [`the run ended ${report.outcome}`]),
    ...(isValidated(report) ? [] : ['validation did not pass']),
    ...(different.length > 0 ? [`collections differ from base and log: ${different.join(', ')}`] : []),
    ...(all.length > 0 ? [] : ['no collection was compared with base and log']),
  ];
}

function judgeWrites({ comparison, acknowledgedAfterSwitch, lostAfterSwitch }: Observed): string[] {
  const { oldestLostAgeMs, torn, violations } = comparison;
  return [
    ...(comparison.acknowledged > 0 ? [] : ['no write was acknowledged before the kill']),
    ...(oldestLostAgeMs !== null && oldestLostAgeMs > mustKeepAfterMs ? [`an acknowledged write is lost that was ${formatDuration(oldestLostAgeMs)} old at the kill`] : []),
    ...(torn > 0 ? [`${torn} transactions are half there`] : []),
    ...(violations.length > 0 ? [`the ledger breaks its own rules: ${violations[0]}`] : []),
    ...(acknowledgedAfterSwitch > 0 ? [] : ['the writer did not go on at the new side']),
    ...(lostAfterSwitch > 0 ? [`${lostAfterSwitch} writes that the new side acknowledged are not in it`] : []),
  ];
}

const judgeLoad = ({ writesPerSecond, rate }: Observed): string[] =>
  writesPerSecond >= rate * mustReachShare ? [] : [`the writer reached ${Math.round(writesPerSecond)} acknowledged writes a second of the ${rate} that were asked for: this machine was too slow or too busy`];

function judgeSides({ oldPrimary, newArchive }: Observed): string[] {
  return [
    ...(oldPrimary.outcome === 'accepted' ? [`the old primary took a write: ${oldPrimary.detail}`] : []),
    ...(newArchive.proved ? [] : [`the archive of the new timeline is not proved: ${newArchive.detail}`]),
  ];
}

/** What the demo table of the report says about writes. */
export const toWritesReport = ({ comparison, acknowledgedAfterSwitch, oldPrimary }: Observed): WritesReport => ({
  acknowledged: comparison.acknowledged,
  lost: comparison.lost,
  newestLostAgeMs: comparison.newestLostAgeMs,
  oldestLostAgeMs: comparison.oldestLostAgeMs,
  unknown: comparison.unknown,
  acknowledgedAfterSwitch,
  oldPrimary: `${oldPrimary.outcome}: ${oldPrimary.detail}`,
});

const achieved = (ms: number | null): string => (ms === null ? 'not reached' : formatDuration(ms));
const count = (n: number): string => n.toLocaleString('en-US');

function formatWrites({ writes }: DemoResult): string {
  const head = `${count(writes.acknowledged)} acknowledged by the old side (${writes.perSecond} a second)`;
  if (writes.lost === 0) return `${head}, none lost; ${count(writes.unknown)} of unknown outcome`;
  return `${head}, ${count(writes.lost)} lost: the newest ${achieved(writes.newestLostAgeMs)} old at the kill, the oldest ${achieved(writes.oldestLostAgeMs)}; ${count(writes.unknown)} of unknown outcome`;
}

/** The demo's end, a fact a line. */
export function formatDemo(result: DemoResult): string {
  const { rto, rpo, validation, fence, data } = result;
  const idWidth = Math.max(...result.steps.map(({ id }) => id.length));
  const equal = validation.collections.filter(({ hashEqual }) => hashEqual).length;
  return [
    `RTO         ${achieved(rto.achievedMs)} of ${formatDuration(rto.objectiveMs)} (machine ${formatDuration(rto.machineMs)}, people ${formatDuration(rto.humanMs)})`,
    `RPO         ${achieved(rpo.achievedMs)} of ${formatDuration(rpo.objectiveMs)}`,
    `data        ${count(data.documents)} documents, ${formatBytes(data.bytes)} in ${data.collections.length} collections loaded`,
    `writes      ${formatWrites(result)}`,
    `new side    ${count(result.writes.acknowledgedAfterSwitch)} writes acknowledged since the switch, ${count(result.writes.lostAfterSwitch)} of them missing`,
    `validation  ${validation.ok ? 'passed' : 'failed'}; ${equal} of ${validation.collections.length} collections equal`,
    ...validation.collections.map(({ ns, count: documents, hashEqual }) => `  ${ns}  ${count(documents)} documents  ${hashEqual ? 'equal' : 'differs'}`),
    `fence       ${fence ? `${fence.outcome}; ${fence.evidence.join('; ')}` : 'none'}`,
    `old primary ${result.oldPrimary.outcome}: ${result.oldPrimary.detail}`,
    `new archive ${result.newArchive.proved ? 'proved' : 'not proved'}: ${result.newArchive.detail}`,
    'steps',
    ...result.steps.map((step) => `  ${step.state.padEnd(8)} ${step.id.padEnd(idWidth)}  ${step.waitedMs === null ? formatDuration(step.elapsedMs) : `waited ${formatDuration(step.waitedMs)}`}${step.budgetMs === null ? '' : ` of ${formatDuration(step.budgetMs)}`}`),
    ...result.warnings.map((warning) => `warning     ${warning}`),
    `report      ${result.reportPath}`,
    result.ok ? 'ok' : 'not ok',
    ...result.failures.map((failure) => `  ${failure}`),
  ].join('\n');
}
