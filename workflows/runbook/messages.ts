import { defineQuery, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import type { Proof } from '../domain/approval.ts';
import { describeIssues } from '../domain/describe-issues.ts';
import { anonymous, messageDescriptions, messageSchemas, parseProgress, progressSignal, queryNames, type Message, type MessageName, type ToldProgress } from '../domain/messages.ts';
import type { RunState } from '../domain/run-state.ts';
import { failure } from '../failure.ts';
import { refusal } from './refusal.ts';
import type { Refusal } from './waits-for.ts';
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
  const { code, signature, ...rest } = parsed.data as Message & { code?: string; signature?: Omit<Extract<Proof, { kind: 'signature' }>, 'kind'> };
  const proof: Proof | undefined = code !== undefined ? { kind: 'totp', code } : signature && { kind: 'signature', ...signature };
  const event = { ...rest, ...(proof ? { proof } : {}), kind: name, by: rest.by ?? anonymous } as PersonsEvent;
  if (event.kind === 'choose' && event.targetTime !== undefined && Date.parse(event.targetTime) > Date.now()) {
    return { problem: `field "targetTime" is ${event.targetTime}, which is in the future: now it is ${new Date(Date.now()).toISOString()}` };
  }
  return { event };
}

/** The run as its message handlers see it. */
export interface RunHandle {
  snapshot(): RunSnapshot;
  /** Applies what a person asked: what the rules do not allow is recorded, and harms nothing. Answers with the check that it waits for. */
  ask(event: PersonsEvent): number | undefined;
  /** records a message that could not be read */
  unreadable(name: MessageName, problem: string): void;
  answer(): Answer;
  /** waits for a check of a proof; null: the decision counts */
  outcome(check: number): Promise<Refusal | null>;
  now(): string;
  /** hears from the workers how far their activities are */
  progress(told: ToldProgress): void;
  state(): RunState;
  help(): string;
}

/**
 * Each of these messages, as a signal and as an update. Must be called synchronously at the start of the workflow: a message may come
 * with the first task.
 *
 * @param find - undefined: what it would be about has not begun. An update is refused then; of a signal `onEarly` is told.
 */
export function handleMessages(names: readonly MessageName[], find: () => RunHandle | undefined, onEarly: (name: MessageName) => void = () => undefined): void {
  for (const name of names) {
    const description = messageDescriptions[name];
    const receive = (sent: unknown): { run: RunHandle; check: number | undefined } | undefined => {
      const run = find();
      const message = parseMessage(name, sent);
      if (!run) onEarly(name);
      else if ('problem' in message) run.unreadable(name, message.problem);
      else return { run, check: run.ask(message.event) };
      return undefined;
    };
    setHandler(defineSignal<[unknown]>(name), (sent) => void receive(sent), { description });
    setHandler(
      defineUpdate<Answer, [unknown]>(name),
      async (sent) => {
        // The validator let it in; a message of the same task may have come before it since, and only the check says whether a proof counts.
        const late = lateRefusal(name, sent, find());
        const { run, check } = receive(sent)!;
        const refused = late ?? (check === undefined ? null : await run.outcome(check));
        if (refused) throw failure(refused.type, `${name}: ${refused.message}`);
        return run.answer();
      },
      { description, validator: (sent) => validate(name, sent, find()) },
    );
  }
  handleProgress((told) => find()?.progress(told));
  setHandler(defineQuery<RunState>(queryNames.state), () => begun(find()).state(), { description: 'The whole state of the run: steps, gates, clocks, journal.' });
  setHandler(defineQuery<string>(queryNames.help), () => begun(find()).help(), { description: 'What can be sent to this run, with examples, and what it waits for now.' });
}

function begun(run: RunHandle | undefined): RunHandle {
  if (!run) throw failure('NotWaiting', 'Nothing waits for people yet.');
  return run;
}

/** What is not progress is passed over: somebody sent it by hand, and it is no reason to fail. */
export function handleProgress(hear: (told: ToldProgress) => void): void {
  const receive = (sent: unknown): void => {
    const told = parseProgress(sent);
    if (told) hear(told);
  };
  setHandler(defineSignal<[unknown]>(progressSignal.name), receive, { description: progressSignal.description });
}

function lateRefusal(name: MessageName, sent: unknown, run: RunHandle | undefined): Refusal | undefined {
  const message = parseMessage(name, sent);
  return run && 'event' in message ? refuses(message.event, run) : undefined;
}

/** A refused update leaves nothing in the history: the reason goes to whoever asked. */
function validate(name: MessageName, sent: unknown, found: RunHandle | undefined): void {
  const message = parseMessage(name, sent);
  if ('problem' in message) throw failure('BadInput', `${name}: ${message.problem}`);
  const refused = refuses(message.event, begun(found));
  if (refused) throw failure(refused.type, `${name}: ${refused.message}`);
}

const refuses = (event: PersonsEvent, run: RunHandle): Refusal | undefined => refusal(run.snapshot(), event, run.now());
