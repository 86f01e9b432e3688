import type { Call } from '../call.ts';
import type { FenceResult, ReplayResult, StepHistory, TargetRef, ValidationResult } from '../contract.ts';
import type { CopiedCollection, SwapPair } from '../domain/beside.ts';
import type { Comparison } from '../domain/comparison.ts';
import type { FoundDeployment } from '../domain/deployment.ts';
import type { LogPosition } from '../domain/log-position.ts';
import type { Audience } from '../domain/notify/notice.ts';
import type { WorkMeter } from '../domain/progress.ts';
import type { RecoveryPoint } from '../domain/recovery-point.ts';
import type { RunReport, WatchPlace } from '../domain/report.ts';
import type { ChangedRows, RowsResult } from '../domain/rows.ts';
import type { RunTarget } from '../domain/run-state.ts';
import { stepLanguage, type SettingsOf, type StepTypeName } from '../domain/step-language.ts';
import type { SystemView } from '../domain/system-view.ts';
import type { GateRequest } from '../runbook/run-types.ts';

/** Everything that the fenced server held, archived to its end and read back whole. */
export interface SafetyPoint {
  timeline: string;
  backup: string;
  /** the last position that it holds */
  to: LogPosition;
}

/** What steps leave for the steps after them, and for the report; by source where it is of one. */
export interface RunResults {
  epoch: number | null;
  history: StepHistory | null;
  points: Record<string, RecoveryPoint>;
  /** by step that restores: what is restored whole of its sources' bases */
  restored: Record<string, WorkMeter>;
  /** bases of each source that were given up for an older one, and how often that was asked for when they were */
  givenUp: { older: number; bases: Record<string, string[]> };
  /** everything before this is in the target; exclusive */
  limits: Record<string, LogPosition>;
  /** where a drained tail ends that the target may hold, while it is not validated; exclusive */
  unvalidated: Record<string, LogPosition>;
  replays: Record<string, ReplayResult>;
  /** by `<source>/<validator>`, the newest of each */
  validations: Record<string, ValidationResult>;
  /** by step that deploys: what it set out to deploy, and what ran before; removed when that is back */
  deploys: Record<string, { version: string; before: string | null }>;
  /** what a gate showed, so that the step deploys just that; null: nobody has asked yet, or another recovery point was chosen since */
  proposal: FoundDeployment | null;
  fences: Record<string, FenceResult>;
  /** in place: where all that the source held before can be restored from, by source */
  safety?: Record<string, SafetyPoint> | undefined;
  /** copied into the living source and proved, by source */
  copies?: Record<string, CopiedCollection[]> | undefined;
  /** what people were shown that changes places, by source */
  swaps?: Record<string, SwapPair[]> | undefined;
  /** what was restored beside what lives, by source: every gate behind it shows it */
  comparisons?: Record<string, Comparison> | undefined;
  /** what people were shown of the rows that are put back, by source */
  rows?: Record<string, RowsResult & { changed: ChangedRows }> | undefined;
  /** what looks after the old side when the run is over, by source */
  watches: Record<string, WatchPlace>;
  /** the most that was let in to the new side; 0: nobody could have written there */
  admittedPercent: number;
  firstAcceptedWriteAt: string | null;
}

export const noResults = (): RunResults => ({
  epoch: null,
  history: null,
  points: {},
  restored: {},
  givenUp: { older: 0, bases: {} },
  limits: {},
  unvalidated: {},
  replays: {},
  validations: {},
  deploys: {},
  proposal: null,
  fences: {},
  watches: {},
  admittedPercent: 0,
  firstAcceptedWriteAt: null,
});

