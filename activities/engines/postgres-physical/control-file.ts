import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { runTool } from '../../tool/run-tool.ts';
import type { PhysicalPlace } from './place.ts';

/**
 * What a data directory says of itself, also while it is served, by the name of the line. A newer pg_controldata reads it too while the file has the same form, which its checksum tells.
 * @throws ToolMissing - there is none of the server's version or newer. @throws TargetUnavailable - retryable: a newer one cannot read it.
 */
export async function readControlFile({ dataDirectory }: PhysicalPlace, major: number): Promise<(name: string) => string | undefined> {
  const program = await findPostgresProgram('pg_controldata', major);
  const { stdout, stderr } = await runTool(program, [dataDirectory], { env: { LC_ALL: 'C' } });
  if (program.major !== major && /CRC checksum does not match/i.test(stdout + stderr)) {
    throw new HoldfastError('TargetUnavailable', `${program.path} of PostgreSQL ${program.major} does not read the control file of ${dataDirectory}, which is of PostgreSQL ${major}`, { hint: `install pg_controldata of PostgreSQL ${major} (Debian: postgresql-${major})` });
  }
  return (name) => new RegExp(`^${name}:\\s+(.+)$`, 'm').exec(stdout)?.[1];
}
