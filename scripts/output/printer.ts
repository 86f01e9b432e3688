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
