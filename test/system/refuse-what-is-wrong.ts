import assert from 'node:assert/strict';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ErrorType } from '../../workflows/domain/errors.ts';
import { messageNames, type MessageName } from '../../workflows/domain/messages.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import { until } from '../harness/until.ts';
import type { SystemStack } from '../harness/system-stack.ts';

type Wrong = [input: unknown, type: ErrorType, said: RegExp];

const by = 'dana';
const reason = 'in a hurry';

/**
 * What people get wrong, of each message, while the step `look` of `commanded` waits to be confirmed and its gate is not open: a field or a value that is none, a thing that is not there, the wrong
 * moment, somebody who may not.
 */
const wrong: Record<MessageName, readonly Wrong[]> = {
  approve: [
    [{ gaet: 'approve-look', by }, 'BadInput', /unknown field "gaet".*Example: \{"gate"/],
    [{ gate: 'approve-lok', by }, 'BadInput', /There is no gate "approve-lok"\. Now no gate is open/],
    [{ gate: 'approve-look', by }, 'NotWaiting', /Gate "approve-look" is not open yet: it opens with step "approve-look"/],
  ],
  reject: [[{ gate: 'approve-look', by, reason }, 'NotWaiting', /is not open yet/], [{ gate: 7, by }, 'BadInput', /field "gate" is 7, expected/]],
  retry: [[{ step: 'look', by }, 'NotWaiting', /Step "look" is waiting, not failed/], [{ step: 'lok', by }, 'BadInput', /There is no step "lok"\. Steps: "declare", "call"/], [{}, 'NotPermitted', /Nobody without a name may retry a step/]],
  skip: [[{ step: 'find', by }, 'BadInput', /field "reason" is missing, expected why it may be left out/], [{ step: 'find', by, reason }, 'NotWaiting', /Step "find" is done, not failed/]],
  abort: [[{ by: 'olaf' }, 'NotPermitted', /olaf \(operator\) may not abort a run.*Roles that may abort a run: administrator, dr-team/], ['stop', 'BadInput', /the input is "stop", expected an object/]],
  delegate: [[{ gate: 'approve-look', to: 'mallory', by }, 'NotPermitted', /"mallory" is none of the system’s people/], [{ gate: 'approve-look', to: 'olaf', for: '3 weeks', by }, 'BadInput', /field "for" is "3 weeks", expected a duration from 1m to 24h/]],
  hold: [[{ by: 'mallory' }, 'NotPermitted', /mallory may not hold a run: the system’s people do not name them/]],
  resume: [[{ by }, 'NotWaiting', /The run is not held/]],
  comment: [[{ by }, 'BadInput', /field "text" is missing, expected what is to be remembered/]],
  extend: [[{ step: 'look', budget: '1m', by, reason }, 'BadInput', /has a budget of 5m00s already/], [{ step: 'look', budget: 'more', by, reason }, 'BadInput', /field "budget" is "more", expected a duration/], [{ step: 'find', budget: '9m', by, reason }, 'NotWaiting', /Step "find" is done: its budget means nothing any more/]],
  severity: [[{ severity: 'P0', by }, 'BadInput', /field "severity" is "P0", expected P1, P2, P3 or P4/]],
  choose: [
    [{ by, reason }, 'BadInput', /exactly one of targetTime, targetPosition, point, latest and older/],
    [{ targetTime: 'yesterday', by, reason }, 'BadInput', /field "targetTime" is "yesterday", expected a time with its zone/],
    [{ targetTime: '2126-11-21T03:00:05Z', by, reason }, 'BadInput', /which is in the future: now it is/],
  ],
  escalate: [[{ runbook: 'insted', by, reason }, 'BadInput', /There is no runbook "insted"; known: main, .*instead/], [{ runbook: 'commanded', by, reason }, 'NotWaiting', /Runbook "commanded" is the one that runs/]],
  confirm: [[{ step: 'look', item: 'dsik', by }, 'BadInput', /There is no item "dsik"; items: disk, counts/], [{ by }, 'BadInput', /More than one item waits: say which.*look disk, look counts/]],
};

/** All that a message could have changed. */
const standing = ({ status, runbook, severity, held, target, steps, gates }: RunState): unknown => ({ status, runbook, severity, held, target, steps: steps.map(({ id, state, budgetMs, items }) => ({ id, state, budgetMs, items })), gates });

/** Each of them as an update, which is answered as the UI's dialogue shows it, and as a signal, which the journal answers. Nothing comes of any. */
export async function refuseWhatIsWrong(stack: SystemStack): Promise<void> {
  const before = (await stack.run()).state;
  const said = (state: RunState): string[] => state.journal.slice(before.journal.length).map(({ what }) => what);
  for (const name of messageNames) {
    for (const [input, type, expected] of wrong[name]) {
      const refused = await stack.runHandle.executeUpdate<unknown, [unknown]>(name, { args: [input] }).then(() => undefined, (error: unknown) => (error instanceof WorkflowUpdateFailedError ? error.cause : error));
      assert.ok(refused instanceof ApplicationFailure, `${name} ${JSON.stringify(input)}: ${String(refused)}`);
      assert.equal(refused.type, type, refused.message);
      assert.match(refused.message, expected);
      assert.ok(refused.message.startsWith(`${name}: `), refused.message);
    }
  }
  assert.deepEqual(said((await stack.run()).state), [], 'a refused update leaves nothing behind');
  const all = messageNames.flatMap((name) => wrong[name].map(([input, , expected]) => ({ name, input, expected })));
  for (const { name, input } of all) await stack.runHandle.signal(name, input);
  const { state } = await until('every signal has come', async () => {
    const now = await stack.run();
    return said(now.state).length >= all.length ? now : undefined;
  });
  for (const { name, expected } of all) assert.ok(said(state).some((line) => line.startsWith(name) && expected.test(line)), `${name}, ${String(expected)}: ${said(state).join('\n')}`);
  assert.deepEqual(standing(state), standing(before), 'and nothing is otherwise than before');
}
