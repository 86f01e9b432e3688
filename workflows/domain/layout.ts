import type { JournalOf } from './journal.ts';
import { logPositionSchema, type LogPosition } from './log-position.ts';

/**
 * Where everything lies in the bucket, below the store's prefix. Format 1.
 *
 * ```
 * <system>/control/epoch-<n>                        who commands: one control plane an epoch, put-if-absent
 * <system>/holds/<run>.json                         a run reads: expiry keeps what it needs
 * <system>/access/used-codes/<person>/<step>.json   a one-time code that proved a decision: no check takes it again; signed, put-if-absent
 * <system>/audit/<number>.json                      who asked for what, and whether they were let; signed, put-if-absent, each names the one before
 * <system>/audit-seals/<day>.json                    what the audit was when the day was over; signed, put-if-absent, each names the one before
 * <system>/system-files/<sha256>.json             the text of the system file that runs began with, sealed, with its key wrapped for each recipient; put-if-absent
 * <system>/deployments/<number>.json                which version of the application ran where since when; as the audit's records
 * <system>/runs/<run>/<name>                        evidence of a run: report.json, report.md, report.html
 * <system>/runs/<run>/journal/<page>.json           lines of a long run's journal, 100 a page; of an incident below incidents/<incident>/
 * <system>/runs/<run>/evidence/<instant>.json      all that was written of the run, by version and digest; signed, put-if-absent; of an incident below incidents/<incident>/
 * <system>/runs/<run>/diverged/<source>.<n>         entries of the log that the old primary went on with, encrypted
 * <system>/incidents/<incident>/<name>            an incident that was closed: incident.json, incident.md
 * <system>/reports/<report>/<name>                a backup, a day or a week: report.json (signed), report.md, report.html
 * <system>/disposals/<source>/<point>/<run>/order.json        what a disposal is going to destroy, why, and for whom; signed, put-if-absent
 * <system>/disposals/<source>/<point>/<run>/certificate.json  that it did, and what could not be destroyed; signed, put-if-absent
 * <system>/key-rotations/<run>.json                  who opens every kept key since then, and whom nothing depends on any more; signed, put-if-absent
 * <system>/retired-keys/<recipient>.json             a rotation retires it: no new key is wrapped for it; signed
 * <system>/<source>/key-checks/<instant>.json        whether every kept key is wrapped for everybody, and opens; signed, put-if-absent
 * <system>/<source>/recovery-proofs/<recipient>.<instant>.<id>.json  an offline key opened a base; signed, put-if-absent
 * <system>/<source>/timelines/<timeline>.json       one unbroken life of the source; signed, put-if-absent
 * <system>/<source>/marks/<point>/<instant>.json    what somebody says of a base, an import or a slice: the latest counts, all are kept; signed, put-if-absent
 * <system>/<source>/verified/<instant>.json            what a verification read and found; whose turn it is next follows from these; signed, put-if-absent
 * <system>/<source>/base-lists/<number>.json          which bases there should be: numbered, each with the SHA-256 of the one before; signed, put-if-absent
 * <system>/<source>/expired/<backup>.json           retention has begun to take this base: what is left of it is nobody's; signed, gone when it is done
 * <system>/retention/<run>/<source>.json             what a run of retention was to do, and why; signed
 * <system>/<source>/<timeline>/
 *   expired/<position>.json                         up to here log may be missing because retention took it; signed
 *   backups/<backup>/manifest.json                  visible last: no manifest, no recovery point
 *   backups/<backup>/plan.json                      what the dump will read, and from when
 *   backups/<backup>/keys/<key>.<recipient>.json    the backup's key, wrapped for one recipient
 *   backups/<backup>/groups/<group>-<ulid>.json     index of the parts of one group
 *   backups/<backup>/parts/<unit>/<range>/<name>    encrypted bytes; unique per attempt: <index>.<name it was read behind>.<ulid>
 *   keys/<key>.<recipient>.json                     an archive key, wrapped for one recipient
 *   slices/<from>_<to>                              log after <from>, up to and including <to>
 *   gaps/<from>_<to>.json                           log that is lost for ever, and why
 *   history.json                                    what the server says of its timeline: PostgreSQL's history file; signed, put-if-absent
 *   heads/<position>.json                           the log was archived up to here: what a lost end of it is noticed by
 * <system>/<source>/imported-<backup>/              a base (and its log) that another program dumped: same folders below
 * ```
 *
 * A lock protects versions, not keys: whoever reads pins a VersionId, and whoever lists, lists versions.
 */
export interface TimelineScope {
  system: string;
  source: string;
  timeline: string;
}

export interface BackupScope extends TimelineScope {
  backup: string;
}

const counted = (n: number): string => String(n).padStart(8, '0');

export const timelineId = (n: number): string => `t${counted(n)}`;
export const isTimelineId = (name: string): boolean => /^t\d{8}$/.test(name);
export const timelineNumber = (timeline: string): number => Number(timeline.slice(1));

