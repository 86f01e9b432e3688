import { defineQuery, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import { describeIssues } from '../domain/describe-issues.ts';
import { anonymous, messageDescriptions, messageNames, messageSchemas, parseProgress, progressSignal, queryNames, type MessageName, type ToldProgress } from '../domain/messages.ts';
import type { RunState } from '../domain/run-state.ts';
import { failure } from '../failure.ts';
import { refusal } from './refusal.ts';
import type { PersonsEvent, RunSnapshot } from './run-types.ts';

/** What an update answers: what came of it, and what the run waits for now. */
export interface Answer {
  accepted: true;
  status: RunState['status'];
  waitsFor: string;
}

/** Parses what a person sent; no input at all is an empty object. The error's text names the fields. */
export function parseMessage(name: MessageName, sent: unknown): { event: PersonsEvent } | { problem: string } {
  const given = sent ?? {};
  const parsed = messageSchemas[name].safeParse(given);
  if (!parsed.success) return { problem: `${describeIssues(parsed.error, given)}. ${messageDescriptions[name]}` };
  return { event: { ...parsed.data, kind: name, by: parsed.data.by ?? anonymous } as PersonsEvent };
}

/** The run as its message handlers see it. */
export interface RunHandle {
  snapshot(): RunSnapshot;
  /** applies what a person asked: what the rules do not allow is recorded, and harms nothing */
  ask(event: PersonsEvent): void;
  /** records a message that could not be read */
  unreadable(name: MessageName, problem: string): void;
  answer(): Answer;
  /** hears from the workers how far their activities are */
  progress(told: ToldProgress): void;
  state(): RunState;
  help(): string;
}

/**
 * Every message, as a signal and as an update. Must be called synchronously at the start of the workflow: a message may come
 * with the first task.
 */
export function handleMessages(run: RunHandle): void {
  for (const name of messageNames) {
    const description = messageDescriptions[name];
    const receive = (sent: unknown): void => {
      const message = parseMessage(name, sent);
      if ('problem' in message) run.unreadable(name, message.problem);
      else run.ask(message.event);
    };
    setHandler(defineSignal<[unknown]>(name), receive, { description });
    setHandler(
      defineUpdate<Answer, [unknown]>(name),
      (sent) => {
        receive(sent);
        return run.answer();
      },
      { description, validator: (sent) => validate(name, sent, run.snapshot()) },
    );
  }
  handleProgress((told) => run.progress(told));
  setHandler(defineQuery<RunState>(queryNames.state), () => run.state(), { description: 'The whole state of the run: steps, gates, clocks, journal.' });
  setHandler(defineQuery<string>(queryNames.help), () => run.help(), { description: 'What can be sent to this run, with examples, and what it waits for now.' });
}

/** What is not progress is passed over: somebody sent it by hand, and it is no reason to fail. */
export function handleProgress(hear: (told: ToldProgress) => void): void {
  const receive = (sent: unknown): void => {
    const told = parseProgress(sent);
    if (told) hear(told);
  };
  setHandler(defineSignal<[unknown]>(progressSignal.name), receive, { description: progressSignal.description });
}

/** A refused update leaves nothing in the history: the reason goes to whoever asked. */
function validate(name: MessageName, sent: unknown, snapshot: RunSnapshot): void {
  const message = parseMessage(name, sent);
  if ('problem' in message) throw failure('BadInput', `${name}: ${message.problem}`);
  const refused = refusal(snapshot, message.event);
  if (refused) throw failure(refused.type, `${name}: ${refused.message}`);
}
