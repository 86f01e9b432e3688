import { join } from 'node:path';
import { postgresPlaceOf, type PostgresPlace } from '../../provision/postgres-place.ts';
import type { ProvisionContext } from '../../provision/provisioner.ts';

/** Where a PostgreSQL server is restored to as files, and runs: `data` comes out of a base, so nothing runs there until its log is replayed. */
export interface PhysicalPlace extends PostgresPlace {
  /** of the server's account alone: the WAL that it is given */
  spool: string;
  /** where people keep the server's configuration, which no base holds (`configuration.ts`) */
  configuration: string | undefined;
}

/** @throws BadSystemFile - the standby's address is none of one PostgreSQL server. */
export function physicalPlace(context: Pick<ProvisionContext, 'system' | 'sourceName' | 'address'>): PhysicalPlace {
  const place = postgresPlaceOf(context);
  const provision = context.system.standby.provision[context.sourceName]!;
  const configuration = provision.uses === 'local' ? provision.configuration : undefined;
  return { ...place, spool: join(place.directory, 'wal'), configuration: configuration === undefined ? undefined : context.address(configuration) };
}