/** What a step is given. Whatever it does goes through `call`, so that it is an activity. */
export interface StepContext {
  stepId: string;
  /** the sources that the step is about: all of the system's, or those that the runbook names */
  sources: readonly string[];
  view: SystemView;
  /** names the run in the store and on the target: the same in every step */
  run: string;
  target: RunTarget;
  purpose: 'recovery' | 'drill';
  /** namespaces of a partial restore, as typed: production is left alone. Null: everything */
  only: readonly string[] | null;
  requestedBy: string;
  reason: string | null;
  takeOver: boolean;
  /** the application's version that was asked for; null: the one that ran at the recovery point */
  version: string | null;
  results: RunResults;
  call: Call;
  /** UTC ISO, as the workflow knows it */
  now(): string;
  warn(what: string): void;
  /** One of the step's activities has finished its piece: what people see of the step has moved. */
  moved(): void;
  /** Service is back since `servedAt`; `noReturn` says why turning back is over. */
  served(servedAt: string | null, noReturn: string | null): void;
  sleep(ms: number, summary: string): Promise<void>;
  /** The gate of this step is open. */
  waits(): boolean;
  /** Waits so long, or until the gate of this step has been answered. @returns whether it is still open. */
  stillWaitsAfter(ms: number, summary: string): Promise<boolean>;
  /** Starts a workflow that outlives this one. False: one with this id runs already. */
  startChild(type: string, id: string, input: unknown, summary: string): Promise<{ started: boolean; result: () => Promise<unknown> }>;
  /** False: no workflow with this id runs. */
  signalOther(id: string, signal: string): Promise<boolean>;
  cancelOther(id: string): Promise<void>;
  /** Sends a message to people; nobody waits for it. @returns how many receivers it goes to. */
  tell(text: string, audience: Audience): number;
  /** Waits a minute at most until the journal's older lines are in the store, where the report takes them from. */
  journalKept(): Promise<void>;
  /** The report as it stands when this step is done. */
  report(): RunReport;
}

/** `opens`: a gate that people must approve before the step counts as done. `passedOver`: nothing was done, and why. */
export interface StepOutcome {
  summary: string;
  opens?: GateRequest | undefined;
  passedOver?: boolean | undefined;
  /** a checklist that people must confirm before the step counts as done */
  confirms?: { id: string; do: string }[] | undefined;
}

export interface StepType<W> {
  /** what it does, one line: shown where a runbook names an unknown type */
  about: string;
  run(ctx: StepContext, settings: W): Promise<StepOutcome>;
  /** Must be safe to repeat, and safe when the step failed half-way or before it did anything. Says what it did. */
  undo?(ctx: StepContext, settings: W): Promise<{ summary: string }>;
  /** whether there is something for `undo` to take back; left out: always, where there is an undo */
  undoes?(view: SystemView, settings: W): boolean;
  /** the gate that the step will open */
  gate?(view: SystemView, stepId: string, settings: W): GateRequest;
  /** left out: a person may skip it, with a reason. A gate: others must approve the skip first */
  skip?: 'refused' | ((view: SystemView) => GateRequest | 'refused') | undefined;
  /** for another recovery point it is undone, and it and all that needs it start again */
  renews?: boolean | undefined;
  /** it touches production, and passes itself over in a drill and in a partial restore */
  production?: boolean | ((settings: W) => boolean) | undefined;
}

/** A step type with its settings' type forgotten: what the registry holds. */
export type AnyStepType = Omit<StepType<unknown>, 'run' | 'undo' | 'undoes' | 'gate' | 'production'> & {
  production(given: unknown): boolean;
  run(ctx: StepContext, given: unknown): Promise<StepOutcome>;
  undo?: ((ctx: StepContext, given: unknown) => Promise<{ summary: string }>) | undefined;
  undoes(view: SystemView, given: unknown): boolean;
  gate?: ((view: SystemView, stepId: string, given: unknown) => GateRequest) | undefined;
};

/** @param name - its row in the language, which has the schema of its `with`. */
export function defineStep<N extends StepTypeName>(name: N, type: StepType<SettingsOf<N>>): AnyStepType {
  const parse = (given: unknown): SettingsOf<N> => stepLanguage[name].settings.parse(given ?? {}) as SettingsOf<N>;
  const { undo, undoes, gate, production = false } = type;
  return {
    about: type.about,
    skip: type.skip,
    renews: type.renews,
    production: typeof production === 'function' ? (given) => production(parse(given)) : () => production,
    run: (ctx, given) => type.run(ctx, parse(given)),
    undo: undo && ((ctx, given) => undo(ctx, parse(given))),
    undoes: (view, given) => undo !== undefined && (undoes?.(view, parse(given)) ?? true),
    gate: gate && ((view, stepId, given) => gate(view, stepId, parse(given))),
  };
}

export const targetOf = (ctx: StepContext, source: string): TargetRef => ({
  system: ctx.view.system,
  source,
  environment: ctx.view.standbyEnvironment,
  run: ctx.run,
  ...(ctx.view.inPlace ? { inPlace: true } : {}),
});
