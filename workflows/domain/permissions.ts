import type { EntryWorkflow } from './inputs.ts';
import type { MessageName } from './messages.ts';
import { personOf, type People, type Role } from './people.ts';

/**
 * Who may do what, in one table: every command to a run, and every start of a workflow. Roles are those of the handbooks: the administrator
 * has full access; the DR team restores, and asks for its elevation to do so in production; operators look after backups and drills; security reads.
 */

/** Everything that people do, by a name of its own: a workflow may be more than one act, by what it is asked for. */
export type Act = MessageName | StartAct;
type StartAct = 'back-up' | 'archive' | 'verify' | 'import' | 'export' | 'recover' | 'take-data-out' | 'drill' | 'dry-run' | 'take-over' | 'read' | 'read-audit' | 'seal-audit' | 'elevate' | 'dispose' | 'rotate' | 'prove-recovery' | 'open-incident' | 'record-deployment' | 'apply' | 'mark' | 'retain' | 'report' | IncidentAct;
/** What people do to an incident, beside starting its recoveries. */
type IncidentAct = 'update-incident' | 'dismiss-run' | 'resolve-incident' | 'review-incident';

interface Row {
  /** as in "may …" */
  about: string;
  who: readonly Role[];
  /** may do it once an administrator has approved it, for this one run */
  elevated?: readonly Role[];
}

const administrator: readonly Role[] = ['administrator'];
const drTeam: readonly Role[] = ['administrator', 'dr-team'];
const operations: readonly Role[] = ['administrator', 'dr-team', 'operator'];
const everybody: readonly Role[] = ['administrator', 'dr-team', 'operator', 'security'];

export const permissions: Readonly<Record<Act, Row>> = {
  'back-up': { about: 'take a backup', who: operations },
  archive: { about: 'start the archive of a log', who: operations },
  verify: { about: 'verify what the bucket holds', who: everybody },
  read: { about: 'read what can be recovered, plans, evidence and archive status', who: everybody },
  drill: { about: 'start a drill', who: operations },
  'dry-run': { about: 'try a recovery without touching anything', who: operations },
  recover: { about: 'recover production', who: administrator, elevated: ['dr-team'] },
  'take-data-out': { about: 'take data out (restore a part, print diverged writes)', who: administrator, elevated: ['dr-team'] },
  'take-over': { about: 'take the command from another control plane', who: administrator },
  import: { about: 'import a dump', who: administrator },
  // What an export writes is not encrypted.
  export: { about: 'export a recovery point', who: administrator },
  elevate: { about: 'approve an elevation', who: administrator },
  'read-audit': { about: 'read the audit', who: ['administrator', 'security'] },
  'seal-audit': { about: 'seal the audit', who: operations },
  dispose: { about: 'dispose of keys and backups', who: administrator },
  rotate: { about: 'rotate keys', who: administrator },
  'prove-recovery': { about: 'write down that the offline key opens backups', who: operations },
  mark: { about: 'say of a recovery point that it is suspect, bad, held or good', who: operations },
  retain: { about: 'let go what the rules of retention let go', who: operations },
  report: { about: 'have the report of a day or a week written', who: everybody },
  'record-deployment': { about: 'say which version of the application runs', who: operations },
  apply: { about: 'apply the system file’s schedules and archives', who: operations },
  'open-incident': { about: 'open an incident', who: operations },
  'update-incident': { about: 'say how an incident stands, and who owns what', who: operations },
  'dismiss-run': { about: 'say that a proposed run is not wanted', who: drTeam },
  'resolve-incident': { about: 'resolve an incident', who: drTeam },
  'review-incident': { about: 'review an incident', who: operations },
  // A gate that names people or roles says itself who answers it: then those are asked and not these.
  approve: { about: 'approve a gate', who: drTeam },
  reject: { about: 'reject a gate', who: drTeam },
  retry: { about: 'retry a step', who: drTeam },
  skip: { about: 'skip a step', who: drTeam },
  abort: { about: 'abort a run', who: drTeam },
  delegate: { about: 'hand on their right to answer a gate', who: drTeam },
  hold: { about: 'hold a run', who: drTeam },
  resume: { about: 'resume a run', who: drTeam },
  comment: { about: 'comment on a run', who: operations },
  extend: { about: 'extend the budget of a step', who: drTeam },
  severity: { about: 'say how severe it is', who: drTeam },
  choose: { about: 'choose another recovery point', who: drTeam },
  escalate: { about: 'escalate to another runbook', who: drTeam },
  confirm: { about: 'confirm an item of a checklist', who: operations },
};

