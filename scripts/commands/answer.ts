import type { Command } from 'commander';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { messageSchemas, type MessageName } from '../../workflows/domain/messages.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { signShown } from './sign-shown.ts';
import { currentUser } from './recover.ts';

interface AnswerOptions {
  gate?: string;
  step?: string;
  by: string;
  reason?: string;
  code?: string;
  sign?: string;
  to?: string;
  for?: string;
}

const descriptions: Record<MessageName, string> = {
  approve: 'approve the gate that waits',
  reject: 'reject the gate that waits: the run pauses',
  retry: 'try the failed step again',
  skip: 'go on without the failed step; a reason is needed',
  delegate: 'hand your right to answer a gate to another person of the system, for a time',
  abort: 'stop the run and undo what it did',
};

/** `holdfast approve|reject|retry|skip|abort|delegate`: an update, so that a refusal comes back with its reason. */
export function answer(cli: Cli): void {
  for (const name of Object.keys(descriptions) as MessageName[]) {
    cli.add<[string], AnswerOptions>(
      `${name} <system>`,
      descriptions[name],
      (command) => declare(command, name),
      async (printer, { gate, step, by, reason, code, sign, to, for: forHowLong }, system) => {
        const message = JSON.parse(JSON.stringify({ gate, step, by, reason, code, to, for: forHowLong })) as Record<string, unknown>;
        const parsed = messageSchemas[name].safeParse(message);
        if (!parsed.success) {
          const issue = parsed.error.issues[0]!;
          throw new HoldfastError('BadInput', `${name}: ${issue.path.join('.')}: ${issue.message}`, { hint: `holdfast ${name} --help` });
        }
        await withTemporal(async ({ client }) => {
          if (sign !== undefined) message['signature'] = await signShown(printer, client, system, name, { keyFile: sign, gate, by, to, forMs: (parsed.data as { for?: number }).for });
          const handle = client.workflow.getHandle(lockIds.recover(system));
          const answered = await handle.executeUpdate(name, { args: [message] });
          // A code is used up, but no business of a log.
          const { code: _code, ...told } = message;
          const known = sign !== undefined ? 'signed' : code !== undefined ? 'proved by code' : 'claimed';
          printer.result({ system, message: name, ...told, answer: answered ?? null }, () => `${name}: accepted, by ${by} (${known})`);
        });
      },
    );
  }
}

function declare(command: Command, name: MessageName): Command {
  if (name === 'approve' || name === 'reject' || name === 'delegate') {
    command
      .option('--gate <gate>', 'needed when more than one gate is open')
      .option('--code <digits>', 'a one-time code of yours, where the gate asks for a proof')
      .option('--sign <keyfile>', 'sign with your Ed25519 private key (PEM), which stays here');
  }
  if (name === 'delegate') command.requiredOption('--to <name>', 'one of the system’s people').option('--for <duration>', 'an hour when left out; at most 24h');
  if (name === 'retry' || name === 'skip') command.option('--step <step>', 'needed when more than one step has failed');
  return command.option('--by <name>', 'your name', currentUser()).option('--reason <text>', 'kept in the report');
}
