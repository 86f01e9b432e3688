import type { Command } from 'commander';
import { WorkflowNotFoundError } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import { openSystem } from '../../activities/open-context.ts';
import { readIncidents } from '../../activities/report/read-incidents.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { recordOf, totalOf, describeTotals } from '../../workflows/domain/incident-record.ts';
import { incidentMessageSchemas, type IncidentMessageName } from '../../workflows/domain/incident-messages.ts';
import type { IncidentState } from '../../workflows/domain/incident.ts';
import { openIncidentInput, parseInput } from '../../workflows/domain/inputs.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { queryNames } from '../../workflows/domain/messages.ts';
import { renderIncident } from '../../workflows/domain/render-incident.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import type { Cli } from '../cli.ts';
import { entryId, sendUpdate, startEntry, withTemporal, workflowLink, type Temporal } from '../client.ts';
import { currentUser } from '../current-user.ts';

const byOption = ['--by <name>', 'your name', currentUser()] as const;

/** `holdfast incident …`: what is wrong, since when, who owns it and which recoveries run for it (workflow runIncident). docs/incidents.md */
export function incident(cli: Cli): void {
  const group = cli.group('incident', 'what is wrong with a system, since when, who owns it, and its recoveries');
  open(cli, group);
  list(cli, group);
  show(cli, group);
  for (const message of messages) add(cli, group, message);
}

function open(cli: Cli, group: Command): void {
  cli.add<[string], { summary: string; severity?: string; impact?: string; since?: string; by: string }>(
    'open <system>',
    'open an incident (workflow openIncident); the RTO clock of its recoveries starts with it',
    (command) =>
      command
        .requiredOption('--summary <text>', 'what is wrong, a line')
        .option('--severity <severity>', 'P1 to P4')
        .option('--impact <text>', 'what people cannot do')
        .option('--since <time>', 'when service was lost; left out: now')
        .option(...byOption),
    async (printer, { summary, severity, impact, since, by }, system) => {
      const input = { system, summary, severity: severity as 'P1' | undefined, impact, startedAt: since ?? new Date().toISOString(), requestedBy: by };
      parseInput('openIncident', openIncidentInput, input);
      await withTemporal(async (temporal) => {
        const entry = await startEntry(temporal, 'openIncident', entryId('incident', system), input, `incident of ${system}: ${summary}`);
        const { workflowId } = (await entry.result()) as { workflowId: string };
        const state = await stateOf(temporal, system);
        printer.result({ workflowId, link: workflowLink(temporal, workflowId), state }, () => `opened         ${state?.id ?? ''} of ${system}\nupdate due     ${state?.nextUpdateAt ?? ''}\nwhat is new    holdfast incident update ${system} --text "…" --by ${by}`);
      });
    },
    group,
  );
}

function list(cli: Cli, group: Command): void {
  cli.add<[string], { limit: string }>(
    'list <system>',
    'the incident that is open, where Temporal answers; those that were closed, from the bucket, with time to recovery and objectives',
    (command) => command.option('--limit <count>', 'the newest so many', '50'),
    async (printer, { limit }, system) => {
      const count = Number(limit);
      if (!Number.isInteger(count) || count < 1 || count > 500) throw new HoldfastError('BadInput', `--limit ${limit}: expected a number from 1 to 500`);
      const { loaded, store } = await openSystem(system);
      const { records, unread } = await readIncidents({ store, signal: new AbortController().signal }, system, count);
      const { state, why } = await openOne(system);
      const totals = totalOf(records, loaded.system.incidents?.mttr ?? null);
      printer.result({ open: state, openUnread: why, closed: records, unread, totals }, () =>
        [
          ...(state ? [line(state)] : []),
          ...(why ? [`the one that is open is not known: ${why}`] : []),
          ...records.map(({ state: closed, recoveryMs, rto }) => `${line(closed)}  ${recoveryMs === null ? 'never over' : `over after ${formatDuration(recoveryMs)}`}, RTO ${rto.met === null ? 'unknown' : rto.met ? 'met' : 'MISSED'}${closed.review ? '' : ', no review'}`),
          ...unread.map((key) => `not readable: ${key}`),
          describeTotals(totals),
        ].join('\n'));
    },
    group,
  );
}

const line = ({ id, startedAt, severity, status, closedAt, summary }: IncidentState): string => `${id}  ${startedAt.slice(0, 19)}Z  ${severity ?? '--'}  ${closedAt === null ? status : 'closed'}  ${summary}`;

