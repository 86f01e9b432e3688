import { goesOn, recoveredAt, type IncidentState, type StepOwner } from '../domain/incident.ts';
import { describeRun, howToStart, howToUpdate } from '../domain/notify/incident-notices.ts';
import { formatDuration } from '../domain/units.ts';
import { bytesOf, detailsBytes } from '../runbook/show-details.ts';

const clock = (at: string): string => `${at.slice(0, 10)} ${at.slice(11, 19)}Z`;
const cutAt = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** How much of an incident is shown: what there is most of gives way first. */
interface Room {
  /** of each text, what share of its usual length */
  share: number;
  runs: number;
  /** of the journal */
  lines: number;
  owners: number;
}

const rooms: readonly Room[] = [
  { share: 1, runs: 8, lines: 12, owners: Infinity },
  { share: 1, runs: 8, lines: 5, owners: Infinity },
  { share: 1, runs: 8, lines: 3, owners: 6 },
  { share: 0.5, runs: 4, lines: 2, owners: 6 },
  { share: 0.25, runs: 2, lines: 0, owners: 3 },
];

type Cut = (text: string, length: number) => string;

function heading(state: IncidentState, at: string, cut: Cut): string[] {
  const over = recoveredAt(state);
  const passedMs = Math.max(0, Date.parse(over ?? at) - Date.parse(state.startedAt));
  const breachAt = new Date(Date.parse(state.startedAt) + state.rtoObjectiveMs).toISOString();
  const late = state.nextUpdateAt !== null && at >= state.nextUpdateAt ? ' **OVERDUE**' : '';
  return [
    `**incident ${state.system}${state.severity ? ` ${state.severity}` : ''}: ${state.status}** as of ${clock(at)}\n`,
    `- what: **${cut(state.summary, 300)}**`,
    `- impact: ${cut(state.impact ?? 'nobody has said', 300)}`,
    `- since ${clock(state.startedAt)}: ${over ? `over after ${formatDuration(passedMs)}` : `for ${formatDuration(passedMs)}`} of ${formatDuration(state.rtoObjectiveMs)} RTO${over ? '' : `, breach at ${clock(breachAt)}`}; id \`${state.id}\`, opened by ${cut(state.openedBy, 100)}`,
    ...(state.nextUpdateAt === null ? [] : [`- ${state.status === 'resolved' ? 'review' : 'next update'} due by ${clock(state.nextUpdateAt)}${late}`]),
    ...(state.closedAt === null ? [] : [`- closed ${clock(state.closedAt)}${state.review ? `, reviewed by ${cut(state.review.by, 100)}` : ', **without a review**'}`]),
  ];
}

/** Those whose step is under way come first: they are who to ask. */
function owners(state: IncidentState, cut: Cut): string[] {
  const now = new Map(state.runs.filter(goesOn).flatMap(({ steps }) => steps.map(({ id, state: is }) => [id, is] as const)));
  const line = ({ step, role, person }: StepOwner): string => `- owner of ${step}: ${cut(role, 80)}${person ? ` (${cut(person, 80)})` : ''}${now.has(step) ? `: **${now.get(step)}**` : ''}`;
  return [...state.owners.filter(({ step }) => now.has(step)), ...state.owners.filter(({ step }) => !now.has(step))].map(line);
}

/** What to send next, word by word. */
function answers({ status, system, runs, closedAt }: IncidentState): string[] {
  if (closedAt !== null) return [];
  const proposed = runs.find((run) => run.status === 'proposed');
  const start = proposed ? howToStart(system, proposed.id) : [];
  const say = status === 'resolved' ? [`to close it: signal \`review\` with \`{"cause": "…", "by": "YOUR NAME"}\``] : [...howToUpdate(system), `when it is over: signal \`resolve\` with \`{"text": "…", "by": "YOUR NAME"}\``];
  return [...start, ...say].map((way) => `- ${way}`);
}

/**
 * The incident at a glance, as a list under 4 KB: what, since when, which runs, who owns what, when people hear again, and what to send. Where it is too much, old lines of the
 * journal go first, then owners, runs, and the ends of long texts; what to send stays.
 */
export function showIncident(state: IncidentState, at: string): string {
  for (const room of rooms) {
    const text = show(state, at, room);
    if (bytesOf(text) <= detailsBytes) return text;
  }
  // A character has at most four bytes.
  return show(state, at, rooms.at(-1)!).slice(0, detailsBytes / 4);
}

function show(state: IncidentState, at: string, room: Room): string {
  const cut: Cut = (text, length) => cutAt(text, Math.ceil(length * room.share));
  const runs = state.runs.length > 0 ? state.runs.slice(-room.runs).map((run) => `- run ${cut(describeRun(run), 250)}`) : ['- runs: none'];
  const firing = state.alerts.filter((alert) => alert.firing);
  const alerts = state.alerts.length > 0 ? [`- alerts: ${firing.length} of ${state.alerts.length} fire${firing.length > 0 ? `: ${cut(firing.map(({ name }) => name).join(', '), 200)}` : ''}`] : [];
  const warnings = state.warnings.slice(-3).map((warning) => `- ⚠ ${cut(warning, 200)}`);
  const journal = room.lines === 0 ? [] : state.journal.slice(-room.lines).map(({ at: when, by, what }) => `- ${clock(when)}${by ? ` ${cut(by, 60)}` : ''}: ${cut(what, 160)}`);
  return [heading(state, at, cut), [...runs, ...alerts, ...warnings], owners(state, cut).slice(0, room.owners), answers(state), journal].filter((part) => part.length > 0).map((part) => part.join('\n')).join('\n\n');
}