/**
 * An import is a timeline of its own, outside the count of the source's and not among its timeline objects: nobody who
 * looks for the newest timeline, or for what follows a base, ever meets it.
 */
const importedPrefix = 'imported-';
export const importTimeline = (backup: string): string => `${importedPrefix}${backup}`;

const instant = (at: string): string => at.replaceAll(/[-:.]/g, '');

const scope = ({ system, source, timeline }: TimelineScope): string => `${system}/${source}/${timeline}`;
const backup = (of: BackupScope): string => `${scope(of)}/backups/${of.backup}`;

export const layout = {
  epochs: (system: string) => `${system}/control/epoch-`,
  epoch: (system: string, epoch: number) => `${system}/control/epoch-${counted(epoch)}`,
  holds: (system: string) => `${system}/holds/`,
  hold: (system: string, run: string) => `${system}/holds/${run}.json`,
  usedCode: (system: string, person: string, step: number) => `${system}/access/used-codes/${person}/${step}.json`,
  auditRecords: (system: string) => `${system}/audit/`,
  auditRecord: (system: string, number: number) => `${system}/audit/${counted(number)}.json`,
  auditSeals: (system: string) => `${system}/audit-seals/`,
  auditSeal: (system: string, day: string) => `${system}/audit-seals/${day}.json`,
  systemFile: (system: string, sha256: string) => `${system}/system-files/${sha256}.json`,
  deployments: (system: string) => `${system}/deployments/`,
  deployment: (system: string, number: number) => `${system}/deployments/${counted(number)}.json`,
  evidence: (system: string, run: string, name: string) => `${system}/runs/${run}/${name}`,
  incidents: (system: string) => `${system}/incidents/`,
  incident: (system: string, incident: string, name: string) => `${system}/incidents/${incident}/${name}`,
  keptReport: (system: string, report: string, name: string) => `${system}/reports/${report}/${name}`,
  journal: (system: string, { in: folder, id }: JournalOf) => `${system}/${folder}/${id}/journal/`,
  journalPage: (system: string, of: JournalOf, page: number) => `${layout.journal(system, of)}${counted(page)}.json`,
  recordOf: (system: string, { in: folder, id }: JournalOf) => `${system}/${folder}/${id}/`,
  evidenceBundles: (system: string, of: JournalOf) => `${layout.recordOf(system, of)}evidence/`,
  evidenceBundle: (system: string, of: JournalOf, at: string) => `${layout.evidenceBundles(system, of)}${instant(at)}.json`,
  diverged: (system: string, run: string, source: string) => `${system}/runs/${run}/diverged/${source}.`,
  keyRotations: (system: string) => `${system}/key-rotations/`,
  keyRotation: (system: string, run: string) => `${system}/key-rotations/${run}.json`,
  retiredKeys: (system: string) => `${system}/retired-keys/`,
  retiredKey: (system: string, recipient: string) => `${system}/retired-keys/${recipient}.json`,
  source: (system: string, source: string) => `${system}/${source}/`,
  keyChecks: (system: string, source: string) => `${system}/${source}/key-checks/`,
  keyCheck: (of: { system: string; source: string }, at: string) => `${layout.keyChecks(of.system, of.source)}${instant(at)}.json`,
  recoveryProofs: (system: string, source: string) => `${system}/${source}/recovery-proofs/`,
  recoveryProof: (of: { system: string; source: string; recipient: { id: string }; at: string; id: string }) => `${layout.recoveryProofs(of.system, of.source)}${of.recipient.id}.${instant(of.at)}.${of.id}.json`,
  expiredBases: (system: string, source: string) => `${system}/${source}/expired/`,
  expiredBase: (of: { system: string; source: string; backup: string }) => `${layout.expiredBases(of.system, of.source)}${of.backup}.json`,
  expiredLogs: (of: TimelineScope) => `${scope(of)}/expired/`,
  expiredLog: (of: TimelineScope, before: LogPosition) => `${scope(of)}/expired/${before}.json`,
  disposals: (system: string) => `${system}/disposals/`,
  disposalsIn: (of: { system: string; source: string }) => `${layout.disposals(of.system)}${of.source}/`,
  disposalsOf: (of: { system: string; source: string; point: string }) => `${layout.disposalsIn(of)}${of.point}/`,
  disposalOrder: (of: { system: string; source: string; point: string; run: string }) => `${layout.disposalsOf(of)}${of.run}/order.json`,
  disposalCertificate: (of: { system: string; source: string; point: string; run: string }) => `${layout.disposalsOf(of)}${of.run}/certificate.json`,
  retentionPlan: (system: string, run: string, source: string) => `${system}/retention/${run}/${source}.json`,
  timelineFolder: (of: TimelineScope) => `${scope(of)}/`,
  backupFolder: (of: BackupScope) => `${backup(of)}/`,
  marks: (system: string, source: string) => `${system}/${source}/marks/`,
  marksOf: (of: { system: string; source: string }, point: string) => `${layout.marks(of.system, of.source)}${point}/`,
  mark: (of: { system: string; source: string }, point: string, at: string) => `${layout.marksOf(of, point)}${instant(at)}.json`,
  baseLists: (system: string, source: string) => `${system}/${source}/base-lists/`,
  baseList: (of: { system: string; source: string }, number: number) => `${layout.baseLists(of.system, of.source)}${counted(number)}.json`,
  verifications: (system: string, source: string) => `${system}/${source}/verified/`,
  verification: (of: { system: string; source: string }, at: string) => `${layout.verifications(of.system, of.source)}${instant(at)}.json`,
  timelines: (system: string, source: string) => `${system}/${source}/timelines/`,
  timeline: (of: TimelineScope) => `${of.system}/${of.source}/timelines/${of.timeline}.json`,
  imports: (system: string, source: string) => `${system}/${source}/${importedPrefix}`,
  backups: (of: TimelineScope) => `${scope(of)}/backups/`,
  manifest: (of: BackupScope) => `${backup(of)}/manifest.json`,
  plan: (of: BackupScope) => `${backup(of)}/plan.json`,
  backupKeys: (of: BackupScope) => `${backup(of)}/keys/`,
  backupKey: (of: BackupScope, key: string, recipient: string) => `${backup(of)}/keys/${key}.${recipient}.json`,
  group: (of: BackupScope, group: string, attempt: string) => `${backup(of)}/groups/${group}-${attempt}.json`,
  groups: (of: BackupScope, group: string) => `${backup(of)}/groups/${group}-`,
  part: (of: BackupScope, unit: string, range: string, attempt: string) => `${backup(of)}/parts/${unit}/${range}/${attempt}`,
  parts: (of: BackupScope, unit: string, range: string) => `${backup(of)}/parts/${unit}/${range}/`,
  allParts: (of: BackupScope) => `${backup(of)}/parts/`,
  archiveKeys: (of: TimelineScope) => `${scope(of)}/keys/`,
  archiveKey: (of: TimelineScope, key: string, recipient: string) => `${scope(of)}/keys/${key}.${recipient}.json`,
  slices: (of: TimelineScope) => `${scope(of)}/slices/`,
  slice: (of: TimelineScope, from: LogPosition, to: LogPosition) => `${scope(of)}/slices/${from}_${to}`,
  gaps: (of: TimelineScope) => `${scope(of)}/gaps/`,
  gap: (of: TimelineScope, from: LogPosition, to: LogPosition) => `${scope(of)}/gaps/${from}_${to}.json`,
  history: (of: TimelineScope) => `${scope(of)}/history.json`,
  heads: (of: TimelineScope) => `${scope(of)}/heads/`,
  head: (of: TimelineScope, to: LogPosition) => `${scope(of)}/heads/${to}.json`,
} as const;

