import type { Cli } from './cli.ts';

/** Declares its commands. */
type Declare = (cli: Cli) => void;

/**
 * Every command, and the module that declares it, in the order of the help. Only the module of the command that was typed is loaded: all of them pull in every
 * driver, store and renderer there is, and take three times as long to start.
 */
const modules: readonly (readonly [names: readonly string[], load: () => Promise<Declare>])[] = [
  [['demo'], async () => (await import('./commands/demo.ts')).demo],
  [['up', 'down'], async () => (await import('./commands/up.ts')).up],
  [['doctor'], async () => (await import('./commands/doctor.ts')).doctor],
  [['worker'], async () => (await import('./commands/worker.ts')).worker],
  [['wal-push', 'wal-fetch'], async () => (await import('./commands/wal.ts')).wal],
  [['backup'], async () => (await import('./commands/backup.ts')).backup],
  [['archive'], async () => (await import('./commands/archive.ts')).archive],
  [['points', 'catalog'], async () => (await import('./commands/points.ts')).points],
  [['mark'], async () => (await import('./commands/mark.ts')).mark],
  [['retention'], async () => (await import('./commands/retention.ts')).retention],
  [['dispose', 'disposals'], async () => (await import('./commands/dispose.ts')).dispose],
  [['key'], async () => (await import('./commands/key.ts')).key],
  [['verify'], async () => (await import('./commands/verify.ts')).verify],
  [['report', 'reports'], async () => (await import('./commands/report.ts')).report],
  [['import'], async () => (await import('./commands/import.ts')).importCommand],
  [['export'], async () => (await import('./commands/export.ts')).exportCommand],
  [['plan'], async () => (await import('./commands/plan.ts')).plan],
  [['ready'], async () => (await import('./commands/ready.ts')).ready],
  [['recover'], async () => (await import('./commands/recover.ts')).recover],
  [['status'], async () => (await import('./commands/status.ts')).status],
  [['watch'], async () => (await import('./commands/watch.ts')).watch],
  [['apply'], async () => (await import('./commands/apply.ts')).apply],
  [['schedules', 'backfill'], async () => (await import('./commands/schedules.ts')).schedules],
  [['drills'], async () => (await import('./commands/drills.ts')).drills],
  [['deployed'], async () => (await import('./commands/deployed.ts')).deployed],
  [['diverged'], async () => (await import('./commands/diverged.ts')).diverged],
  [['incident'], async () => (await import('./commands/incident.ts')).incident],
  [['journal'], async () => (await import('./commands/journal.ts')).journal],
  [['listen'], async () => (await import('./commands/listen.ts')).listen],
  [['access'], async () => (await import('./commands/access.ts')).access],
  [['store'], async () => (await import('./commands/store.ts')).store],
  [['audit'], async () => (await import('./commands/audit.ts')).audit],
  [['evidence'], async () => (await import('./commands/evidence.ts')).evidence],
  [['notify'], async () => (await import('./commands/notify.ts')).notify],
  [['approve', 'reject', 'retry', 'skip', 'delegate', 'abort', 'hold', 'resume', 'comment', 'extend', 'severity', 'escalate', 'confirm', 'choose'], async () => (await import('./commands/answer.ts')).answer],
  [['codec'], async () => (await import('./commands/codec.ts')).codec],
];

/** Declares the command that was typed; all of them where it is none: for the help, and for the error that names the nearest. */
export async function declareCommands(cli: Cli, typed: string | undefined): Promise<void> {
  const named = modules.filter(([names]) => names.some((name) => name === typed));
  for (const [, load] of named.length > 0 ? named : modules) (await load())(cli);
}

/** In the order of the help. */
export const commandNames = modules.flatMap(([names]) => names);
