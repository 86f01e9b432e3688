import { HoldfastError } from '../../workflows/domain/errors.ts';

/**
 * How a command tells what it has to tell. Commands make values; a printer decides how they look.
 *
 * Text: facts, one a line. JSON: `result` is the one document on stdout; a watch prints one object a line (`frame`);
 * notes and progress are for people and are left out.
 */
export interface Printer {
  readonly json: boolean;
  /** The command's answer. Once a command. */
  result<T>(value: T, text: (value: T) => string): void;
  /** One state of a watch: redrawn in place on a terminal, a line now and then off it, always a line in JSON. */
  frame<T>(value: T, text: (value: T) => string, line: (value: T) => string): void;
  /** The last frame stays; what comes next is printed below it. */
  endFrames(): void;
  /** A fact on the way, for people. */
  note(line: string): void;
  error(error: unknown): void;
}

export interface Out {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
  rows?: number | undefined;
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
