import type { Command } from 'commander';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { messageSchemas, type MessageName } from '../../workflows/domain/messages.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { Cli } from '../cli.ts';
import { withTemporal } from '../client.ts';
import { currentUser } from './recover.ts';

interface AnswerOptions {
  gate?: string;
  step?: string;
  by: string;
  reason?: string;
}

const descriptions: Record<MessageName, string> = {
  approve: 'approve the gate that waits',
  reject: 'reject the gate that waits: the run pauses',
  retry: 'try the failed step again',
  skip: 'go on without the failed step; a reason is needed',
  abort: 'stop the run and undo what it did',
};

/** `holdfast approve|reject|retry|skip|abort`: an update, so that a refusal comes back with its reason. */
export function answer(cli: Cli): void {
  for (const name of Object.keys(descriptions) as MessageName[]) {
    cli.add<[string], AnswerOptions>(
      `${name} <system>`,
      descriptions[name],
      (command) => declare(command, name),
      async (printer, { gate, step, by, reason }, system) => {
        const message = JSON.parse(JSON.stringify({ gate, step, by, reason })) as Record<string, string>;
        const parsed = messageSchemas[name].safeParse(message);
        if (!parsed.success) {
          const issue = parsed.error.issues[0]!;
          throw new HoldfastError('BadInput', `${name}: ${issue.path.join('.')}: ${issue.message}`, { hint: `holdfast ${name} --help` });
        }
        await withTemporal(async ({ client }) => {
          const handle = client.workflow.getHandle(lockIds.recover(system));
          const answered = await handle.executeUpdate(name, { args: [message] });
          printer.result({ system, message: name, ...message, answer: answered ?? null }, () => `${name}: accepted${message['by'] ? `, by ${message['by']} (claimed)` : ''}`);
        });
      },
    );
  }
}

function declare(command: Command, name: MessageName): Command {
  if (name === 'approve' || name === 'reject') command.option('--gate <gate>', 'needed when more than one gate is open');
  if (name === 'retry' || name === 'skip') command.option('--step <step>', 'needed when more than one step has failed');
  return command.option('--by <name>', 'your name', currentUser()).option('--reason <text>', 'kept in the report');
}
