import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isIdle } from '../../../workflows/runbook/clocks.ts';
import { failedSteps, openGates, waitingLists } from '../../../workflows/runbook/waits-for.ts';
import { reduceRun } from '../../../workflows/runbook/reduce-run.ts';
import { isEnded, type PlannedStep, type RunCommand, type RunEvent, type RunSnapshot } from '../../../workflows/runbook/run-types.ts';
import { isUndoneByHand, type StepState } from '../../../workflows/domain/run-state.ts';
import { at, gate, newRun, step } from './plans.ts';

/** A small generator of numbers in [0, 1) from a seed, so that a failure can be run again. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pickOf = <T>(random: () => number, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

function randomPlan(random: () => number): PlannedStep[] {
  const count = 1 + Math.floor(random() * 9);
  return Array.from({ length: count }, (_, index) => {
    const needs = Array.from({ length: index }, (_unused, before) => `s${before}`).filter(() => random() < 0.35);
    return step(`s${index}`, needs, {
      ...(random() < 0.2 ? { undo: true, undoBy: { manual: 'take it back' } } : { undo: random() < 0.7 }),
      budgetMs: random() < 0.5 ? 5_000 : null,
      retry: { attempts: 1 + Math.floor(random() * 3), everyMs: 2_000 },
      ...(random() < 0.2 ? { timeoutMs: 4_000 } : {}),
      ...(random() < 0.2 ? { before: gate(`before-${index}`) } : {}),
      ...(random() < 0.15 ? { when: [[random() < 0.5 || needs.length === 0 ? { severity: ['P1' as const, 'P2' as const] } : { step: needs[0]!, is: ['failed' as const] }]] } : {}),
      ...(random() < 0.4 ? { onFailure: pickOf(random, ['continue', { retry: 2 }, { goto: 's0', atMost: 2 }, { escalate: 'other' }] as const) } : {}),
      gate: random() < 0.2 ? gate(`g${index}`) : null,
      skip: random() < 0.2 ? gate(`skip-${index}`) : 'allowed',
      // One that another recovery point begins at, in every plan.
      ...(index === 0 ? { uses: 'find-recovery-point', renews: true } : { renews: random() < 0.15, ...(random() < 0.15 ? { uses: 'manual' } : {}) }),
    });
  });
}

/** What really happens while the engine commands it: nothing may run twice at once, or before its needs. */
class World {
  snapshot: RunSnapshot;
  readonly random: () => number;
  readonly running = new Map<string, number>();
  /** in the order of the start that its undo belongs to */
  everStarted: string[] = [];
  undone: string[] = [];
  /** in the order in which the abort had them undone; what the way back to another recovery point undid before is not in it */
  readonly unwound: string[] = [];
  chosen = 0;
  undoing: { step: string; attempt: number } | undefined;
  /** what programs could undo of them is undone, and a person has the rest */
  readonly unfinished = new Set<string>();
  takenBack = 0;
  timers: (RunCommand & { kind: 'start-timer' })[] = [];
  second = 0;
  aborted = false;
  /** what the run would take if nothing else happened */
  readonly #likelyMs: number;
  forecastAtMs = 0;
  crossings = 0;
  forecastTimers = 0;

  constructor(random: () => number) {
    this.random = random;
    const plan = randomPlan(random);
    // None of them escalates back, as the schema has it.
    const other = randomPlan(random).map(({ onFailure: _left, ...step }) => ({ ...step, id: step.id }));
    const begun = newRun(plan);
    // Runs take a minute here: some end long before the objective, and some long after it.
    begun.state.rtoObjectiveMs = pickOf(random, [15_000, 60_000, 300_000]);
    this.#likelyMs = random() * 1.5 * begun.state.rtoObjectiveMs;
    this.snapshot = { ...begun, runbooks: { main: plan, other } };
  }

  /** of the runbook that runs now */
  get plan(): PlannedStep[] {
    return this.snapshot.plan;
  }

  feed(event: RunEvent): void {
    const before = JSON.stringify(this.snapshot);
    const reduced = reduceRun(this.snapshot, event);
    assert.deepEqual(reduceRun(JSON.parse(before) as RunSnapshot, event), reduced, 'deterministic');
    assert.equal(JSON.stringify(this.snapshot), before, 'pure');
    const begun = event.kind === 'choose' && reduced.snapshot.state.journal.at(-1)?.what.includes('not accepted') !== true;
    if (reduced.snapshot.state.runbook !== this.snapshot.state.runbook) this.begunAnew(reduced.snapshot);
    this.snapshot = reduced.snapshot;
    if (begun) this.chosen += 1;
    for (const command of reduced.commands) this.obey(command);
    // As the driver does: what is cancelled must be missed by nobody.
    this.timers = this.timers.filter(({ timer, dueAt }) => !isIdle(this.snapshot, timer, dueAt));
    if (this.random() < 0.3) this.again(event);
    // As whoever drives a run does: after each event that could change it.
    if (['run-started', 'step-done', 'step-failed', 'timer-due'].includes(event.kind)) this.forecast();
  }

