import { workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import type { ObjectRef } from './domain/stored-object.ts';
import { parseInput, reportSystemInput } from './domain/inputs.ts';
import { reportNotice } from './domain/report-notice.ts';
import { judgePeriod } from './domain/judge-period.ts';
import { judgeReadiness } from './domain/judge-readiness.ts';
import { periodPage } from './domain/period-page.ts';
import { periods, type PeriodFacts, type PeriodReport, type SourceFacts } from './domain/period-report.ts';
import type { SystemView } from './domain/system-view.ts';
import { describeFailure, surfacing } from './failure.ts';
import { Announcer } from './notify/announcer.ts';
import { admit } from './permit.ts';
import { dueAt, tellingOfSchedule } from './scheduled.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { sideBySide } from './steps/side-by-side.ts';

/** The report, and where it is kept; `text` is the page for a terminal. */
export interface ReportResult {
  report: PeriodReport;
  text: string;
  paths: { html: string; json: string };
  evidence: ObjectRef[];
}

/**
 * The report of a day or a week: gathers what happened and how it stands, keeps it in the store and sends it to whoever the system file names.
 *
 * How it stands is what the watch on readiness last found; where none answers, it is looked at for the report, by the same check.
 *
 * What cannot be read is said in the report, and holds it up no longer than its tries take: a report that is missing one morning says less than one that says what is wrong. One that cannot be
 * stored is sent all the same, and the workflow fails.
 *
 * Killed anywhere it goes on: reading changes nothing, the store keeps the first of what was written, and a message has one id at every try.
 *
 * @param typed - ReportSystemInput as a person or a schedule types it, or the bare name of a system.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, and what keeps the store from taking the report.
 */
export async function reportSystem(typed: unknown): Promise<ReportResult> {
  return await surfacing(() => tellingOfSchedule(async (way) => {
    const input = parseInput('reportSystem', reportSystemInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    way.view = view;
    await admit('reportSystem', view, input);
    mark({ system: view.system, purpose: 'report', phase: 'running' });
    const report = await gather(view, input.period, input.until ?? dueAt() ?? workflowInfo().startTime.toISOString());
    const warnings: string[] = [];
    const announcer = new Announcer(view.system, (what) => warnings.push(what));
    let written: Omit<ReportResult, 'report'> | undefined;
    try {
      written = await callControl('writePeriodReport', { report }, 'keep the report');
      return { report, ...written };
    } catch (error) {
      const { type, message } = describeFailure(error);
      report.unread.push(`the report could not be stored: ${type}: ${message}`);
      throw error;
    } finally {
      announcer.tell(view.notify, 'report', (origin) => reportNotice(origin, report, written !== undefined));
      warnings.push(...(await announcer.flush()));
      const { headline, sentence, facts } = periodPage(report);
      showLines(`report ${view.system}, ${input.period} up to ${report.to}: ${headline}`, [sentence, ...facts.map(({ title, value, note }) => `${title}: ${value} (${note})`), ...judgePeriod(report).map(({ what }) => `⚠ ${what}`), ...warnings.map((what) => `⚠ ${what}`)]);
      mark({ phase: 'done' });
    }
  }));
}

async function gather(view: SystemView, period: PeriodReport['period'], to: string): Promise<PeriodReport> {
  const { system } = view;
  const from = new Date(Date.parse(to) - periods[period]).toISOString();
  const unread: string[] = [];
  const trying = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      const { type, message } = describeFailure(error);
      if (type === 'Aborted') throw error;
      unread.push(`${what}: ${type}: ${message}`.slice(0, 500));
      return null;
    }
  };
  const sources = Object.keys(view.sources);
  const [facts, found] = await Promise.all([
    sideBySide(sources, sources.length, async (source) => (await trying(`${source}: the store could not be read`, () => callControl('readSourceFacts', { system, source, from, to }, `what the store holds of ${source}`))) ?? noFacts(view, source)),
    trying('what ended in this time could not be read', () => callControl('readPeriodFacts', { system, from, to }, 'what ended in this time')),
  ]);
  const readiness = found?.readiness ?? (await trying('whether it could be recovered now could not be looked at', async () => judgeReadiness((await callControl('checkReadiness', { system }, 'could it be recovered now?')).facts)));
  const { anomalies = null, capacity = null, work = null, runs = [], drills = null, late = [], incidents = null, acts = null, unread: more = [] }: Partial<PeriodFacts> = found ?? {};
  const { workflowId, runId } = workflowInfo();
  return {
    format: 1, kind: 'period-report', system, title: view.title, id: `${period}-${to.replace(/[-:]|\.\d+/g, '')}-${runId.slice(0, 8)}`, workflowId, runId, period, from, to,
    writtenAt: new Date(Date.now()).toISOString(), rtoObjectiveMs: view.rtoObjectiveMs, rpoObjectiveMs: view.rpoObjectiveMs,
    sources: facts, readiness, anomalies, capacity, work, runs, drills, late, incidents, acts, unread: [...unread, ...more],
  };
}

const noFacts = (view: SystemView, source: string): SourceFacts => ({ source, engine: view.sources[source]!.engine, made: [], madeCount: 0, newest: null, before: null, bases: 0, storedBytes: 0, gaps: [], gapCount: 0, restorable: null, disbelieved: [], disbelievedCount: 0 });
