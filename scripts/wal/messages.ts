/** What a resident is asked: one line of JSON; it answers with empty lines while it works, and with an `Answer` as the last. */
export interface Question {
  args: readonly string[];
  /** what paths are relative to: the server's data directory */
  cwd: string;
}

export interface Answer {
  code: number;
  out: string;
  err: string;
}