  forecast(): void {
    const { state, abort } = this.snapshot;
    if (isEnded(this.snapshot) || abort) return;
    const isLate = state.forecastMs !== null && state.forecastMs > state.rtoObjectiveMs;
    this.forecastAtMs = this.second * 1_000;
    const forecastMs = Math.round(Math.max(this.forecastAtMs, this.#likelyMs * (0.9 + 0.2 * this.random())));
    const isPassing = !isLate && forecastMs > state.rtoObjectiveMs && state.servedAt === null;
    if (isPassing) this.crossings += 1;
    this.feed({ kind: 'forecast', forecastMs, basis: 'a guess', at: at(this.second) });
    const [before, last] = [state, this.snapshot.state].map(({ journal }) => JSON.stringify(journal.at(-1)));
    assert.equal(last !== before && last!.includes('"forecast '), isPassing, 'each time that it passes the objective is said, once');
  }

  /** Until the forecast passes the objective, or service is back, a timer sees to it that it is looked at again before it could. */
  checkWatched(): void {
    const { state, abort } = this.snapshot;
    const { forecastMs, rtoObjectiveMs, servedAt } = state;
    if (isEnded(this.snapshot) || abort || servedAt !== null || forecastMs === null || forecastMs > rtoObjectiveMs) return;
    const apartMs = rtoObjectiveMs / 50;
    const latest = at((this.forecastAtMs + Math.max(apartMs, rtoObjectiveMs - forecastMs + 1_000) + apartMs) / 1_000);
    assert.ok(this.timers.some(({ timer, dueAt }) => timer.kind === 'forecast' && dueAt <= latest), `a forecast of ${forecastMs} ms is not looked at before ${latest}`);
  }

  /** Another runbook in place of the first: all of that is undone, or nothing had to be. */
  begunAnew({ abort }: RunSnapshot): void {
    assert.equal(abort, null);
    assert.equal(this.running.size, 0, 'what ran has ended');
    for (const id of this.everStarted) assert.ok(this.undone.includes(id) || !['registered', 'running', 'failed'].includes(this.snapshot.tracks[id]!.undo) , `${id} is left behind`);
    this.everStarted = [];
    this.undone = [];
  }

  /** The same event once more must command no work: at most a note. */
  again(event: RunEvent): void {
    if (['approve', 'retry', 'skip', 'reject'].includes(event.kind)) return;
    const reduced = reduceRun(this.snapshot, event);
    assert.deepEqual(reduced.commands, [], `${event.kind} twice`);
    assert.deepEqual(reduced.snapshot.state.steps, this.snapshot.state.steps);
    this.snapshot = reduced.snapshot;
  }

  obey(command: RunCommand): void {
    if (command.kind === 'run-step') {
      assert.ok(!this.running.has(command.step), `${command.step} runs twice at once`);
      assert.ok(!this.aborted, 'nothing starts after an abort');
      assert.ok(!this.snapshot.state.held, 'nothing starts while the run is held');
      const planned = this.plan.find(({ id }) => id === command.step)!;
      for (const need of planned.needs) assert.ok(['done', 'skipped'].includes(this.stateOf(need)), `${command.step} before its need ${need}`);
      if (planned.undo) assert.equal(this.snapshot.tracks[command.step]!.undo, 'registered');
      this.running.set(command.step, command.attempt);
      // Undone on the way back, and begun anew: its undo is that of the new start.
      const anew = this.undone.includes(command.step);
      if (anew) this.undone = this.undone.filter((id) => id !== command.step);
      if (anew || !this.everStarted.includes(command.step)) this.everStarted = [...this.everStarted.filter((id) => id !== command.step), command.step];
    } else if (command.kind === 'run-undo') {
      const back = this.snapshot.rewind?.steps;
      const beside = [...this.running.keys()].filter((id) => !back || back.includes(id));
      assert.deepEqual(beside, [], 'no undo beside a running step that it could pull the ground from');
      assert.equal(this.undoing, undefined, 'one undo at a time');
      const waited = [...this.unfinished].filter((id) => this.snapshot.tracks[id]?.undo === 'running');
      assert.deepEqual(waited, [], 'nothing is undone while a person takes something back');
      if (this.snapshot.abort && !this.unwound.includes(command.step)) this.unwound.push(command.step);
      this.undoing = { step: command.step, attempt: command.attempt };
    } else if (command.kind === 'start-timer') {
      if (command.timer.kind === 'forecast') this.checkForecastTimer(command.dueAt);
      this.timers.push(command);
    }
    else assert.ok(command.kind === 'cancel-step' && this.running.has(command.step), 'only what runs is cancelled');
  }

  /** No more often than a history can bear, and only while somebody could be warned. */
  checkForecastTimer(dueAt: string): void {
    const { state, abort, forecastDueAt } = this.snapshot;
    this.forecastTimers += 1;
    assert.ok(!abort && state.servedAt === null && state.forecastMs! <= state.rtoObjectiveMs, 'nobody is warned any more');
    assert.ok(Date.parse(dueAt) - Date.parse(at(this.second)) >= state.rtoObjectiveMs / 50, 'it is looked at too soon');
    assert.equal(forecastDueAt, dueAt);
  }

  stateOf(id: string): string {
    return this.snapshot.state.steps.find((candidate) => candidate.id === id)!.state;
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)]!;
  }

