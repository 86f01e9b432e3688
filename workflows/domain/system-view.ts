import type { Ladders } from './contacts.ts';
import type { IncidentsView } from './incident-schema.ts';
import type { NotifyView } from './notify/notice.ts';
import type { People } from './people.ts';
import type { ReadinessView } from './readiness-schema.ts';
import type { CopyMode } from './restore-mode.ts';
import type { Runbook } from './runbook.ts';
import type { GateConfig } from './system.ts';

/**
 * What a workflow may know of a system: no address, no secret reference. It enters the history, so it is all that a
 * reader of the history learns.
 */
export interface SystemView {
  system: string;
  title: string;
  site: string;
  /** SHA-256 of the file's text, without the overlay: a run goes by this text to its end, whatever becomes of the file */
  digest: string;
  /** why the store has no copy of that text, though one was to be kept; left out: it has, or none was */
  unkept?: string | undefined;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  sources: Record<string, { engine: string; environment: string }>;
  standbyEnvironment: string;
  /** all that the system file names; left out: of a run that began before they were kept */
  environments?: string[] | undefined;
  /** where drills are restored to; left out: `standbyEnvironment` */
  drillEnvironment?: string | undefined;
  /** turned round: the sources live on the standby, and `standbyEnvironment` is their home; left out: as the system file says */
  homeward?: true | undefined;
  /** the run restores the place that the sources live at: `standbyEnvironment` is where they live; left out: a place of its own */
  inPlace?: true | undefined;
  /** the run copies what it chose into the living source, and for a swap lets it take its place; left out: it does not */
  copies?: CopyMode | undefined;
  approvals: Record<string, GateConfig>;
  /** who deploys the application; left out: nobody can */
  deployer?: { uses: 'command' } | { uses: 'manual'; instructions?: string | undefined } | undefined;
  /** the team's own programs; left out: none */
  commands?: Record<string, { undo: boolean }> | undefined;
  /** left out: nobody is named */
  people?: People | undefined;
  runbook: Runbook;
  /** others, by name; left out: none */
  runbooks?: Record<string, Runbook> | undefined;
  /** how traffic is let in again; left out: all at once, healthy for 10 s */
  traffic?: { admission: number[]; healthWatchMs: number; healthWithinMs?: number | undefined } | undefined;
  /** how long an elevation holds; left out: 8 hours */
  elevatedForMs?: number | undefined;
  /** how long the old side is watched after a switch; left out: 7 days */
  watchOldSideMs?: number | undefined;
  /** who is told what, by name; left out: nobody */
  notify?: NotifyView | undefined;
  /** ladders of contacts, by name; left out: none */
  ladders?: Ladders | undefined;
  /** left out: the usual */
  incidents?: IncidentsView | undefined;
  /** how many columns of each source are masked; left out: none */
  masks?: Record<string, number> | undefined;
  /** what each environment is for; left out: of a run that began before it was kept */
  protections?: Record<string, 'production' | 'staging' | 'open'> | undefined;
  /** left out: no rules, and everything stays */
  retention?: { waitMs: number; approval?: string | undefined } | undefined;
  /** left out: nobody has to approve a disposal */
  disposal?: { approval: string } | undefined;
  /** what each schedule starts, by its id; left out: none */
  schedules?: Record<string, { workflow: string; act: string }> | undefined;
  /** left out: it began before there was one */
  readiness?: ReadinessView | undefined;
  /** left out: one validator, "equality". A validator without `source` runs for every source */
  validators?: { id: string; source?: string | undefined }[] | undefined;
}
