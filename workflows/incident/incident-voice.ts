import { recoveredAt, type IncidentState } from '../domain/incident.ts';
import { callWanted, incidentChanged, ownerWanted, updateDue, updateGiven } from '../domain/notify/incident-notices.ts';
import { externalNotice } from '../domain/notify/external-notice.ts';
import { Announcer } from '../notify/announcer.ts';
import type { Effect } from './effects.ts';
import type { IncidentView } from './incident-input.ts';
import { sayOutside } from './outside.ts';

/** What an incident tells people of itself. Whether anything is to be told is decided elsewhere; here it finds its words and its receivers. */
export class IncidentVoice {
  readonly #announcer: Announcer;
  /** people were told that an update is due */
  #reminded: boolean;

  constructor(system: string, { reminded, onTrouble }: { reminded: boolean; onTrouble: (what: string) => void }) {
    this.#announcer = new Announcer(system, onTrouble);
    this.#reminded = reminded;
  }

  tell(state: IncidentState, { notify, incidents }: IncidentView, effect: Exclude<Effect, { kind: 'start' }>): void {
    switch (effect.kind) {
      case 'outside': return;
      case 'call': return this.#announcer.tell(notify, 'escalation', (origin) => callWanted(origin, state, effect), effect.receivers);
      case 'tell': return this.#announcer.tell(notify, 'incident', (origin) => incidentChanged(origin, state, effect.what, effect.isNews));
      case 'update-given': {
        // Only who was reminded need hear that it was given.
        if (this.#reminded) this.#announcer.tell(notify, 'update-due', (origin) => updateGiven(origin, state, effect.by));
        this.#reminded = false;
        return;
      }
      case 'owner': {
        const owner = state.owners.find(({ step }) => step === effect.step)!;
        const run = state.runs.find(({ id }) => id === effect.run)!;
        const who = `${owner.role}${owner.person ? ` (${owner.person})` : ''}`;
        return this.#announcer.tell(notify, 'owner', (origin) => ownerWanted(origin, state, { ...effect, owner: who, run }), incidents.owners[effect.step]?.receivers);
      }
    }
  }

  remind(state: IncidentState, { notify }: IncidentView): void {
    this.#reminded = true;
    this.#announcer.tell(notify, 'update-due', (origin) => updateDue(origin, state));
  }

  /** @param text - what a person wrote for people outside, word by word. */
  tellOutside(state: IncidentState, view: IncidentView, nowAt: () => string, text?: string): void {
    const { notify } = view;
    // One thing may follow from another at once: begun, and back already.
    for (let said = sayOutside(state, view, nowAt(), text); said.length > 0; said = sayOutside(state, view, nowAt())) {
      for (const { phase, text: words } of said) {
        const facts = { words: notify!.external!, incidentAt: state.startedAt, servedAt: recoveredAt({ ...state, resolvedAt: null }), nextAt: state.outside?.nextAt ?? null, text: words, thread: `incident/${state.id}` };
        this.#announcer.tellOutside(notify, phase, ({ run, number, at }) => externalNotice(phase, { ...facts, run, number, at }));
      }
    }
  }

  /** @returns what could not be told. */
  async flush(): Promise<string[]> {
    return await this.#announcer.flush();
  }
}
