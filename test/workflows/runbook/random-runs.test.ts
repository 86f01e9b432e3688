import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedSteps, openGates } from '../../../workflows/runbook/refusal.ts';
import { reduceRun } from '../../../workflows/runbook/reduce-run.ts';
import { isEnded, type PlannedStep, type RunCommand, type RunEvent, type RunSnapshot } from '../../../workflows/runbook/run-types.ts';
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

function randomPlan(random: () => number): PlannedStep[] {
  const count = 1 + Math.floor(random() * 9);
  return Array.from({ length: count }, (_, index) => {
    const needs = Array.from({ length: index }, (_unused, before) => `s${before}`).filter(() => random() < 0.35);
    return step(`s${index}`, needs, {
      undo: random() < 0.7,
      budgetMs: random() < 0.5 ? 5_000 : null,
      retry: { attempts: 1 + Math.floor(random() * 3), everyMs: 2_000 },
      gate: random() < 0.2 ? gate(`g${index}`) : null,
      skip: random() < 0.2 ? gate(`skip-${index}`) : 'allowed',
    });
  });
}

/** What really happens while the engine commands it: nothing may run twice at once, or before its needs. */
class World {
  snapshot: RunSnapshot;
  readonly plan: PlannedStep[];
  readonly random: () => number;
  readonly running = new Map<string, number>();
  readonly everStarted: string[] = [];
  readonly undone: string[] = [];
  undoing: { step: string; attempt: number } | undefined;
  timers: (RunCommand & { kind: 'start-timer' })[] = [];
  second = 0;
  aborted = false;

  constructor(random: () => number) {
    this.random = random;
    this.plan = randomPlan(random);
    this.snapshot = newRun(this.plan);
  }

  feed(event: RunEvent): void {
    const before = JSON.stringify(this.snapshot);
    const reduced = reduceRun(this.snapshot, event);
    assert.deepEqual(reduceRun(JSON.parse(before) as RunSnapshot, event), reduced, 'deterministic');
    assert.equal(JSON.stringify(this.snapshot), before, 'pure');
    this.snapshot = reduced.snapshot;
    for (const command of reduced.commands) this.obey(command);
    if (this.random() < 0.3) this.again(event);
  }

  /** The same event once more must command no work: at most a note. */
  again(event: RunEvent): void {
    if (event.kind === 'approve' || event.kind === 'retry' || event.kind === 'skip' || event.kind === 'reject') return;
    const reduced = reduceRun(this.snapshot, event);
    assert.deepEqual(reduced.commands, [], `${event.kind} twice`);
    assert.deepEqual(reduced.snapshot.state.steps, this.snapshot.state.steps);
    this.snapshot = reduced.snapshot;
  }

  obey(command: RunCommand): void {
    if (command.kind === 'run-step') {
      assert.ok(!this.running.has(command.step), `${command.step} runs twice at once`);
      assert.ok(!this.aborted, 'nothing starts after an abort');
      const planned = this.plan.find(({ id }) => id === command.step)!;
      for (const need of planned.needs) assert.ok(['done', 'skipped'].includes(this.stateOf(need)), `${command.step} before its need ${need}`);
      if (planned.undo) assert.equal(this.snapshot.tracks[command.step]!.undo, 'registered');
      this.running.set(command.step, command.attempt);
      if (!this.everStarted.includes(command.step)) this.everStarted.push(command.step);
    } else if (command.kind === 'run-undo') {
      assert.equal(this.running.size, 0, 'no undo beside a running step');
      assert.equal(this.undoing, undefined, 'one undo at a time');
      this.undoing = { step: command.step, attempt: command.attempt };
    } else if (command.kind === 'start-timer') this.timers.push(command);
    else assert.ok(this.running.has(command.step), 'only what runs is cancelled');
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
    if (this.random() < 0.02) chances.push(() => this.abort(now));
    if (this.random() < 0.1) this.feed({ kind: this.pick(['approve', 'retry'] as const), by: 'noise', at: now, ...(this.random() < 0.5 ? { gate: 'no-such', step: 'no-such' } : {}) });
    if (chances.length > 0) this.pick(chances)();
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
    this.feed({ kind: 'step-done', step: id, attempt, summary: null, at: now, ...(planned.gate ? { opens: planned.gate } : {}) });
  }

  endUndo(now: string): void {
    const { step: id, attempt } = this.undoing!;
    this.undoing = undefined;
    if (this.random() < 0.3) {
      this.feed({ kind: 'undo-failed', step: id, attempt, error: { type: 'X', message: 'x' }, at: now });
    } else {
      this.undone.push(id);
      this.feed({ kind: 'undo-done', step: id, attempt, summary: null, at: now });
    }
  }

  /** Not ended means that it waits for something that has a name: a running try, an undo, a timer, a gate, a failed step. */
  checkNamed(): void {
    if (isEnded(this.snapshot)) return;
    const retries = this.timers.some(({ timer }) => timer.kind === 'retry');
    const waits = this.running.size + (this.undoing ? 1 : 0) + openGates(this.snapshot).length + failedSteps(this.snapshot).length;
    assert.ok(waits > 0 || retries, `waits for nothing: ${JSON.stringify(this.snapshot.state.steps)}`);
  }

  checkEnd(): void {
    const { status, steps } = this.snapshot.state;
    assert.equal(this.running.size, 0);
    if (status === 'done') assert.ok(steps.every(({ state }) => state === 'done' || state === 'skipped'));
    const order = this.everStarted.filter((id) => this.undone.includes(id)).reverse();
    assert.deepEqual(this.undone, order, 'undone in reverse order of start');
    if (status !== 'aborted') return;
    for (const id of this.everStarted) {
      const { undo } = this.snapshot.tracks[id]!;
      const warned = this.snapshot.state.warnings.some((warning) => warning.startsWith(`${id}: not undone`));
      assert.ok(undo === 'none' || undo === 'done' || warned, `${id} was started, not undone, and nobody is told (${undo})`);
    }
  }
}

test('1,000 random runs: needs first, one try at a time, undos in reverse, and an end or a named wait', () => {
  let aborted = 0;
  for (let seed = 1; seed <= 1_000; seed += 1) {
    const world = new World(randomFrom(seed));
    try {
      world.feed({ kind: 'run-started', at: at(0) });
      for (let turn = 0; turn < 1_000 && !isEnded(world.snapshot); turn += 1) {
        world.turn();
        world.checkNamed();
      }
      assert.ok(isEnded(world.snapshot), 'the run ends');
      world.checkEnd();
      if (world.snapshot.state.status === 'aborted') aborted += 1;
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  assert.ok(aborted > 50, `${aborted} aborted runs are enough to mean something`);
});
