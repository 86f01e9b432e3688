import type { Command } from 'commander';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { messageSchemas, type MessageName } from '../../workflows/domain/messages.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { Cli } from '../cli.ts';
import { sendUpdate, withTemporal } from '../client.ts';
import { currentUser } from '../current-user.ts';
import { signShown } from './sign-shown.ts';

interface Answer {
  description: string;
  /** what stands after the system on the command line: the message's field of that name */
  field?: 'severity' | 'text' | 'runbook';
  options: (command: Command) => Command;
}

const gate = (command: Command): Command =>
  command
    .option('--gate <gate>', 'needed when more than one gate is open')
    .option('--workflow <id>', 'of a retention or a disposal that waits; left out: the run of the system')
    .option('--code <digits>', 'a one-time code of yours, where the gate asks for a proof')
    .option('--sign <keyfile>', 'sign with your Ed25519 private key (PEM), which stays here');
const failed = (command: Command): Command => command.option('--step <step>', 'needed when more than one step has failed');
const nothing = (command: Command): Command => command;

const choose = (command: Command): Command =>
  command
    .option('--target-time <time>', 'to this second, included whole')
    .option('--target-position <position>', 'to before this log position')
    .option('--point <id>', 'a base or an import, by its id')
    .option('--latest', 'the latest, after another was asked for')
    .option('--older', 'the same moment, by an older base');

const answers: Record<MessageName, Answer> = {
  approve: { description: 'approve the gate that waits', options: gate },
  reject: { description: 'reject the gate that waits: the run pauses', options: gate },
  retry: {
    description: 'try the failed step again',
    options: (command) => failed(command).option('--new-file', 'go on by the system file as it is here now, no longer by that of the run’s start; a reason is needed'),
  },
  skip: { description: 'go on without the failed step; a reason is needed', options: failed },
  delegate: {
    description: 'hand your right to answer a gate to another person of the system, for a time',
    options: (command) => gate(command).requiredOption('--to <name>', 'one of the system’s people').option('--for <duration>', 'an hour when left out; at most 24h'),
  },
  abort: { description: 'stop the run and undo what it did', options: nothing },
  hold: { description: 'start no new step until resume; what runs goes on', options: nothing },
  resume: { description: 'start steps again after hold', options: nothing },
  comment: { description: 'write a line into the journal and the report', field: 'text', options: nothing },
  extend: {
    description: 'give a step a larger budget; a reason is needed',
    options: (command) => command.option('--step <step>', 'needed when more than one step is under way').requiredOption('--budget <duration>', 'the new one in all, such as 25m'),
  },
  severity: { description: 'say how severe it is: P1 to P4', field: 'severity', options: nothing },
  escalate: { description: 'undo what the runbook did, and run another in its place; a reason is needed', field: 'runbook', options: nothing },
  confirm: {
    description: 'say that an item of a checklist is done',
    options: (command) => command.option('--step <step>', 'needed when more than one list waits').option('--item <item>', 'needed when more than one item waits'),
  },
  choose: { description: 'take another recovery point, on a clean target; a reason is needed', options: choose },
};

/** Each message of a run as a command, `holdfast approve` and so on: an update, so that a refusal comes back with its reason. */
export function answer(cli: Cli): void {
  for (const [name, { description, field, options }] of Object.entries(answers) as [MessageName, Answer][]) {
    // What was typed as the last word is no option; commander gives it after the options.
    cli.add<[string, string | undefined], Record<string, string | boolean | undefined>>(
      `${name} <system>${field ? ` <${field}>` : ''}`,
      description,
      (command) => withReason(options(command.option('--by <name>', 'your name', currentUser())), name),
      async (printer, { json: _json, ...given }, system, word) => await send(name, system, { ...given, ...(field ? { [field]: word } : {}) }, printer),
    );
  }
}

const withReason = (command: Command, name: MessageName): Command => (name === 'comment' ? command : command.option('--reason <text>', 'kept in the report'));

async function send(name: MessageName, system: string, { sign, workflow, newFile, ...given }: Record<string, unknown>, printer: Parameters<Parameters<Cli['add']>[3]>[0]): Promise<void> {
  const file = newFile ? { file: (await loadSystemFile(system)).sha256 } : {};
  const message = JSON.parse(JSON.stringify({ ...given, ...file })) as Record<string, unknown>;
  const parsed = messageSchemas[name].safeParse(message);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new HoldfastError('BadInput', `${name}: ${issue.path.join('.')}: ${issue.message}`, { hint: `holdfast ${name} --help` });
  }
  await withTemporal(async ({ client }) => {
    const { by, gate: named, code, to } = message as { by: string; gate?: string; code?: string; to?: string };
    const keyFile = typeof sign === 'string' ? sign : undefined;
    const id = typeof workflow === 'string' ? workflow : lockIds.recover(system);
    if (keyFile !== undefined) message['signature'] = await signShown(printer, client, { system, workflowId: id }, name, { keyFile, gate: named, by, to, forMs: (parsed.data as { for?: number }).for });
    const answered = await sendUpdate<unknown>(client.workflow.getHandle(id), name, message);
    // A code is used up, but no business of a log.
    const { code: _code, ...told } = message;
    const known = keyFile !== undefined ? 'signed' : code !== undefined ? 'proved by code' : 'claimed';
    printer.result({ system, ...(workflow === undefined ? {} : { workflowId: id }), message: name, ...told, answer: answered ?? null }, () => `${name}: accepted, by ${by} (${known})`);
  });
}
