import { layout } from './layout.ts';
import { periodPage } from './period-page.ts';
import type { PeriodReport } from './period-report.ts';
import { fitted, type Notice, type Severity } from './notify/notice.ts';
import type { Origin } from './notify/other-notices.ts';

const severities: Record<string, Severity> = { good: 'info', warn: 'warning', bad: 'error' };

/**
 * The report as a message: its headline and figures, then what is to be looked at, which is what the page begins with. The rest is the page, which whoever sends a mail reads from the store.
 * @param stored - it is there to be read
 */
export function reportNotice({ run, number, at }: Origin, report: PeriodReport, stored: boolean): Notice {
  const page = periodPage(report);
  const { system, id, period } = report;
  return fitted({
    id: `${run}/${number}-report`,
    audience: 'internal',
    phase: 'report',
    severity: severities[page.tone]!,
    at,
    title: `${system}: ${period === 'day' ? 'daily' : 'weekly'} report ${report.to.slice(0, 10)}: ${page.headline.toLowerCase()}`,
    lines: [page.sentence, ...page.facts.map(({ title, value, note }) => `${title}: ${value}${note === '' ? '' : ` (${note})`}`), ...page.sections.flatMap(({ title, list }) => (title === 'What to look at' ? (list ?? []).map((what) => `LOOK AT ${what}`) : []))],
    answers: [],
    thread: `holdfast/${system}/reports`,
    alert: null,
    ...(stored ? { page: layout.keptReport(system, id, 'report.json') } : {}),
    facts: { system, period, from: report.from, to: report.to, tone: page.tone, headline: page.headline },
  });
}
