import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBundles } from '../../activities/evidence/bundles.ts';
import { listEvidence, readAuditRecords, readEvidence } from '../../activities/evidence/read-evidence.ts';
import { verifyEvidenceFile } from '../../activities/evidence/verify-file.ts';
import { openVerifier } from '../../activities/open-context.ts';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import { describeEvidence, type EvidenceRead } from '../../workflows/domain/evidence.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { admitCommand } from '../bucket/admit-command.ts';
import type { Cli } from '../cli.ts';
import { currentUser } from '../current-user.ts';
import { exitCodes } from '../exit-codes.ts';

/** `holdfast evidence`: what runs and incidents have left, signed; from the bucket and the public keys alone. What hands it out (`get`) asks, and signs a record of that into the audit first. */
export function evidence(cli: Cli): void {
  const group = cli.group('evidence', 'what runs and incidents have left, signed; needs the bucket and the public keys (get: the signing key, too), and no Temporal');
  const readAll = async (system: string, run?: string): Promise<EvidenceRead[]> => {
    const room = await openVerifier(system);
    const audit = await readAuditRecords(room, system);
    const known = await listEvidence(room, system, audit);
    const wanted = known.filter(({ id }) => run === undefined || id === run);
    if (run !== undefined && wanted.length === 0) throw new HoldfastError('ObjectMissing', `${system}: no run or incident ${run} has left anything`, { hint: `holdfast evidence list ${system} names those that have` });
    const read: EvidenceRead[] = [];
    for (const of of wanted) read.push(await readEvidence(room, system, of, audit));
    return read.sort((a, b) => ((a.at ?? '') < (b.at ?? '') ? -1 : 1));
  };
  cli.add<[string], object>(
    'list <system>',
    'each run and incident, with the bundle that tells of it, the oldest first',
    (command) => command,
    async (printer, _options, system) => printer.result({ system, evidence: await readAll(system) }, ({ evidence: all }) => (all.length === 0 ? `no evidence yet of ${system}: a recovery, a drill and an incident leave theirs when they end` : all.flatMap(describeEvidence).join('\n'))),
    group,
  );
  cli.add<[string, string], { to: string; by: string }>(
    'get <system> <run>',
    'write the newest bundle of a run, and its files, into a folder, once the audit has that you asked',
    (command) => command.requiredOption('--to <directory>', 'a folder that is made; nothing in it is written over').option('--by <name>', 'who asks', currentUser()),
    async (printer, { to, by }, system, run) => {
      const room = await openVerifier(system);
      const of = (await listEvidence(room, system, await readAuditRecords(room, system))).find(({ id }) => id === run);
      const bundle = of && (await readBundles(room, system, of)).at(-1);
      if (!of || !bundle) throw new HoldfastError('ObjectMissing', `${system}: no bundle of ${run} is there`, { hint: `holdfast evidence list ${system} names those that are` });
      await admitCommand({ system, by, act: 'read', command: 'evidence get', about: `evidence of ${of.in === 'runs' ? 'run' : 'incident'} ${run}, ${bundle.body.files.length + 1} files` });
      const folder = layout.recordOf(system, of);
      const paths: string[] = [];
      for (const ref of [bundle.ref, ...bundle.body.files]) {
        const path = join(to, ref === bundle.ref ? 'evidence.json' : ref.key.slice(folder.length));
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, await room.store.get(ref), { flag: 'wx' });
        paths.push(path);
      }
      printer.result({ system, run, paths }, () => paths.join('\n'));
    },
    group,
  );
  cli.add<[string | undefined], { system?: string; all?: boolean }>(
    'verify [what]',
    'whether the evidence of a run (its id, with --system), a bundle on disk (its path), or all of it (--all) is signed, whole, and fits the audit; exit code 5 when not',
    (command) => command.option('--system <system>', 'whose run it is').option('--all', 'every run and incident of the system'),
    async (printer, { system, all }, what) => {
      const isFile = what !== undefined && existsSync(what);
      if (!isFile && (system === undefined || (what === undefined) !== (all === true))) throw new HoldfastError('BadInput', 'evidence verify: name a run, with --system, or a file, or --all with --system');
      const read = isFile ? [await verifyEvidenceFile(await readFile(what), what)] : await readAll(system!, what);
      const problems = read.flatMap(({ problems: found }) => found);
      printer.result({ evidence: read, problemCount: problems.length, ok: problems.length === 0 }, () =>
        [...read.flatMap(describeEvidence), problems.length === 0 ? `${read.length} signed, whole${isFile ? '' : ', and as the audit has it'}` : `${problems.length} problems`].join('\n'));
      return problems.length === 0 ? exitCodes.ok : errorTable.Tampered.exitCode;
    },
    group,
  );
}
