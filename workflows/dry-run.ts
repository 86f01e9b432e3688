import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import type { ErrorType } from './domain/errors.ts';
import type { RecoverSystemInput } from './domain/inputs.ts';
import { describePlan, type DryRunReport, type Finding } from './domain/recovery-plan.ts';
import type { SystemView } from './domain/system-view.ts';
import { minutes } from './domain/units.ts';
import { describeFailure } from './failure.ts';
import { showLines } from './show-lines.ts';
import { planSteps } from './steps/index.ts';

/** A task queue that nobody asks for work would hold a dry run for ever, and is what it is there to find. */
const answersWithinMs = minutes(2);

/**
 * A recovery with its checks and without its acts: what would be restored, whether the place for it would be taken on the workers that would make it, whether the
 * traffic switch answers, who would be waited for. It takes no lock, no command and no hold, so it stands in no recovery's way, and killed anywhere it
 * leaves nothing but its record in the audit. It never fails for what it finds: findings say what would.
 */
export async function dryRun(view: SystemView, { targetTime, targetPosition, point, timeline, orBefore, only, runbook, version }: RecoverSystemInput): Promise<DryRunReport> {
  const { system, site, standbyEnvironment } = view;
  const call = callsAt(site);
  const found: Finding[] = [];
  const trying = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await answered(what, work);
    } catch (error) {
      if (CancellationScope.current().consideredCancelled) throw error;
      if (isCancellation(error)) found.push({ effect: 'fails', type: 'TimedOut', message: `${what}: no answer within ${answersWithinMs / 60_000} minutes`, hint: 'start a worker that asks this system’s task queues for work' });
      else found.push(failing(what, error));
      return undefined;
    }
  };
  const plan = await callControl('planRecovery', { system, targetTime, targetPosition, point, timeline, ...(orBefore ? { orBefore } : {}), only, runbook, version, places: false }, `plan a recovery of ${system}`);
  const steps = planSteps(view, runbook);
  const checked: string[] = [];
  for (const step of steps.filter(({ uses }) => uses === 'provision')) {
    for (const source of step.sources ?? Object.keys(view.sources)) {
      const target = { system, source, environment: standbyEnvironment, run: 'dry-run', ...(view.inPlace ? { inPlace: view.inPlace } : {}), movesAside: (step.with as { left?: string } | undefined)?.left === 'move-aside' };
      const said = await trying(`${step.id}: the target of ${source}`, async () => await call('checkTarget', target, `look whether a target of ${source} could be made`));
      if (said) checked.push(`${step.id}: ${said.summary}`);
    }
  }
  if (steps.some(({ uses }) => uses === 'switch')) {
    const traffic = await trying('the traffic switch', async () => await callControl('readTraffic', { system }, 'read where traffic goes'));
    if (traffic) checked.push(`traffic goes to ${traffic.environment ?? 'nobody'}, ${traffic.percent} %`);
  }
  const asks = steps.flatMap(({ gate, before }) => [gate, before]).flatMap((gate) => (gate ? [{ gate: gate.gate, quorum: gate.quorum, people: [...gate.people] }] : []));
  const findings = [...plan.findings, ...found];
  const report: DryRunReport = { format: 1, dryRun: true, ok: !findings.some(({ effect }) => effect === 'fails'), plan: { ...plan, findings }, checked, asks };
  const { heading, lines, findings: said } = describePlan(report.plan);
  showLines(`dry run, nothing was touched: ${heading}`, [...said, ...checked, ...lines]);
  return report;
}

/** As CancellationScope.withTimeout, by a timer that says what it is for. */
async function answered<T>(what: string, work: () => Promise<T>): Promise<T> {
  const asked = new CancellationScope({ cancellable: true });
  const clock = new CancellationScope({ cancellable: true });
  void clock.run(() => sleep(answersWithinMs, { summary: `${what}: answered by then, or nobody works there` })).then(() => asked.cancel(), () => undefined);
  try {
    return await asked.run(work);
  } finally {
    clock.cancel();
  }
}

function failing(what: string, error: unknown): Finding {
  const { type, message } = describeFailure(error);
  return { effect: 'fails', type: type as ErrorType, message: `${what}: ${message}`, hint: null };
}
