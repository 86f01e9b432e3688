import { describeError, errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import { abilitiesOf, lackOf } from '../../workflows/domain/engines.ts';
import { describeWhen, whenHolds } from '../../workflows/domain/condition.ts';
import { expandRunbook, runbookNames } from '../../workflows/domain/expand-runbook.ts';
import { bringsWhole, copiesOf, isInPlace, systemFor } from '../../workflows/domain/homeward.ts';
import { amountsOf, forecastRto } from '../../workflows/domain/forecast-rto.ts';
import { severities } from '../../workflows/domain/messages.ts';
import { describeUndo } from '../../workflows/domain/step-undo.ts';
import { planCriticalPath, type PlannedTimes, type StepToPlan } from '../../workflows/domain/plan-critical-path.ts';
import type { Finding, RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import type { CheckedPoint } from '../../workflows/domain/point-check.ts';
import type { DiscardedWrites } from '../../workflows/domain/discarded-writes.ts';
import { describeDoubt } from '../../workflows/domain/point-mark.ts';
import { momentAsked, type RecoveryPoint, type RecoveryTarget } from '../../workflows/domain/recovery-point.ts';
import { runbookOfMode, type CopyMode, type RestoreMode } from '../../workflows/domain/restore-mode.ts';
import type { System } from '../../workflows/domain/system.ts';
import { formatDuration, seconds } from '../../workflows/domain/units.ts';
import type { JobContext, SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import { narrowForRun } from '../engines/narrow-for-run.ts';
import { openEngine } from '../engines/open-engine.ts';
import { openContext } from '../open-context.ts';
import { readStepHistory } from '../report/read-step-history.ts';
import { readArchiveStatus } from '../read-archive-status.ts';
import { findCheckedPoint } from '../store/find-checked-point.ts';
import { refuseMovedSource } from '../store/refuse-moved-source.ts';
import { loadSystemFile } from '../system-files.ts';
import { checkApprovers } from './check-approvers.ts';
import { planDeployment } from './plan-deployment.ts';
import { checkReach, checkReceivers, checkTools } from './check-access.ts';
import { checkPlaces } from './check-places.ts';
import { checkTransport } from './check-transport.ts';
import { finding } from './finding.ts';

/** A plan looks at everything and reads a little: whoever waits for it is at a terminal. The recovery itself reads for longer. */
const planReadsForMs = seconds(10);

/**
 * Plans a recovery without touching anything. Programs and addresses are tried from where this runs: the worker that the workflow
 * `planRecovery` meets, or the machine of `holdfast plan`.
 *
 * What is wrong becomes findings, so that a plan names everything that is wrong and not only the first.
 * @param readForMs - so long bytes are read and authenticated; 0: what listing and opening alone can tell.
 * @param places - false: whether targets could be made is not looked at; a run that is under way has claimed its own.
 * @throws UnknownSystem, BadSystemFile, BadInput, TargetTimeInFuture - no plan can be made of that.
 */
export async function planRecovery({ system: systemName, only, runbook: asked, version, mode, readForMs = planReadsForMs, places = true, ...target }: { system: string; only?: readonly string[] | undefined; runbook?: string | undefined; version?: string | undefined; mode?: RestoreMode | undefined; readForMs?: number | undefined; places?: boolean | undefined } & RecoveryTarget, job: JobContext): Promise<RecoveryPlan> {
  const loaded = await loadSystemFile(systemName);
  const names = runbookNames(loaded.system);
  if (asked !== undefined && !names.includes(asked)) throw new HoldfastError('BadInput', `planRecovery: field "runbook" is "${asked}", and ${systemName} has ${names.join(', ')}.`);
  const name = runbookOfMode(loaded.system, { mode, runbook: asked });
  const system = systemFor(loaded.system, name);
  const inPlace = isInPlace(loaded.system, name);
  const steps = stepsToPlan(system, name, only !== undefined);
  const runbook = planCriticalPath(steps.map(({ runs: _runs, ...step }) => step));
  const passedOver = new Set(steps.filter(({ runs }) => !runs).map(({ id }) => id));
  const spareMs = system.objectives.rto - runbook.criticalMs;
  const findings: Finding[] = [...checkTools(system, name), ...(await checkTransport(system))];
  if (spareMs < 0) findings.push(finding('warns', 'BadSystemFile', `the budgets of the critical path add up to ${formatDuration(runbook.criticalMs)}, past the RTO objective of ${formatDuration(system.objectives.rto)}`));
  for (const { name } of system.stores.slice(1)) findings.push(finding('warns', 'Unsupported', `stores.${name}: not written yet, only the first store is used`));
  findings.push(...(await checkReceivers(loaded)), ...(await checkApprovers(loaded, name)));
  if (only && Object.keys(system.sources).length > 1) findings.push(finding('fails', 'Unsupported', 'a partial restore can be of a system with one source only'));
  if (inPlace && !momentAsked(target)) findings.push(finding('fails', 'BadInput', 'in place goes back to an earlier moment, and none is given', 'give a target time, a target position or a point'));
  const copies = copiesOf(loaded.system, name);
  const whole = bringsWhole(loaded.system, copies);
  if (whole && only) findings.push(finding('fails', 'BadInput', `mode ${copies} brings whole databases, and a part is chosen`, 'leave out only; chosen tables go back by mode rows'));
  if (copies && !whole && !only) findings.push(finding('fails', 'BadInput', `mode ${copies} is of chosen ${copies === 'rows' ? 'tables' : 'collections'}, and none are chosen`, 'give them by only: shop.orders'));
  const points = await readPoints(system, target, findings, job, { only, inPlace, copies, readForMs, checkPlace: async (context) => (places ? await checkPlaces(context, system, name) : []) });
  const discarded = copies === 'swap' || (!only && momentAsked(target)) ? await countAll(system, points, findings, job, inPlace) : {};
  const deploy = only ? undefined : await planDeployment(system, name, { points, version }, findings, job);
  const forecast = only || points.length === 0 ? { forecastMs: null, forecastBasis: null } : await forecastOf(system, { steps: runbook.steps, passedOver }, points, job);
  return { system: systemName, plannedAt: new Date().toISOString(), rtoObjectiveMs: system.objectives.rto, rpoObjectiveMs: system.objectives.rpo, runbook, spareMs, ...(name ? { name } : {}), ...forecast, ...(only ? { only: [...only] } : {}), points, ...(Object.keys(discarded).length > 0 ? { discarded } : {}), ...(deploy ? { deploy } : {}), findings };
}

/** As long as a run's own: a name that a run would make is as long as with it. */
const runOfPlan = '0'.repeat(26);

/** `runs` false: a recovery passes it over, or it runs only where another has failed; it takes none of the time. */
function stepsToPlan(system: System, name: string | undefined, partial: boolean): (StepToPlan & { runs: boolean })[] {
  const engines = Object.values(system.sources).map(({ engine }) => engine);
  return expandRunbook(system, name).map(({ id, uses, needs, budget, when, undo }) => {
    // How severe it is going to be nobody knows: a step of any severity counts.
    const runs = severities.some((severity) => whenHolds(when, { purpose: 'recovery', severity, partial, engines, step: () => ({ state: 'done', error: null }) }));
    return { id, uses, needs, runs, budgetMs: runs ? (budget ?? null) : null, ...(when.length > 0 ? { when: describeWhen(when) } : {}), ...(undo ? { undo: describeUndo(undo) } : {}) };
  });
}

/** As a run that begins now would forecast it; a store that does not answer has its finding already. */
async function forecastOf(system: System, { steps, passedOver }: { steps: readonly PlannedTimes[]; passedOver: ReadonlySet<string> }, points: readonly RecoveryPoint[], job: JobContext): Promise<{ forecastMs: number | null; forecastBasis: string | null }> {
  try {
    const { store, keys } = await openContext({ system: system.system, source: points[0]!.source, epoch: 0 }, job);
    const history = await readStepHistory({ store, keys, signal: job.signal }, system.system);
    if (Object.keys(history.steps).length === 0) return { forecastMs: null, forecastBasis: null };
    const now = new Date().toISOString();
    const pending = { title: '', state: 'pending', attempt: 0, startedAt: null, endedAt: null, elapsedMs: 0, error: null, summary: null, undo: false } as const;
    const { forecastMs, basis } = forecastRto({ incidentAt: now, servedAt: null, steps: steps.map((step) => ({ ...step, ...pending, needs: [...step.needs] })) }, { history, amounts: amountsOf(points), passedOver }, now);
    return { forecastMs, forecastBasis: basis };
  } catch (error) {
    if (job.signal.aborted) throw error;
    return { forecastMs: null, forecastBasis: null };
  }
}

/** What a recovery to these points leaves out, where the source has a log that tells. */
async function countAll(system: System, points: readonly RecoveryPoint[], findings: Finding[], job: JobContext, inPlace: boolean): Promise<Record<string, DiscardedWrites>> {
  const counted: Record<string, DiscardedWrites> = {};
  for (const point of points) {
    const { source } = point;
    if (!abilitiesOf(system.sources[source]!.engine).log) continue;
    const context = await openContext({ system: system.system, source, epoch: 0, towards: system.standby.environment, inPlace }, job);
    const of = await (await openEngine(context.source.engine)).countDiscarded(context, { system: system.system, source, point, forMs: planReadsForMs, ...(point.only?.copies ? { of: { namespaces: point.only.copies } } : {}) }).catch(note(findings));
    if (of) counted[source] = of;
  }
  return counted;
}

async function readPoints(system: System, target: RecoveryTarget, findings: Finding[], job: JobContext, { only, inPlace, copies, readForMs, checkPlace }: { only: readonly string[] | undefined; inPlace: boolean; copies: CopyMode | undefined; readForMs: number; checkPlace: (context: SourceContext) => Promise<Finding[]> }): Promise<RecoveryPoint[]> {
  const points: RecoveryPoint[] = [];
  const open = (source: string): Promise<SourceContext> => openContext({ system: system.system, source, epoch: 0, towards: system.standby.environment, inPlace }, job);
  const sources = await Promise.all(Object.keys(system.sources).map(open)).catch(note(findings));
  for (const context of sources ?? []) {
    const of = { system: system.system, source: context.sourceName };
    findings.push(...(await checkReach(context)), ...(await checkPlace(context)));
    await refuseMovedSource(context).catch(note(findings));
    const engine = await openEngine(context.source.engine);
    await engine.checkTarget?.(context, { ...of, environment: system.standby.environment }).catch(note(findings));
    findings.push(...(await checkServer(context, engine)));
    const point = await planPoint(context, target, findings, engine, { only, copies, readForMs });
    if (point) points.push(point);
    // What is brought into the living server meets its own roles and passwords there.
    if (point && !copies) findings.push(...(await checkPoint(context, engine, point).catch(note(findings)) ?? []));
    findings.push(...(await checkArchive(context).catch(note(findings)) ?? []));
  }
  return points;
}

/**
 * What would be restored of one source; undefined: nothing, and the findings say why. Damage that is not needed is a warning: a
 * recovery would succeed, and the next one may not.
 * @throws BadInput, TargetTimeInFuture.
 */
export async function planPoint(
  context: SourceContext,
  target: RecoveryTarget,
  findings: Finding[],
  engine: Pick<Engine, 'verifySlice' | 'narrowPoint' | 'nameCopies'>,
  { only, copies, readForMs = planReadsForMs }: { only?: readonly string[] | undefined; copies?: CopyMode | undefined; readForMs?: number | undefined } = {},
): Promise<RecoveryPoint | undefined> {
  try {
    const point = await findCheckedPoint(context, target, { readForMs, engine });
    findings.push(...passedOver(point));
    return await narrowForRun(context, engine, point, { run: runOfPlan, only, copies });
  } catch (error) {
    if (error instanceof HoldfastError && errorTable[error.type].exitCode === errorTable.BadInput.exitCode) throw error;
    return note(findings)(error);
  }
}

function passedOver({ system, source, checked, base }: CheckedPoint): Finding[] {
  const { passedOver: shown, passedOverCount: count } = checked!;
  const warn = (what: string): Finding => finding('warns', 'Tampered', `${system}/${source}: ${what}`);
  return [
    ...shown.map(({ key, why }) => warn(`not believed, and not needed for this: ${key}: ${why}`)),
    ...(base.mark?.doubt ? [warn(`base ${base.backup} is ${describeDoubt(base.mark.doubt)}, and is taken because it was named`)] : []),
    ...(count > shown.length ? [warn(`${count - shown.length} more objects are not believed`)] : []),
  ];
}

/** The next recovery is from what is backed up until then. A source that does not answer now may be why somebody plans. */
async function checkServer(context: SourceContext, { checkServer: check }: Engine): Promise<Finding[]> {
  const lacking = await check?.(context).catch((error: unknown) => {
    if (context.signal.aborted || !(error instanceof HoldfastError)) throw error;
    return [];
  });
  return (lacking ?? []).map(({ what, hint }) => ({ about: 'server', ...finding('warns', 'Unsupported', `${context.system.system}/${context.sourceName}: ${what}`, hint) }));
}

async function checkPoint(context: SourceContext, { checkPoint: check }: Engine, point: RecoveryPoint): Promise<Finding[]> {
  const lacking = await check?.(context, point);
  return lacking ? [finding('warns', 'Unsupported', `${context.system.system}/${context.sourceName}: ${lacking.what}`, lacking.hint)] : [];
}

async function checkArchive(context: SourceContext): Promise<Finding[]> {
  const { system } = context;
  const name = `${system.system}/${context.sourceName}`;
  const { engine } = context.source;
  if (!abilitiesOf(engine).log) return [finding('warns', 'LogGap', `${lackOf({ system: system.system, source: context.sourceName, engine }, 'log')}; what its newest dump does not hold is lost`)];
  const { archivedTo, archivedToAt, rpoMs } = await readArchiveStatus(context);
  if (archivedTo === null) return [finding('warns', 'LogGap', `${name}: no log is archived: only the base can be restored`, `holdfast archive start ${system.system}`)];
  if (rpoMs === null) return [finding('warns', 'SourceUnavailable', `${name}: the source does not answer: what is not archived cannot be drained; the archive ends at ${archivedToAt}`)];
  if (rpoMs <= system.objectives.rpo) return [];
  return [finding('warns', 'LogGap', `${name}: the archive is silent: ${formatDuration(rpoMs)} of writes would be lost, past the objective of ${formatDuration(system.objectives.rpo)}`, `holdfast archive status ${system.system}`)];
}

/** Turns what was thrown into a finding. */
function note(findings: Finding[]): (error: unknown) => undefined {
  return (error) => {
    const { message, hint } = describeError(error);
    findings.push(finding('fails', error instanceof HoldfastError ? error.type : 'RunFailed', message, hint));
    return undefined;
  };
}