async function openOne(system: string): Promise<{ state: IncidentState | null; why: string | null }> {
  try {
    const state = await withTemporal(async (temporal) => await stateOf(temporal, system));
    return { state: state?.closedAt === null ? state : null, why: null };
  } catch (error) {
    return { state: null, why: describeError(error).message };
  }
}

/** Null: none was ever opened here. */
async function stateOf({ client }: Pick<Temporal, 'client'>, system: string): Promise<IncidentState | null> {
  try {
    return await handleOf({ client }, system).query<IncidentState>(queryNames.state);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

const handleOf = ({ client }: Pick<Temporal, 'client'>, system: string): WorkflowHandle => client.workflow.getHandle(lockIds.incident(system));

function show(cli: Cli, group: Command): void {
  cli.add<[string], object>('show <system>', 'the incident that is open, or the last one', (command) => command, async (printer, _options, system) => {
    const state = await withTemporal(async (temporal) => await stateOf(temporal, system));
    if (!state) throw new HoldfastError('NotWaiting', `no incident of ${system} was opened here`, { hint: `holdfast incident open ${system} --summary "…"` });
    printer.result(state, () => renderIncident(recordOf(state)).trimEnd());
  }, group);
}

interface MessageCommand {
  name: IncidentMessageName;
  about: string;
  /** the word after the system, and the field that it is */
  word?: { name: string; field: string };
  declare(command: Command): Command;
}

const several = (value: string, before: string[] = []): string[] => [...before, value];

const messages: MessageCommand[] = [
  {
    name: 'update',
    about: 'say how it stands; the next update is due anew',
    declare: (command) => command.option('--status <status>', 'investigating, identified or monitoring').option('--severity <severity>', 'P1 to P4').option('--impact <text>', 'what people cannot do').option('--text <text>', 'what is new').option('--outside <text>', 'what people outside are told, word by word').option('--next-update <duration>', 'such as 30m; left out: as the system file says'),
  },
  { name: 'assign', about: 'say who answers for a step of the runbook, in this incident', word: { name: 'step', field: 'step' }, declare: (command) => command.requiredOption('--to <name>', 'who answers for it').option('--role <role>', 'needed where the step has no owner yet') },
  { name: 'start', about: 'start a recovery for it: the one that is proposed, or another runbook', declare: (command) => command.option('--run <id>', 'a proposed run; needed where there are several').option('--runbook <name>', 'another runbook').option('--target-time <time>', 'recover to this second').option('--reason <text>', 'kept in the report') },
  { name: 'dismiss', about: 'say that a proposed run is not wanted', declare: (command) => command.option('--run <id>', 'needed where there are several').requiredOption('--reason <text>', 'why') },
  { name: 'resolve', about: 'say that it is over', declare: (command) => command.requiredOption('--text <text>', 'how it ended').option('--outside <text>', 'what people outside are told, word by word').option('--force', 'also while a run goes on') },
  { name: 'review', about: 'close it with what was learnt', declare: (command) => command.requiredOption('--cause <text>', 'what it came from').option('--lessons <text>', 'once for each', several).option('--actions <text>', 'once for each', several) },
];

/** Each message of an incident as a command: an update, so that a refusal comes back with its reason. */
function add(cli: Cli, group: Command, { name, about, word, declare }: MessageCommand): void {
  cli.add<[string, string | undefined], Record<string, unknown>>(
    `${name} <system>${word ? ` <${word.name}>` : ''}`,
    about,
    (command) => declare(command).option(...byOption),
    async (printer, { json: _json, ...given }, system, typed) => {
      const message = JSON.parse(JSON.stringify({ ...given, ...(word ? { [word.field]: typed } : {}) })) as Record<string, unknown>;
      const parsed = incidentMessageSchemas[name].safeParse(message);
      if (!parsed.success) {
        const issue = parsed.error.issues[0]!;
        throw new HoldfastError('BadInput', `${name}: ${issue.path.join('.')}: ${issue.message}`, { hint: `holdfast incident ${name} --help` });
      }
      const answer = await withTemporal(async (temporal) => await sendUpdate<{ accepted: true; status: string }>(handleOf(temporal, system), name, message));
      printer.result({ system, message: name, ...message, answer }, () => `${name}: accepted, by ${String(message['by'])} (claimed); ${answer.status}`);
    },
    group,
  );
}
