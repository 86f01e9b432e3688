import { audienceOf, sendNotice } from '../../activities/notify/send-notice.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { describeError, HoldfastError, isErrorType, errorTable } from '../../workflows/domain/errors.ts';
import { testNotice } from '../../workflows/domain/notify/other-notices.ts';
import type { Cli } from '../cli.ts';

/**
 * `holdfast notify test`: a message that is marked as a test, to each receiver, by what the workers send with. It is sent from this machine, with
 * its secrets, and needs no Temporal: run it where a worker runs.
 */
export function notify(cli: Cli): void {
  const group = cli.group('notify', 'the receivers of messages, as under notify in the system file');
  cli.add<[string], { receiver?: string }>(
    'test <system>',
    'send a message marked as a test to each receiver, from this machine, and say what came of it',
    (command) => command.option('--receiver <name>', 'to this one only'),
    async (printer, { receiver: only }, systemName) => {
      const { system } = await loadSystemFile(systemName);
      const known = Object.entries(system.notify?.receivers ?? {});
      const chosen = known.filter(([name]) => only === undefined || name === only);
      if (chosen.length === 0) {
        const names = known.map(([name]) => name).join(', ') || 'none';
        throw new HoldfastError('BadInput', only === undefined ? `systems/${systemName}.yaml names no receiver: nobody is told anything` : `systems/${systemName}.yaml has no receiver "${only}"; known: ${names}`);
      }
      const at = new Date().toISOString();
      const sent = await Promise.all(
        chosen.map(async ([receiver, config]) => {
          const audience = audienceOf(config);
          const notice = testNotice(systemName, audience, system.notify?.external?.service ?? '', `test/${receiver}/${at}`, at);
          const of = { receiver, kind: config.kind, audience };
          try {
            return { ...of, ok: true, said: await sendNotice({ system: systemName, receiver, notice }, { signal: new AbortController().signal, link: null }), type: null };
          } catch (error) {
            const { type, message } = describeError(error);
            return { ...of, ok: false, said: message, type };
          }
        }),
      );
      printer.result({ sent }, () => sent.map(({ receiver, kind, audience, ok, said, type }) => `${ok ? 'sent    ' : 'NOT SENT'}  ${receiver}  ${kind}, ${audience}: ${type ? `${type}: ` : ''}${said}`).join('\n'));
      const failed = sent.find(({ ok }) => !ok);
      return failed ? (isErrorType(failed.type) ? errorTable[failed.type].exitCode : 1) : 0;
    },
    group,
  );
}
