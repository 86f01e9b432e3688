import { copyName, keptName } from '../../workflows/domain/beside.ts';
import type { ArchiveActivities, ControlActivities, DataActivities, Destroyed, RecoverActivities, SystemFileRef } from '../../workflows/contract.ts';
import type { DisposalPlan } from '../../workflows/domain/disposal/describe-disposal.ts';
import { drillHistory } from '../../workflows/domain/drill-history.ts';
import { listPoints, pageCatalog } from '../../workflows/domain/list-points.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { planCriticalPath } from '../../workflows/domain/plan-critical-path.ts';
import type { ReadinessFacts } from '../../workflows/domain/readiness.ts';
import type { RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import { copiesIn, type Catalog, type RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { summariseRetention } from '../../workflows/domain/retention/describe-retention.ts';
import type { RetentionPlan } from '../../workflows/domain/retention/plan.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { toSourceFacts } from '../../activities/report/period/source-facts.ts';
import { toFailure } from '../../activities/attempt.ts';
import { untilCancelled } from './until-cancelled.ts';

type Answers = ControlActivities & DataActivities & ArchiveActivities & RecoverActivities;

export interface Call {
  name: keyof Answers;
  input: unknown;
  /** which text of the system file it was to go by; left out: the file as it is */
  systemFile?: SystemFileRef | undefined;
}

export interface Stubs {
  answers: Answers;
  activities: Record<string, (input: unknown) => Promise<unknown>>;
  calls: Call[];
  /** names of the activities called so far, in order */
  called(): string[];
  /** lets held stubs go, so that a worker can shut down */
  release(): void;
  /** resolves when the test ends; a stub may wait for it */
  held: Promise<void>;
}

export const object = (key: string): ObjectRef => ({ key, versionId: 'v1', bytes: 10, sha256: '0'.repeat(64) });

export const runbook = runbookSchema.parse({
  steps: [
    { id: 'declare', uses: 'declare' },
    { id: 'find-point', uses: 'find-recovery-point', needs: ['declare'], budget: '1m' },
    { id: 'provision', uses: 'provision', needs: ['declare'], budget: '5m' },
    { id: 'restore', uses: 'restore', needs: ['find-point', 'provision'], budget: '15m' },
    { id: 'replay', uses: 'replay', needs: ['restore'], budget: '5m' },
    { id: 'build-indexes', uses: 'build-indexes', needs: ['replay'], budget: '5m' },
    { id: 'validate', uses: 'validate', needs: ['build-indexes'], budget: '5m' },
    { id: 'approve-switch', uses: 'approval', needs: ['validate'] },
    { id: 'fence', uses: 'fence', needs: ['approve-switch'], budget: '1m' },
    { id: 'drain', uses: 'drain', needs: ['fence'], budget: '2m' },
    { id: 'promote', uses: 'promote', needs: ['drain'], budget: '1m' },
    { id: 'switch', uses: 'switch', needs: ['promote'], budget: '2m' },
    { id: 'protect', uses: 'protect', needs: ['switch'] },
    { id: 'report', uses: 'report', needs: ['protect'] },
  ],
});

export const view: SystemView = {
  system: 'demo',
  title: 'Demo',
  site: 'main',
  digest: 'd'.repeat(64),
  rtoObjectiveMs: 3_600_000,
  rpoObjectiveMs: 300_000,
  sources: { documents: { engine: 'mongodb', environment: 'production' } },
  standbyEnvironment: 'dr',
  approvals: { 'approve-switch': { description: 'May traffic go to the standby?', quorum: 1, people: [], notRequester: true } },
  runbook,
  traffic: { admission: [10, 100], healthWatchMs: 1_000 },
};

export const point: RecoveryPoint = {
  system: 'demo',
  source: 'documents',
  timeline: 't00000001',
  base: {
    timeline: 't00000001',
    backup: 'B1',
    manifest: object('manifest'),
    logFrom: '1763700000-0000000001',
    start: '1763700000-0000000001',
    end: '1763700000-0000000001',
    finishedAt: '2026-11-21T02:00:00.000Z',
    documents: 100,
    plainBytes: 1_000,
    storedBytes: 500,
    exact: true,
    why: 'test',
  },
  limit: '1763700100-0000000001',
  reaches: '1763700100-0000000000',
  reachesAt: '2026-11-21T02:59:00.000Z',
  log: { from: '1763700000-0000000001', slices: 3, storedBytes: 300 },
};

/** Three bases on one unbroken log. */
export const catalog: Catalog = {
  system: 'demo',
  source: 'documents',
  timelines: [{ timeline: 't00000001', startedAt: '2026-11-21T01:00:00.000Z', why: 'test', sourceIdentity: 'r0', parent: null }],
  bases: ['1763700000', '1763700030', '1763700060'].map((seconds, n) => {
    const at = `${seconds}-0000000001`;
    return { ...point.base, backup: `B${n + 1}`, logFrom: at, start: at, end: at };
  }),
  spans: [{ timeline: 't00000001', from: point.base.logFrom, to: point.reaches, slices: 3, storedBytes: 300 }],
  gaps: [],
  rejected: [],
};

export const plan: RecoveryPlan = {
  system: 'demo',
  plannedAt: '2026-11-21T03:00:00.000Z',
  rtoObjectiveMs: view.rtoObjectiveMs,
  rpoObjectiveMs: view.rpoObjectiveMs,
  runbook: planCriticalPath(runbook.steps.map(({ id, uses, needs, budget }) => ({ id, uses, needs, budgetMs: budget ?? null }))),
  spareMs: 1_000,
  points: [point],
  findings: [{ effect: 'fails', type: 'TargetUnavailable', message: 'nothing answers at 127.0.0.1:1', hint: 'start nginx' }],
};

/** Of a system that stands as it should. */
export const readyFacts: ReadinessFacts = {
  system: 'demo', title: 'Demo', at: '2026-11-21T03:10:00.000Z', rtoObjectiveMs: view.rtoObjectiveMs, rpoObjectiveMs: view.rpoObjectiveMs, forecastMs: 120_000, forecastBasis: 'by earlier runs',
  sources: [{
    source: 'documents', engine: 'mongodb', windows: 2, gaps: 0, openGaps: [], disbelieved: [], lost: [], verified: null, rpoMs: 1_000, rpoNote: null, oldestAt: '2026-11-20T03:00:00.000Z', baseDueAt: '2026-11-21T01:00:00.000Z',
    newest: { timeline: 't00000001', base: point.base.backup, from: point.base.end, to: point.reaches, fromAt: '2026-11-21T03:00:05.000Z', toAt: '2026-11-21T03:10:00.000Z' },
    base: { backup: point.base.backup, at: '2026-11-21T01:04:00.000Z', ageMs: 7_560_000 },
  }],
  lastDrill: { run: 'R1', at: '2026-11-20T10:00:00.000Z', result: 'passed', why: null, rtoMs: 90_000, rpoMs: 1_000 },
  clocks: [], findings: [], drillsOverdue: [], unread: [],
};

const retentionPlan = (system: string, source: string): RetentionPlan => ({
  system, source, at: '2026-11-22T12:00:00.000Z', keptLog: [], logEnds: {}, unfinished: [], notes: [],
  bases: catalog.bases.map(({ timeline, backup, end, storedBytes }, n) => ({ timeline, backup, end, storedAt: '2026-11-21T03:00:00.000Z', storedBytes, goes: n === 0, why: [n === 0 ? 'no rule keeps it: 45 days old' : 'the first of the day 2026-11-21, kept 30 days'] })),
});

const disposalPlan: DisposalPlan = {
  system: 'demo', source: 'documents', point: 'B1', timeline: 't00000001', end: point.base.end, at: '2026-11-22T12:00:00.000Z', inventory: { objects: 9, versions: 9, deleteMarkers: 0, bytes: 800 }, wrappings: 1,
  lockedUntil: { keys: null, manifest: null }, begunAt: null, refused: [], notes: [],
};

/** A pass of a disposal after which nothing is left. */
export const destroyed = (more: Partial<Destroyed> = {}): Destroyed => ({ state: 'gone', at: '2026-11-22T12:00:05.000Z', why: null, until: null, waitMs: null, keysGone: true, objects: 9, bytes: 800, left: [], leftCount: 0, ...more });

const nowAt = (): string => new Date().toISOString();

function answersOf(): Answers {
  let traffic = { environment: 'production' as string | null, percent: 100, changedAt: nowAt() };
  return {
    loadSystem: ({ system }) =>
      system === 'demo'
        ? Promise.resolve(view)
        : Promise.reject(new HoldfastError('UnknownSystem', `There is no system "${system}".`, { hint: 'known: demo' })),
    claimEpoch: () => Promise.resolve({ epoch: 1 }),
    findRecoveryPoint: ({ source, only, copies }) =>
      Promise.resolve({ ...point, source, ...(only && copies ? { only: { patterns: [...only], collections: 1, documents: 100, plainBytes: 1_000, copies: ['shop.orders'] } } : {}), ...(!only && copies ? { copies: ['shop'] } : {}) }),
    countDiscarded: () =>
      Promise.resolve({ inserts: 1_000, updates: 200, deletes: 34, commands: 1, firstAt: '2026-11-21T03:00:06.000Z', lastAt: '2026-11-21T03:10:00.000Z', namespaces: [{ ns: 'shop.orders', writes: 1_234 }], namespaceCount: 1, countedTo: '1763700200-0000000005', atLeast: [] }),
    releaseHold: () => Promise.resolve(),
    checkProof: ({ proof }) => Promise.resolve(proof.kind === 'totp' && proof.code !== '000000' ? { ok: true, wrong: false, why: 'a one-time code' } : { ok: false, wrong: true, why: 'the one-time code is wrong' }),
    readArchiveStatus: (ref) =>
      Promise.resolve({ ...ref, timeline: 't00000001', archivedTo: point.reaches, archivedToAt: nowAt(), sourceAt: point.reaches, sourceReachable: true, rpoMs: 0, checkedAt: nowAt(), note: null }),
    readAudit: ({ system }) => Promise.resolve({ system, records: 1, sealed: { days: 0, upTo: null, unsealed: 1 }, chosen: 1, entries: [{ number: 1, at: '2026-11-21T03:00:00.000Z', by: 'dana', act: 'export', outcome: 'permitted', about: 'export a recovery point', workflow: 'exportRecoveryPoint', workflowId: 'export-1', runId: 'r-1' }], problems: [], problemCount: 0 }),
    sealAudit: ({ system }) => Promise.resolve({ system, days: ['2026-11-20'], upTo: '2026-11-20', to: 1 }),
    recordAct: () => Promise.resolve({ number: 1 }),
    markPoint: ({ system, source, point: marked, state, reason, by, id }) => Promise.resolve({ format: 1, kind: 'mark', system, source, point: marked, state, reason, by, at: '2026-11-21T03:00:00.000Z', id }),
    recordDeployment: ({ environment, version, at, by, why }) => Promise.resolve({ number: 1, environment: environment ?? 'production', version, deployedAt: at ?? '2026-11-21T03:00:00.000Z', claimed: at !== undefined, recordedAt: '2026-11-21T03:00:00.000Z', by, why }),
    beginRotation: () => Promise.resolve({ recipients: [{ kind: 'aes256', id: 'next', opens: true }], retiring: [{ kind: 'aes256', id: 'last' }] }),
    recordRotation: ({ began, ...said }) =>
      Promise.resolve({ ref: object('rotation'), record: { format: 1, kind: 'key-rotation', ...said, at: '2026-11-22T12:00:00.000Z', recipients: began.recipients, retired: began.retiring } }),
    proposeDeployment: ({ point: { reachesAt }, environment }) =>
      Promise.resolve({
        environment, at: reachesAt, servedIn: 'production', problems: [], now: { version: '2.5.0', read: true }, unread: null,
        then: { number: 1, environment: 'production', version: '2.4.1', deployedAt: '2026-11-20T12:00:00.000Z', claimed: false, recordedAt: '2026-11-20T12:00:00.000Z', by: 'ci', why: null },
      }),
    applySystem: ({ system }) => Promise.resolve({ system, digest: 'd', rows: [{ what: 'schedule', id: `${system}/full-backup`, change: 'create', why: ['01:00 UTC: backUpSystem'] }], notes: [] }),
    pauseWithoutFile: ({ system }) => Promise.resolve({ system, digest: '', rows: [{ what: 'schedule', id: `${system}/full-backup`, change: 'pause', why: [`systems/${system}.yaml is gone`] }], notes: [] }),
    deployVersion: ({ version, environment }) => Promise.resolve({ summary: `${version} runs in ${environment}` }),
    runCommand: ({ command }) => Promise.resolve({ summary: `${command} ended well` }),
    readDrills: ({ system }) => Promise.resolve(drillHistory(system, [], [])),
    listRecoveryPoints: ({ system, source, limit, after, since }) => Promise.resolve(listPoints({ ...catalog, system, source }, { limit, after, since })),
    rebuildCatalog: ({ system, source, limit }) => Promise.resolve(pageCatalog({ ...catalog, system, source }, { limit }, 7)),
    planRecovery: ({ system }) => Promise.resolve({ ...plan, system }),
    checkReadiness: ({ system }) => Promise.resolve({ facts: { ...readyFacts, system, at: nowAt() }, seen: {}, workerAt: nowAt() }),
    readFires: () => Promise.resolve([]),
    fencePrimary: () => Promise.resolve({ outcome: 'proved', logReachable: true, evidence: ['a write was refused'], fencedAt: nowAt() }),
    retirePrimary: () => Promise.resolve({ outcome: 'proved', logReachable: false, evidence: ['off'], fencedAt: nowAt() }),
    unfencePrimary: () => Promise.resolve({ summary: 'may write again' }),
    admitTraffic: ({ environment, percent }) => {
      traffic = { environment, percent, changedAt: nowAt() };
      return Promise.resolve(traffic);
    },
    probeOldPrimary: () => Promise.resolve({ heard: 'refused', takesWrites: null, seen: 'nothing listens', over: null, at: nowAt() }),
    readTraffic: () => Promise.resolve(traffic),
    watchHealth: ({ watchMs }) => Promise.resolve({ healthyForMs: watchMs, checks: 3, firstAcceptedWriteAt: nowAt() }),
    writeJournalPage: () => Promise.resolve(),
    writeReport: () => Promise.resolve({ paths: { html: 'reports/r.html', json: 'reports/r.json' }, evidence: [object('report.html'), object('report.json')] }),
    readSourceFacts: ({ source }) => Promise.resolve(toSourceFacts({ ...catalog, source }, 'mongodb', { from: '2025-11-01T00:00:00.000Z', to: '2025-11-22T00:00:00.000Z' })),
    readPeriodFacts: () => {
      const none = { ended: 0, failed: 0, medianMs: null, longestMs: null, lastFailed: null };
      const kinds = { backup: { ...none, ended: 1, medianMs: 60_000, longestMs: 60_000, lastFailed: false }, verification: none, retention: none, recovery: none };
      return Promise.resolve({ readiness: null, anomalies: [], capacity: null, drills: { lastSuccessAt: null, due: [] }, late: [], work: { kinds, failures: [], failureCount: 0, schedules: [], forgottenBefore: null }, runs: [], incidents: { open: null, closed: [], closedCount: 0, mttrMs: null, mttrObjectiveMs: null }, acts: { byAct: { 'back-up': 1 }, refused: [], refusedCount: 0, disposals: [], problems: [], problemCount: 0 }, unread: [] });
    },
    writePeriodReport: ({ report }) => Promise.resolve({ paths: { html: 'reports/p.html', json: 'reports/p.json' }, evidence: [object(`${report.id}/report.json`)], text: 'the report\n' }),
    writeBackupReport: ({ report }) => Promise.resolve({ paths: { html: 'reports/b.html', json: 'reports/b.json' }, evidence: [object(`${report.id}/report.json`)], text: 'the report\n' }),
    writeDivergedReport: () => Promise.resolve({ paths: { html: 'reports/d.html', json: 'reports/d.json' }, evidence: [object('diverged.html')] }),
    writeIncident: () => Promise.resolve({ paths: { json: 'reports/i.json', page: 'reports/i.md' }, evidence: [object('incident.json')] }),
    notify: () => Promise.resolve({ summary: 'ok' }),
    readStepHistory: () => Promise.resolve({ steps: { restore: [{ ms: 120_000, amount: 1_000 }] } }),
    planDump: ({ backup }) =>
      Promise.resolve({ backup, timeline: 't00000001', plan: object('plan'), groups: Array.from({ length: 6 }, (_, n) => ({ group: `g${n}`, estimatedBytes: 100 })), units: 3, estimatedBytes: 600 }),
    dumpGroup: ({ group }) => Promise.resolve({ group, index: object(group), parts: 1, documents: 10, plainBytes: 100, storedBytes: 40 }),
    sealBackup: ({ system, source, plan, groups }) =>
      Promise.resolve({
        system,
        source,
        timeline: plan.timeline,
        backup: plan.backup,
        manifest: object('manifest'),
        logFrom: point.base.logFrom,
        end: point.base.end,
        endAt: nowAt(),
        units: plan.units,
        documents: 60,
        plainBytes: 600,
        storedBytes: 240,
        parts: groups.length,
        unproved: [],
      }),
    verifyRecoveryPoint: ({ system, source }) =>
      Promise.resolve({ system, source, scope: 'newest', ok: true, backup: 'B1', timeline: 't00000001', objects: 9, bytes: 900, parts: 6, slices: 3, entries: 30, problems: [], restorable: { from: point.base.end, to: '1763700200-0000000005' } }),
    verifyKept: ({ system, source, shares }) =>
      Promise.resolve({ system, source, scope: 'sample', ok: true, backup: null, timeline: null, objects: 9, bytes: 900, parts: 6, slices: 3, entries: 30, problems: [], restorable: null, sample: { of: shares, read: [4], unread: 3, wholeSince: null, wholeBy: '2026-11-28T03:00:00.000Z' } }),
    checkKeys: ({ system, source }) =>
      Promise.resolve({ system, source, scope: 'keys', ok: true, backup: null, timeline: null, objects: 9, bytes: 0, parts: 1, slices: 1, entries: 0, problems: [], restorable: null }),
    wrapKeys: () => Promise.resolve({ next: null, keys: 4, added: 0, unopened: [], unopenedCount: 0 }),
    proveKeys: () => Promise.resolve([{ recipient: { kind: 'aes256', id: 'next' }, backup: 'B1', part: 'part', slice: 'slice' }]),
    recordRecoveryProof: ({ mac: _, ...claim }) => Promise.resolve({ ref: object('proof'), record: { format: 1, kind: 'recovery-proof', ...claim, id: 'P1', at: '2026-11-22T12:00:00.000Z' } }),
    planRetention: ({ system, source, run, limit }) => Promise.resolve({ summary: summariseRetention(retentionPlan(system, source), [{ timeline: 't00000001', from: point.base.logFrom, to: point.reaches, slices: 3, storedBytes: 300, goes: true, why: ['no base that stays needs it'] }], limit), plan: run === undefined ? null : object('retention') }),
    expire: ({ system, source }) => Promise.resolve({ system, source, bases: 1, slices: 3, unfinished: 0, objects: 9, bytes: 800, left: [], leftCount: 0 }),
    planDisposal: ({ system, source, point }) => Promise.resolve({ ...disposalPlan, system, source, point }),
    planDisposals: ({ system, sources }) => Promise.resolve({ system, at: disposalPlan.at, digest: 'd'.repeat(64), bytes: sources.length * 1_600, stays: [], points: sources.flatMap((source) => ['B1', 'B2'].map((point) => ({ source, point, timeline: 't00000001', end: disposalPlan.end, objects: 9, bytes: 800, wrappings: 1, keysLockedUntil: null, begunAt: null, refused: [] }))) }),
    orderDisposal: () => Promise.resolve({ timeline: 't00000001', order: object('order'), orderedAt: disposalPlan.at, wrappings: 1, inventory: disposalPlan.inventory }),
    destroyPoint: () => Promise.resolve(destroyed()),
    certifyDisposal: ({ system, source, point, run, keysGoneAt, allGoneAt, left }) =>
      Promise.resolve({
        ref: object('certificate'),
        certificate: {
          format: 1, kind: 'disposal-certificate', system, source, timeline: 't00000001', point, run, workflowId: 'w', by: 'dana', approvedBy: [], reason: 'a court ordered it', method: 'keys first', at: nowAt(), orders: [object('order')],
          wrappings: [{ key: 'k', versionId: 'v1', sha256: '0'.repeat(64) }], destroyed: disposalPlan.inventory, steps: { orderedAt: disposalPlan.at, keysGoneAt, allGoneAt }, left, leftCount: left.length, stays: [], stores: ['primary'],
        },
      }),
    planImport: ({ backup, path }) =>
      Promise.resolve({
        backup,
        timeline: `imported-${backup}`,
        plan: object('plan'),
        groups: [{ group: 'dump', estimatedBytes: 600 }],
        units: 3,
        estimatedBytes: 600,
        origin: {
          program: 'mongodump', form: 'archive', gzip: true, name: path.split('/').at(-1)!, toolVersion: '100.9.4', documents: 60, plainBytes: 600,
          log: { from: point.base.logFrom, to: point.reaches, entries: 7, plainBytes: 70 }, proof: { kind: 'none', why: 'nobody compared it' }, leftOut: ['config.system.sessions'], leftOutCount: 1,
        },
      }),
    importGroup: ({ group }) => Promise.resolve({ group, index: object(group), parts: 2, documents: 60, plainBytes: 600, storedBytes: 240 }),
    writeExport: ({ path, form }) =>
      Promise.resolve({ partial: '.holdfast-0-1.partial', writtenBytes: 700, collections: 3, hasLog: true, restoreCommand: `mongorestore --oplogReplay --${form === 'archive' ? 'archive' : 'dir'}=${path}` }),
    publishExport: () => Promise.resolve(),
    discardExport: () => Promise.resolve(),
    // A real one works for an hour; one that came back at once would spin.
    archiveLog: () => untilCancelled(),
    holdSnapshot: () => untilCancelled(),
    drainLog: () => Promise.resolve({ drained: true, to: '1763700200-0000000005', note: 'to the fenced end' }),
    readDivergedWrites: ({ system, source, run, environment, timeline, limit }) =>
      Promise.resolve({ format: 1, system, source, run, environment, timeline, from: limit, to: null, firstAt: null, lastAt: null, entries: 0, inserts: 0, updates: 0, deletes: 0, namespaces: [], namespaceCount: 0, commands: [], commandCount: 0, readFrom: 'the fenced server', covers: [], doesNotCover: [], objects: [], writtenAt: nowAt() }),
    startTimeline: () => Promise.resolve({ timeline: 't00000002' }),
    proveArchive: () => Promise.resolve({ proved: true, position: '1763700300-0000000001', tookMs: 900 }),
    checkTarget: () => Promise.resolve({ summary: 'nothing lies there' }),
    makeRoom: () => Promise.resolve({ summary: 'nothing was left there' }),
    giveRoomBack: () => Promise.resolve({ summary: 'nothing was moved aside' }),
    startAgain: () => Promise.resolve({ summary: 'was started again, and takes writes' }),
    provisionTarget: () => Promise.resolve({ summary: 'an empty server' }),
    removeTarget: () => Promise.resolve({ summary: 'stopped, moved aside' }),
    prepareRestore: () => Promise.resolve({ groups: Array.from({ length: 6 }, (_, n) => ({ group: `g${n}`, index: object(`g${n}`), plainBytes: 100 })), plainBytes: 600 }),
    restoreGroup: () => Promise.resolve({ documents: 10, plainBytes: 100 }),
    replayLog: () => Promise.resolve({ appliedTo: point.reaches, appliedToAt: nowAt(), entries: 50, operations: 60, slices: 3, discardedTransactions: 0 }),
    buildIndexes: () => Promise.resolve({ indexes: 4, failed: [] }),
    validateTarget: ({ validator }) =>
      Promise.resolve({ id: validator, ok: true, effect: 'gate', claim: 'equal to base and log', problems: [], collections: [], collectionCount: 3 }),
    copyBeside: ({ target, point: copied }) =>
      Promise.resolve({ copies: copiesIn(copied).map((ns) => ({ ns, as: copyName(ns, target.run), documents: 90, bytes: 900, hashSum: '0'.repeat(64), expiries: [] })) }),
    dropCopies: ({ names }) => Promise.resolve({ summary: `${names.length} copies were dropped` }),
    planSwap: ({ target, copies }) =>
      Promise.resolve({ pairs: copies.map(({ ns, as, expiries }) => ({ ns, as, kept: keptName(ns, target.run), expiries, living: 'u1', restored: 'u2', livingDocuments: 100, restoredDocuments: 90 })) }),
    swapCollections: () => Promise.resolve({ before: point.reaches, strays: [], writersWaited: true, heldMs: 40 }),
    swapBack: () => Promise.resolve({ before: point.reaches, strays: [], writersWaited: true, heldMs: 40 }),
    compareTarget: () =>
      Promise.resolve({ schema: [], schemaCount: 0, tables: [{ ns: 'public.notes', restored: 90, living: 88, missingInLiving: 3, missingInRestored: 1, changed: 2, note: null }], differing: 1, tableCount: 4, rows: 400 }),
    planRows: ({ changed }) => Promise.resolve({ tables: [{ ns: 'public.notes', missing: 3, changed: 2, since: 1, inserted: 3, updated: changed === 'restore' ? 2 : 0 }], kept: null }),
    restoreRows: ({ target, changed }) => Promise.resolve({ tables: [{ ns: 'public.notes', missing: 3, changed: 2, since: 1, inserted: 3, updated: changed === 'restore' ? 2 : 0 }], kept: `holdfast.rows-${target.run}` }),
    removeRows: () => Promise.resolve({ summary: '3 rows were taken out again' }),
    maskTarget: () => Promise.resolve({ columns: [{ ns: 'public.users', column: 'email', values: 12 }], notes: [] }),
    promoteTarget: () => Promise.resolve({ summary: 'a replica set of one', sourceIdentity: 'r1' }),
  };
}

/** The contract, answered at once and without any effect; a test overrides what it is about. Failures are mapped as the real ones are. */
export function stubActivities(overrides: Partial<Answers>): Stubs {
  const answers: Answers = { ...answersOf(), ...overrides };
  const calls: Call[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const activities = Object.fromEntries(
    (Object.keys(answers) as (keyof Answers)[]).map((name) => [
      name,
      async (given: unknown): Promise<unknown> => {
        const { systemFile, ...input } = given as { systemFile?: SystemFileRef };
        calls.push({ name, input, ...(systemFile ? { systemFile } : {}) });
        try {
          return await (answers[name] as (given: unknown) => Promise<unknown>)(input);
        } catch (error) {
          throw toFailure(error);
        }
      },
    ]),
  );
  return { answers, activities, calls, held, release: () => release(), called: () => calls.map(({ name }) => name) };
}
