/**
 * A message to people, ready to be sent: what a receiver of any kind is given. It enters the history, so it holds neither addresses nor
 * secrets; the worker that sends it adds the link to the run.
 */

export const audiences = ['internal', 'external'] as const;
export type Audience = (typeof audiences)[number];

/** What a receiver may ask for, in the words of the system file. */
export const noticePhases = {
  started: 'a run began',
  update: 'how far it is, every so often until it has ended',
  approval: 'a gate is open: somebody must answer',
  confirm: 'a checklist waits: somebody must confirm its items',
  failed: 'a step failed: the run is paused until somebody answers',
  warning: '50, 75, 90 % of the RTO have passed, or all of it, or the forecast is past it',
  served: 'service is back',
  resolved: 'the run is done',
  aborted: 'the run was aborted and unwound',
  stuck: 'an undo failed: somebody must look',
  held: 'somebody held the run: nothing new starts; and again when it goes on',
  severity: 'somebody said how severe it is',
  comment: 'what somebody wrote into the journal of a run or an incident',
  note: 'what a step of the runbook that uses notify says',
  incident: 'an incident was opened or changed, a run is proposed or its state changed, it was resolved',
  'update-due': 'the next update of an incident is due, and nobody has given it',
  escalation: 'nobody has answered an incident for so long that a rung of its contacts is called; and when they are not needed any more',
  owner: 'a step of a run waits or has failed, and it has an owner',
  'backup-failed': 'a backup came to nothing',
  'backup-done': 'a backup was sealed, and read back',
  verified: 'a verification read what it was to read, and all of it is what was written',
  'verification-failed': 'a verification found something that is not what was written; and again once one finds nothing',
  'archive-late': 'the archive is later than the RPO, or its store does not answer; and again once it has caught up',
  'schedule-failed': 'what a schedule started came to nothing, and no other message says so; and again once it did not',
  report: 'the report of a day or a week (a schedule that does: report)',
  gap: 'log is lost for ever; and again once a base was taken behind it',
  readiness: 'the system could not be recovered as it should be: at once, when it changes, every so often, and when it is over',
  'old-primary': 'the old primary was seen alive after a switch; what its fence came to, and what it took; and that its watch has ended',
} as const;
export type NoticePhase = keyof typeof noticePhases;
export const noticePhaseNames = Object.keys(noticePhases) as [NoticePhase, ...NoticePhase[]];

export type Severity = 'critical' | 'error' | 'warning' | 'info';

export interface Notice {
  /** the same at every try, and never used for another message: what receivers know a repetition by */
  id: string;
  audience: Audience;
  /** `answered`: what was waited for is not any more; goes to whoever was asked. `test`: sent by hand */
  phase: NoticePhase | 'answered' | 'test';
  severity: Severity;
  /** UTC ISO */
  at: string;
  /** one line */
  title: string;
  /** plain text, a fact each */
  lines: string[];
  /** exactly how to answer; what is to be typed stands between Markdown code marks */
  answers: string[];
  /** messages of one run, or of one subject, belong together */
  thread: string;
  /** what the message opens, or ends: a newer message of the same alert makes an older one stale. null: it stands alone */
  alert: { key: string; state: 'open' | 'closed' } | null;
  /** people, by id or name, who are to get it themselves: who sends it knows how they are reached. Left out: nobody beside the receiver */
  called?: string[] | undefined;
  /** key of the report that it is about, in the system’s store: a mail has all of it. Left out: there is none */
  page?: string | undefined;
  /** for programs that receive it */
  facts: Record<string, string | number | null>;
}

/** What a workflow knows of a receiver: no address, no secret. */
export interface ReceiverView {
  name: string;
  kind: string;
  audience: Audience;
  phases: NoticePhase[];
  /** also of drills */
  drills: boolean;
}

/** What a workflow knows of the notifications of a system; a system without receivers has none. */
export interface NotifyView {
  receivers: ReceiverView[];
  updateEveryMs: Record<Audience, number>;
  external: ExternalWords | null;
  /** left out: the usual words */
  internal?: { templates?: InternalTemplates | undefined } | undefined;
}

/** All that a message to people outside says of the system, as the system file has it. */
export interface ExternalWords {
  service: string;
  impact: string;
  /** in place of the usual words, by phase; a line whose {next} or {back} is not known is left out */
  templates?: Partial<Record<ExternalTemplate, string>> | undefined;
}

export const externalTemplates = ['started', 'update', 'served', 'resolved', 'aborted'] as const;
export type ExternalTemplate = (typeof externalTemplates)[number];
/** What a template may name, and no more: nothing internal can get into it. */
export const placeholders = ['service', 'impact', 'since', 'back', 'next'] as const;

/** Messages of a run to those who run the system that may be worded otherwise. */
export const internalTemplates = ['started', 'update', 'approval', 'confirm', 'failed', 'served', 'resolved', 'aborted'] as const;
export type InternalTemplates = Partial<Record<(typeof internalTemplates)[number], string>>;
/** What such a template may name, and what that is; a line with one of which there is nothing to say is left out. */
export const internalWords = {
  system: 'its name',
  what: 'recovery, drill or partial restore',
  by: 'who asked for it',
  since: 'when the incident began',
  subject: 'the gate or the step that the message is about',
  about: 'what the gate shows; why the step failed',
  who: 'who is waited for, and for what',
  clock: 'the RTO: how much has passed, when it is breached, the forecast',
  now: 'what runs, and how far it is',
  left: 'what is left of the runbook',
  next: 'by when the next update comes',
  warnings: 'the last warnings of a run that has ended',
} as const;
export type InternalWord = keyof typeof internalWords;

/** @param known - null: it is not known, and a line that names it is left out. */
export function fillTemplate<W extends string>(template: string, known: Readonly<Record<W, string | null>>): string[] {
  const names = Object.keys(known) as W[];
  const lines = template.trim().split('\n').filter((line) => !names.some((name) => known[name] === null && line.includes(`{${name}}`)));
  // In one pass: what a word stands for may have braces of its own.
  return lines.map((line) => line.replaceAll(/\{([a-z]+)\}/g, (typed, name: string) => known[name as W] ?? typed));
}

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** A message is read on a telephone: a line of subject, and a screen of text. */
export const noticeLimits = { title: 160, line: 300, lines: 12 } as const;

export const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** The lines as they are sent. */
export function sentLines(of: readonly string[]): string[] {
  const lines = of.filter((line) => line !== '').map((line) => cut(oneLine(line), noticeLimits.line));
  const left = lines.length - noticeLimits.lines;
  return left > 0 ? [...lines.slice(0, noticeLimits.lines), `… and ${left} more: in the run’s details`] : lines;
}

/** Cuts what would not fit, so that no receiver refuses a message for its length. */
export function fitted(notice: Notice): Notice {
  return { ...notice, title: cut(oneLine(notice.title), noticeLimits.title), lines: sentLines(notice.lines) };
}

/**
 * The receivers that a message goes to.
 * @param as - the phase that stands for it where it has none of its own: an answer goes to whoever was asked.
 */
export function receiversOf(view: NotifyView, { audience, as, drill }: { audience: Audience; as: NoticePhase; drill: boolean }): ReceiverView[] {
  return view.receivers.filter((receiver) => receiver.audience === audience && receiver.phases.includes(as) && (!drill || receiver.drills));
}
