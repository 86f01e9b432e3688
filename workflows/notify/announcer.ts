import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import { receiversOf, type Notice, type NoticePhase, type NotifyView } from '../domain/notify/notice.ts';
import type { Origin } from '../domain/notify/other-notices.ts';
import { seconds } from '../domain/units.ts';
import { Outbox } from './outbox.ts';

/** How long a workflow that ends, or begins anew, waits for its last messages. */
const lastWordMs = seconds(45);

/** The messages of a workflow that is no run of a runbook: a backup, an archive, a watch. Where nobody is to be told it does nothing. */
export class Announcer {
  readonly #outbox: Outbox;
  readonly #system: string;
  #number = 0;

  constructor(system: string, onTrouble: (what: string) => void) {
    this.#system = system;
    this.#outbox = new Outbox(system, onTrouble);
  }

  /** @param only - names of receivers that are told, whatever phases they have; left out: those of the phase */
  tell(notify: NotifyView | undefined, phase: NoticePhase, write: (origin: Origin) => Notice, only?: readonly string[]): void {
    const receivers = !notify ? [] : only ? notify.receivers.filter(({ name, audience }) => audience === 'internal' && only.includes(name)) : receiversOf(notify, { audience: 'internal', as: phase, drill: false });
    this.#post(receivers, write);
  }

  /** Of what is told outside: nothing but what `externalNotice` is given. */
  tellOutside(notify: NotifyView | undefined, phase: NoticePhase, write: (origin: Origin) => Notice): void {
    this.#post(notify ? receiversOf(notify, { audience: 'external', as: phase, drill: false }) : [], write);
  }

  #post(receivers: readonly { name: string }[], write: (origin: Origin) => Notice): void {
    if (receivers.length === 0) return;
    const { workflowId, runId } = workflowInfo();
    this.#number += 1;
    this.#outbox.post(write({ system: this.#system, run: `${workflowId}/${runId}`, number: this.#number, at: new Date(Date.now()).toISOString() }), receivers);
  }

  /** Before the workflow ends, and before it continues as new: what is under way then is lost. */
  async flush(): Promise<string[]> {
    return await CancellationScope.nonCancellable(() => this.#outbox.flush(lastWordMs));
  }
}