  /** One thing happens. */
  turn(): void {
    this.second += 1;
    const now = at(this.second);
    const chances: (() => void)[] = [];
    for (const [id, attempt] of this.running) chances.push(() => this.endStep(id, attempt, now), () => this.endStep(id, attempt, now));
    if (this.undoing) chances.push(() => this.endUndo(now));
    const due = this.timers.filter(({ dueAt }) => dueAt <= now);
    if (due.length > 0) chances.push(() => this.fire(this.pick(due), now));
    for (const { gate: name } of openGates(this.snapshot)) chances.push(() => this.feed({ kind: this.random() < 0.8 ? 'approve' : 'reject', gate: name, by: this.pick(['erik', 'fay', 'gil']), at: now }));
    for (const id of failedSteps(this.snapshot)) {
      chances.push(() => this.feed({ kind: 'retry', step: id, by: 'erik', at: now }), () => this.feed({ kind: 'skip', step: id, by: 'erik', reason: 'x', at: now }));
    }
    for (const list of waitingLists(this.snapshot)) {
      chances.push(() => this.confirm(list, now));
      // By its name only, and on the way back to another recovery point not at all.
      if (isUndoneByHand(list) && this.random() < 0.3) chances.push(() => this.feed({ kind: 'skip', step: list.id, by: 'erik', reason: 'x', at: now }));
    }
    for (const command of this.commands(now)) if (this.random() < 0.04) chances.push(() => this.feed(command));
    if (this.random() < 0.02) chances.push(() => this.abort(now));
    if (this.random() < 0.005) chances.push(() => this.feed({ kind: 'served', servedAt: now, noReturn: null, at: now }));
    if (this.random() < 0.1) this.feed({ kind: this.pick(['approve', 'retry'] as const), by: 'noise', at: now, ...(this.random() < 0.5 ? { gate: 'no-such', step: 'no-such' } : {}) });
    if (chances.length > 0) this.pick(chances)();
  }

  /** What people may say at any time, whether it is taken or not. */
  commands(now: string): RunEvent[] {
    const by = this.pick(['erik', 'fay']);
    const said = this.snapshot.state.held ? 'resume' : 'hold';
    const step = this.random() < 0.5 ? this.pick(this.plan).id : undefined;
    const choice = this.random() < 0.5 ? { targetTime: at(-1 - this.second) } : { older: true as const };
    return [
      ...(said === 'resume' ? [{ kind: said, by, at: now } as const] : []),
      { kind: said, by, at: now },
      { kind: 'comment', by, text: String(this.second), at: now },
      { kind: 'severity', severity: this.pick(['P1', 'P2', 'P3', 'P4'] as const), by, at: now },
      { kind: 'extend', step, budgetMs: 5_000 + this.second * 1_000, by, reason: 'x', at: now },
      ...(this.random() < 0.2 ? [{ kind: 'escalate', runbook: this.pick(['other', 'main']), by, reason: 'x', at: now } as const] : []),
      // Rare, or no run would come to its end.
      ...(this.chosen < 3 ? [{ kind: 'choose', by, reason: 'x', at: now, ...choice } as const] : []),
    ];
  }

  abort(now: string): void {
    this.feed({ kind: 'abort', by: 'erik', at: now });
    this.aborted = !isEnded(this.snapshot) || this.snapshot.state.status === 'aborted';
  }

  fire(timer: RunCommand & { kind: 'start-timer' }, now: string): void {
    this.timers = this.timers.filter((other) => other !== timer);
    this.feed({ kind: 'timer-due', timer: timer.timer, at: now });
  }

