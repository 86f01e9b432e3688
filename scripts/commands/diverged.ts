import { open } from 'node:fs/promises';
import { openEngine } from '../../activities/engines/open-engine.ts';
import { readDivergedReport } from '../../activities/store/read-diverged-report.ts';
import { divergedWrites } from '../../workflows/domain/diverged.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatLogPosition } from '../../workflows/domain/log-position.ts';
import { admitCommand } from '../bucket/admit-command.ts';
import { openSources } from '../bucket/open-sources.ts';
import type { Cli } from '../cli.ts';
import { currentUser } from '../current-user.ts';

/**
 * `holdfast diverged`: what an old primary took that the recovered data does not hold, decrypted. Bucket and keys are enough. It prints
 * data, so the audit has it before anything is opened; where it goes from there is the business of whoever runs it.
 */
export function diverged(cli: Cli): void {
  cli.add<[string], { source?: string; run?: string; out?: string; by: string }>(
    'diverged <system>',
    'print the writes of an old primary that the recovered data does not hold, decrypted, once the audit has that you asked; needs no Temporal',
    (command) =>
      command
        .option('--source <source>', 'may be left out when the system has only one')
        .option('--run <run>', 'of this recovery; left out: the newest report')
        .option('--out <file>', 'write every entry, whole and in order, as BSON into a new file that only you may read; prints the summary alone')
        .option('--by <name>', 'who asks', currentUser()),
    async (printer, { source, run, out, by }, system) => {
      const contexts = await openSources(system, source);
      const [context] = contexts;
      if (!context || contexts.length > 1) throw new HoldfastError('BadInput', `${system} has ${contexts.length} sources`, { hint: `name one: --source ${contexts.map(({ sourceName }) => sourceName).join('|')}` });
      const report = await readDivergedReport(context, run);
      await admitCommand({ system, by, act: 'take-data-out', command: 'diverged', about: `writes of the old primary of ${report.source} that run ${report.run} left behind, decrypted, ${out === undefined ? 'printed' : 'into a file'}` });
      // `wx`: what is there already is never written over.
      const file = out === undefined ? undefined : await open(out, 'wx', 0o600).catch((cause: unknown) => {
        throw new HoldfastError('BadInput', `${out}: ${(cause as Error).message}`, { cause });
      });
      try {
        const { openDivergedEntries } = await openEngine(context.source.engine);
        for await (const entry of openDivergedEntries(context, report)) {
          if (file) await file.write(entry.raw);
          else if (entry.own) continue;
          else if (printer.json) printer.frame({ position: entry.position, at: entry.at, ns: entry.ns, entry: JSON.parse(entry.json()) as unknown }, () => '', () => '');
          else printer.note(`${formatLogPosition(entry.position)}  ${entry.op}  ${entry.ns}  ${entry.json()}`);
        }
      } finally {
        await file?.close();
      }
      const { objects: _objects, namespaces: _namespaces, commands: _commands, ...summary } = report;
      printer.result({ ...summary, out: out ?? null }, () =>
        [
          `diverged    ${divergedWrites(report)}, ${report.commandCount} commands; ${report.entries} entries with the server’s own${out === undefined ? '' : `, in ${out}`}`,
          `of          run ${report.run}, timeline ${report.timeline}, from ${formatLogPosition(report.from)}; read from ${report.readFrom}`,
          ...report.doesNotCover.map((what) => `not covered ${what}`),
          'nothing of it was merged: a person decides what is carried over, by hand',
        ].join('\n'));
    },
  );
}
