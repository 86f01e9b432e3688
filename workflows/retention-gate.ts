import { condition, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import { anonymous, messageDescriptions } from './domain/messages.ts';
import { samePerson } from './domain/people.ts';
import { permit } from './domain/permissions.ts';
import type { SystemView } from './domain/system.ts';
import { failure } from './failure.ts';
import { parseMessage } from './runbook/messages.ts';
import { gateRequest } from './steps/gate-request.ts';

interface Said {
  by: string;
  reason: string | null;
}

/** What people say of a retention that is about to begin: the gate of the system file, where it names one; and anybody who may reject, for as long as it has not begun. */
export class RetentionGate {
  #view: SystemView | undefined;
  #requestedBy = anonymous;
  readonly approvals: Said[] = [];
  rejected: Said | undefined;
  /** messages that were not obeyed, a sentence each */
  readonly refused: string[] = [];

  /** Must be called synchronously at the start of the workflow: a message may come with the first task. */
  constructor() {
    for (const kind of ['approve', 'reject'] as const) {
      const description = messageDescriptions[kind];
      const take = (sent: unknown): { accepted: true; waitsFor: string } => {
        const { said, problem } = this.#read(kind, sent);
        if (!said) throw failure('NotPermitted', problem);
        if (kind === 'approve') this.approvals.push(said);
        else this.rejected = said;
        return { accepted: true, waitsFor: this.waitsFor() };
      };
      setHandler(defineUpdate<{ accepted: true; waitsFor: string }, [unknown]>(kind), take, { description, validator: (sent) => void this.#refuse(kind, sent) });
      setHandler(defineSignal<[unknown]>(kind), (sent) => {
        const { problem } = this.#read(kind, sent);
        if (problem === '') take(sent);
        else this.refused.push(problem);
      }, { description });
    }
  }

  open(view: SystemView, requestedBy: string | undefined): void {
    this.#view = view;
    this.#requestedBy = requestedBy ?? anonymous;
  }

  close(): void {
    this.#view = undefined;
  }

  get #gate() {
    const name = this.#view?.retention?.approval;
    return this.#view && name !== undefined ? gateRequest(this.#view, name) : undefined;
  }

  isApproved = (): boolean => this.approvals.length >= (this.#gate?.quorum ?? 0);

  waitsFor(): string {
    const gate = this.#gate;
    if (!gate || this.isApproved()) return 'nobody';
    return `${gate.quorum - this.approvals.length} of ${gate.quorum} approvals at gate ${gate.gate}${gate.people.length > 0 ? ` by ${gate.people.join(', ')}` : ''}`;
  }

  /** @returns false: somebody rejected it. */
  async passed(waitMs: number): Promise<boolean> {
    if (waitMs > 0) await condition(() => this.rejected !== undefined, waitMs);
    await condition(() => this.rejected !== undefined || this.isApproved());
    return this.rejected === undefined;
  }

  #refuse(kind: 'approve' | 'reject', sent: unknown): void {
    const { problem } = this.#read(kind, sent);
    if (problem !== '') throw failure('NotPermitted', problem);
  }

  #read(kind: 'approve' | 'reject', sent: unknown): { said?: Said; problem: string } {
    const message = parseMessage(kind, sent);
    if ('problem' in message) return { problem: message.problem };
    const { by, reason } = message.event as { by: string; reason?: string };
    const problem = this.#problemOf(kind, by);
    return problem === '' ? { said: { by, reason: reason ?? null }, problem } : { problem };
  }

  #problemOf(kind: 'approve' | 'reject', by: string): string {
    const view = this.#view;
    if (!view || this.rejected) return 'Nothing is waited for: no retention is about to begin.';
    const gate = this.#gate;
    if (kind === 'approve' && !gate) return 'No approval is asked for: it begins when its time has come, unless somebody rejects it.';
    const is = (name: string): boolean => samePerson(view.people, name, by);
    const named = gate?.people ?? [];
    const permission = permit(view.people, kind, by === anonymous ? undefined : by);
    if (named.length > 0 && !named.some(is)) return `Gate "${gate!.gate}" is answered by ${named.join(', ')}, not by ${by}.`;
    if (named.length === 0 && permission.may !== true) return permission.may === false ? permission.why : `${by} may not ${kind}.`;
    if (kind === 'reject') return '';
    if (gate!.notRequester && by !== anonymous && is(this.#requestedBy)) return `${by} asked for this retention, and so cannot approve it.`;
    if (gate!.quorum > 1 && by === anonymous) return `Gate "${gate!.gate}" takes ${gate!.quorum} different people: give your name in "by".`;
    return this.approvals.some((one) => one.by !== anonymous && is(one.by)) ? `${by} has approved it already.` : '';
  }
}