  endStep(id: string, attempt: number, now: string): void {
    this.running.delete(id);
    if (this.random() < 0.3) {
      this.feed({ kind: 'step-failed', step: id, attempt, error: { type: 'X', message: 'x' }, helpable: this.random() < 0.7, at: now });
      return;
    }
    const planned = this.plan.find((candidate) => candidate.id === id)!;
    this.feed({ kind: 'step-done', step: id, attempt, summary: null, at: now, ...(planned.gate ? { opens: planned.gate } : planned.uses === 'manual' ? { confirms: [{ id: 'item', do: 'x' }] } : {}) });
  }

  /** Only where a person says that it is taken back, it is. */
  confirm(list: StepState, now: string): void {
    if (isUndoneByHand(list)) {
      assert.ok(this.unfinished.delete(list.id), `${list.id} was taken back by hand before its own undo had ended`);
      this.takenBack += 1;
      this.undone.push(list.id);
    }
    this.feed({ kind: 'confirm', step: list.id, item: list.items!.find(({ by }) => by === null)!.id, by: 'erik', at: now });
  }

  endUndo(now: string): void {
    const { step: id, attempt } = this.undoing!;
    this.undoing = undefined;
    const byHand = this.plan.find((candidate) => candidate.id === id)!.undoBy?.manual;
    if (this.random() < 0.3) {
      this.feed({ kind: 'undo-failed', step: id, attempt, error: { type: 'X', message: 'x' }, at: now });
    } else if (byHand !== undefined) {
      this.unfinished.add(id);
      this.feed({ kind: 'undo-done', step: id, attempt, summary: null, confirms: [{ id: 'undo', do: byHand }], at: now });
    } else {
      this.undone.push(id);
      this.feed({ kind: 'undo-done', step: id, attempt, summary: null, at: now });
    }
  }

  /** Not ended means that it waits for something that has a name: a running try, an undo, a timer, a gate, a failed step. */
  checkNamed(): void {
    if (isEnded(this.snapshot)) return;
    const retries = this.timers.some(({ timer }) => timer.kind === 'retry');
    const waits = this.running.size + (this.undoing ? 1 : 0) + openGates(this.snapshot).length + failedSteps(this.snapshot).length + waitingLists(this.snapshot).length;
    assert.ok(waits > 0 || retries || this.snapshot.state.held, `waits for nothing: ${JSON.stringify(this.snapshot.state.steps)}`);
  }

  checkEnd(): void {
    const { status, steps } = this.snapshot.state;
    assert.equal(this.running.size, 0);
    if (status === 'done') assert.ok(steps.every(({ state }) => state === 'done' || state === 'skipped'));
    if (status !== 'aborted') return;
    const order = this.everStarted.filter((id) => this.unwound.includes(id)).reverse();
    assert.deepEqual(this.unwound, order, 'undone in reverse order of start');
    for (const id of this.everStarted) {
      const { undo } = this.snapshot.tracks[id]!;
      const warned = this.snapshot.state.warnings.some((warning) => warning.startsWith(`${id}: not undone`));
      assert.ok(undo === 'none' || undo === 'done' || warned, `${id} was started, not undone, and nobody is told (${undo})`);
    }
  }
}

test('400 random runs with commands at any time: needs first, one try at a time, undos in reverse, a forecast that is watched, and an end or a named wait', () => {
  let aborted = 0;
  let chosen = 0;
  let warned = 0;
  let watched = 0;
  let takenBack = 0;
  const first = Number(process.env['HOLDFAST_SEED'] ?? 1);
  for (let seed = first; seed < first + 400; seed += 1) {
    const world = new World(randomFrom(seed));
    try {
      world.feed({ kind: 'run-started', at: at(0) });
      for (let turn = 0; turn < 1_000 && !isEnded(world.snapshot); turn += 1) {
        world.turn();
        world.checkNamed();
        world.checkWatched();
      }
      assert.ok(isEnded(world.snapshot), 'the run ends');
      world.checkEnd();
      if (world.snapshot.state.status === 'aborted') aborted += 1;
      if (world.snapshot.state.status === 'done' && world.chosen > 0) chosen += 1;
      warned += world.crossings;
      watched += world.forecastTimers;
      takenBack += world.takenBack;
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  assert.ok(aborted > 20, `${aborted} aborted runs are enough to mean something`);
  assert.ok(chosen > 20, `${chosen} runs that ended well by another recovery point are enough to mean something`);
  assert.ok(takenBack > 20, `${takenBack} steps that people took back by hand are enough to mean something`);
  assert.ok(warned > 20 && watched > 200, `${warned} warnings and ${watched} looks at the forecast are enough to mean something`);
});
