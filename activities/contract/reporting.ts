import { Context } from '@temporalio/activity';
import type { ReportingActivities } from '../../workflows/contract.ts';
import { drillSchedules } from '../../workflows/domain/schedules/drill-schedules.ts';
import { attempt } from '../attempt.ts';
import { evidenceAfterwards, evidenceOfIncident, evidenceOfRun, sealEvidence } from '../evidence/seal-evidence.ts';
import { readPage } from '../notify/read-page.ts';
import { linkToRun } from '../notify/run-link.ts';
import { openSystem } from '../open-context.ts';
import { writeJournalPage } from '../report/journal-pages.ts';
import { readDrills } from '../report/read-drills.ts';
import { readOnServer } from '../schedules/read-on-server.ts';
import { rememberDrill } from '../store/remember-drill.ts';
import { inDataPlane } from './at-source.ts';
import type { ActivityEnvironment } from './environment.ts';

export const reportingActivities = ({ reportsDirectory, temporalUiUrl }: ActivityEnvironment): ReportingActivities => ({
  writeJournalPage: attempt(async (page, { signal }) => {
    const { store } = await openSystem(page.system);
    await writeJournalPage({ store, signal }, page);
  }),

  writeReport: attempt(async ({ report }, { signal }) => {
    const { store, keys } = await openSystem(report.system);
    const written = await (await import('../report/write-report.ts')).writeReport({ store, keys, signal }, { report, directory: reportsDirectory });
    await rememberDrill({ store, keys, signal }, report);
    return { ...written, evidence: [...written.evidence, await sealEvidence({ store, keys, signal }, evidenceOfRun(report), written.evidence)] };
  }),

  readSourceFacts: inDataPlane('readSourceFacts'),

  readPeriodFacts: attempt(async ({ system, ...period }, { signal }) => {
    const { loaded, store, keys } = await openSystem(system);
    return await (await import('../report/period/period-facts.ts')).readPeriodFacts({ system: loaded.system, client: Context.current().client, store, keys, signal }, period);
  }),

  writePeriodReport: attempt(async ({ report }, { signal }) => {
    const { store, keys } = await openSystem(report.system);
    return await (await import('../report/kept-reports.ts')).keepReport({ store, keys, signal }, { report, directory: reportsDirectory });
  }),

  writeBackupReport: attempt(async ({ report }, { signal }) => {
    const { store, keys } = await openSystem(report.system);
    return await (await import('../report/kept-reports.ts')).keepReport({ store, keys, signal }, { report, directory: reportsDirectory });
  }),

  writeDivergedReport: attempt(async ({ report }, { signal }) => {
    const { store, keys } = await openSystem(report.system);
    const written = await (await import('../report/write-report.ts')).writeDivergedReport({ store, signal }, { report, directory: reportsDirectory });
    const of = await evidenceAfterwards({ store, keys, signal }, report.system, report.run, report.writtenAt);
    return { ...written, evidence: [...written.evidence, await sealEvidence({ store, keys, signal }, of, written.evidence)] };
  }),

  writeIncident: attempt(async ({ record }, { signal }) => {
    const { store, keys } = await openSystem(record.state.system);
    const written = await (await import('../report/write-incident.ts')).writeIncident({ store, signal }, { record, directory: reportsDirectory });
    return { ...written, evidence: [...written.evidence, await sealEvidence({ store, keys, signal }, evidenceOfIncident(record), written.evidence)] };
  }),

  notify: attempt(async (of, { signal }) => ({ summary: await (await import('../notify/send-notice.ts')).sendNotice(of, { signal, link: linkToRun(temporalUiUrl), read: readPage }) })),

  readDrills: attempt(async ({ system, limit }, { signal }) => {
    const { loaded, store, keys } = await openSystem(system);
    const onServer = await readOnServer(Context.current().client, drillSchedules(loaded.system).map(({ id }) => id));
    return await readDrills({ store, keys, signal }, loaded.system, { limit, nowMs: Date.now(), onServer });
  }),
});
