import type { SourceContext } from '../../context.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import type { WrittenRange } from '../base/put-index.ts';
import type { PartStore } from '../base/stored-parts.ts';
import type { ProgramSpec } from '../tool/program-spec.ts';
import { outputOf, runProgram } from '../tool/run-program.ts';
import { libpqVariables, type Place } from './connect.ts';
import { controlSchema } from './control.ts';
import type { Plan } from './plan.ts';
import { storeBytes } from './store-bytes.ts';

interface DefinitionsJob {
  context: SourceContext;
  place: Place;
  plan: Pick<Plan, 'snapshot' | 'versions'>;
  parts: PartStore;
}

/** pg_dump against a database; nothing secret is in its arguments. @throws ToolMissing - there is none as new as the server. */
async function dumpProgram(major: number, place: Place, args: string[]): Promise<ProgramSpec> {
  return { name: 'pg_dump', path: (await findPostgresProgram('pg_dump', major)).path, args, ...libpqVariables(place), files: {} };
}

const definitionsOnly = ['--format=custom', '--compress=0', '--schema-only', '--encoding=UTF8', '--no-password', '--lock-wait-timeout=30s', `--exclude-schema=${controlSchema}`];

/** The same of a database that is read now, in memory. */
export async function readArchive(context: SourceContext, place: Place, major: number): Promise<Buffer> {
  const spec = await dumpProgram(major, place, definitionsOnly);
  return await runProgram(context, spec, async (running) => {
    running.stdin.end();
    const chunks: Buffer[] = [];
    for await (const chunk of outputOf(running, spec)) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}

/**
 * What pg_dump writes of everything that is no row, at the snapshot: its custom format, which pg_restore takes apart again. Not compressed: a part is.
 * @throws ToolFailed - retryable; SnapshotLost is found by the session of the group itself.
 */
export async function dumpDefinitions({ context, place, plan, parts }: DefinitionsJob, of: { unit: string; range: string }): Promise<WrittenRange> {
  const spec = await dumpProgram(Number.parseInt(plan.versions['postgresql']!), place, [
    ...definitionsOnly, `--snapshot=${plan.snapshot}`,
  ]);
  return await runProgram(context, spec, async (running) => {
    running.stdin.end();
    return await storeBytes(parts, of, outputOf(running, spec));
  });
}