/** The two positions that a slice's or gap's key names, or undefined when the key is neither. */
export function parseRangeKey(key: string): { from: LogPosition; to: LogPosition } | undefined {
  const [from, to] = key.slice(key.lastIndexOf('/') + 1).replace(/\.json$/, '').split('_');
  const parsedFrom = logPositionSchema.safeParse(from);
  const parsedTo = logPositionSchema.safeParse(to);
  return parsedFrom.success && parsedTo.success ? { from: parsedFrom.data, to: parsedTo.data } : undefined;
}

/** The number that the key of a record of a chain names (audit, deployments, lists of bases), or undefined when the key is none. */
export function parseRecordKey(key: string): number | undefined {
  const digits = /\/(?:audit|deployments|base-lists)\/(\d{8})\.json$/.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The day that the key of a seal of the audit names, or undefined when the key is none. */
export const parseSealKey = (key: string): string | undefined => /\/audit-seals\/(\d{4}-\d{2}-\d{2})\.json$/.exec(key)?.[1];

/**
 * Whether a key is of what is kept for whoever looks back: the audit and its seals, evidence of runs and incidents, kept reports, what retention, disposals and rotations of keys did. It is locked for `lock.evidence`;
 * the writes of an old primary that lie beside a run's evidence are data, and are not.
 */
export const isEvidence = (key: string): boolean => /^[^/]+\/(audit|audit-seals|deployments|runs|incidents|retention|disposals|key-rotations|reports)\//.test(key) && !/^[^/]+\/runs\/[^/]+\/diverged\//.test(key);

/** Whether a key is of what grows with the data: parts, slices, writes of an old primary. What is small is written whatever room there is. */
export const isData = (key: string): boolean => isPart(key) || /^[^/]+\/(?:runs\/[^/]+\/diverged|[^/]+\/[^/]+\/slices)\//.test(key);
export const isPart = (key: string): boolean => /^[^/]+\/[^/]+\/[^/]+\/backups\/[^/]+\/parts\//.test(key);

/** The position that the key of a head, or of log that has expired, names; undefined when the key is neither. */
export function parseHeadKey(key: string): LogPosition | undefined {
  return logPositionSchema.safeParse(key.slice(key.lastIndexOf('/') + 1).replace(/\.json$/, '')).data;
}