/** What hands data, or knowledge of it, to people: these begin only once the audit has them. */
export const givesData = (act: Act): boolean => act === 'read' || act === 'verify' || act === 'export' || act === 'take-data-out' || act === 'read-audit';

/** What a cancel of the workflow is called where it becomes an abort: who may cancel is up to Temporal. */
export const canceller = 'cancel';

export type Permission =
  | { may: true }
  /** the start goes on to the gate `elevation` */
  | { may: 'elevated' }
  | { may: false; why: string };

const rolesOf = (row: Row): string => [row.who.join(', '), ...(row.elevated ? [`${row.elevated.join(', ')} by elevation`] : [])].join('; ');

/** Whether a person may do something. Without people, anybody may do anything. A refusal names the person, what they asked and which roles may. */
export function permit(people: People | undefined, act: Act, by: string | undefined): Permission {
  if (!people) return { may: true };
  const row = permissions[act];
  const who = `Roles that may ${row.about}: ${rolesOf(row)}.`;
  if (by === undefined) return { may: false, why: `Nobody without a name may ${row.about}. ${who}` };
  const id = personOf(people, by);
  if (id === undefined) return { may: false, why: `${by} may not ${row.about}: the system’s people do not name them. ${who}` };
  const { roles } = people[id]!;
  const may = mayWith(roles, act);
  if (may !== false) return { may };
  return { may: false, why: `${by} (${roles.join(', ') || 'no role'}) may not ${row.about}. ${who}` };
}

/** Whether somebody with these roles may, or may by elevation. */
export function mayWith(roles: readonly string[], act: Act): Permission['may'] {
  const { who, elevated = [] } = permissions[act];
  const has = (some: readonly Role[]): boolean => some.some((role) => roles.includes(role));
  return has(who) ? true : has(elevated) && 'elevated';
}

/** Which act the start of a workflow is, by what it is asked for. */
export function actOf(workflow: EntryWorkflow, asked: { purpose?: string | undefined; dryRun?: boolean | undefined; only?: unknown; takeOver?: boolean | undefined; apply?: boolean | undefined }): Act {
  if ((workflow === 'applySystem' || workflow === 'disposePoint' || workflow === 'disposeAll' || workflow === 'rotateKeys') && asked.dryRun) return 'read';
  if (workflow === 'applyRetention') return asked.apply ? 'retain' : 'read';
  if (workflow !== 'recoverSystem') return startActs[workflow];
  if (asked.dryRun) return 'dry-run';
  if (asked.takeOver) return 'take-over';
  if (asked.purpose === 'drill') return 'drill';
  return asked.only === undefined ? 'recover' : 'take-data-out';
}

const startActs: Readonly<Record<Exclude<EntryWorkflow, 'recoverSystem' | 'applyRetention'>, StartAct>> = {
  backUpSystem: 'back-up',
  archiveLog: 'archive',
  verifySystem: 'verify',
  importDump: 'import',
  exportRecoveryPoint: 'export',
  listRecoveryPoints: 'read',
  planRecovery: 'read',
  readArchiveStatus: 'read',
  rebuildCatalog: 'read',
  listDrills: 'read',
  readAudit: 'read-audit',
  sealAudit: 'seal-audit',
  openIncident: 'open-incident',
  recordDeployment: 'record-deployment',
  markPoint: 'mark',
  disposePoint: 'dispose',
  disposeAll: 'dispose',
  rotateKeys: 'rotate',
  recordRecoveryProof: 'prove-recovery',
  applySystem: 'apply',
  reportSystem: 'report',
};
