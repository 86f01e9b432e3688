/** What activities are about, as a history may know it: names, and no address. */

/** One source of one system: what nearly every activity is about. */
export interface SourceRef {
  system: string;
  source: string;
}

/** The place that a run restores to. The worker knows its address from the system file; the history does not. */
export interface TargetRef extends SourceRef {
  environment: string;
  run: string;
  /** the source lives there, and its server is replaced; left out: a place of the run's own */
  inPlace?: true | undefined;
}

/** Which way a run goes, for what is given no target: `towards` is the environment that it brings the source to. Left out: the standby of the system file. */
export interface Directed {
  towards?: string | undefined;
  /** the source stays where it lives, and is restored there */
  inPlace?: true | undefined;
}

/**
 * The text of a system file that a run goes by, by its digest. Every input of the run's activities carries it (call.ts), and every activity opens that text
 * (activities/file-of-run.ts); left out: the file as it is.
 */
export interface SystemFileRef {
  system: string;
  /** of the file's text, without the overlay; 64 hex digits */
  sha256: string;
}

/**
 * What cannot be taken back is done only while no other control plane has taken the command since `epoch`.
 * 0 or left out: the runbook never claimed it. @throws EpochSuperseded - nothing was done.
 */
export interface Commanded {
  epoch?: number | undefined;
}
