/**
 * Every error that Holdfast names: whether another try can help, and the CLI's exit code.
 * One table, so that a throw site says only what happened.
 */
export const errorTable = {
  BadInput: { retryable: false, exitCode: 2 },
  UnknownSystem: { retryable: false, exitCode: 2 },
  BadSystemFile: { retryable: false, exitCode: 2 },
  TargetTimeInFuture: { retryable: false, exitCode: 2 },
  AlreadyRunning: { retryable: false, exitCode: 3 },
  NotWaiting: { retryable: false, exitCode: 3 },
  NotPermitted: { retryable: false, exitCode: 3 },
  NoRecoveryPoint: { retryable: false, exitCode: 4 },
  ChainBroken: { retryable: false, exitCode: 4 },
  LogGap: { retryable: false, exitCode: 4 },
  Tampered: { retryable: false, exitCode: 5 },
  ObjectMissing: { retryable: false, exitCode: 5 },
  WrongKey: { retryable: false, exitCode: 5 },
  StoreFull: { retryable: false, exitCode: 6 },
  TargetFull: { retryable: false, exitCode: 6 },
  KeyRefused: { retryable: false, exitCode: 5 },
  NewerFormat: { retryable: false, exitCode: 5 },
  ValidationFailed: { retryable: false, exitCode: 6 },
  ReplayFailed: { retryable: false, exitCode: 6 },
  FenceFailed: { retryable: false, exitCode: 6 },
  TargetNotEmpty: { retryable: false, exitCode: 6 },
  Unsupported: { retryable: false, exitCode: 7 },
  ToolMissing: { retryable: false, exitCode: 7 },
  WeakTransport: { retryable: false, exitCode: 7 },
  ToolFailed: { retryable: true, exitCode: 10 },
  EpochSuperseded: { retryable: false, exitCode: 8 },
  AlreadyExists: { retryable: false, exitCode: 9 },
  StoreUnavailable: { retryable: true, exitCode: 10 },
  SourceUnavailable: { retryable: true, exitCode: 10 },
  TargetUnavailable: { retryable: true, exitCode: 10 },
  // No further try of the same activity finds it again: the base begins anew, with another.
  SnapshotLost: { retryable: false, exitCode: 10 },
  KeyUnavailable: { retryable: true, exitCode: 10 },
  TemporalUnavailable: { retryable: true, exitCode: 10 },
  DataPlaneLost: { retryable: true, exitCode: 10 },
  TimedOut: { retryable: true, exitCode: 10 },
  ReceiverUnavailable: { retryable: true, exitCode: 10 },
  ReceiverRefused: { retryable: false, exitCode: 13 },
  Aborted: { retryable: false, exitCode: 11 },
  RunFailed: { retryable: false, exitCode: 12 },
} as const satisfies Record<string, { retryable: boolean; exitCode: number }>;

export type ErrorType = keyof typeof errorTable;

export const isErrorType = (name: unknown): name is ErrorType => typeof name === 'string' && Object.hasOwn(errorTable, name);

/** What happened, where, with the values; `hint` is the way out and is printed as `HINT: …`. */
export class HoldfastError extends Error {
  readonly type: ErrorType;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(type: ErrorType, message: string, options: { hint?: string; details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(options.hint ? `${message} HINT: ${options.hint}` : message, { cause: options.cause });
    this.name = type;
    this.type = type;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  get retryable(): boolean {
    return errorTable[this.type].retryable;
  }
}

export interface Described {
  type: string;
  message: string;
  hint: string | null;
}

/** What a person sees of an error: never a stack, never more than it says itself. The hint is cut off the message again. */
export function describeError(error: unknown): Described {
  if (error instanceof HoldfastError) {
    const message = error.hint ? error.message.replace(` HINT: ${error.hint}`, '') : error.message;
    return { type: error.type, message, hint: error.hint ?? null };
  }
  const message = error instanceof Error ? error.message || error.name : String(error);
  // Errors that crossed a workflow carry their hint inside the message.
  const [what, hint] = message.split(/ HINT: (.*)/s);
  return { type: error instanceof Error ? error.name : 'Error', message: what!, hint: hint ?? null };
}
