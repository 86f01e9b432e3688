import { join } from 'node:path';
import type { TargetRef } from '../../workflows/contract.ts';
import { readJsonFile, replaceFile } from '../replace-file.ts';
import type { ProvisionContext } from './provisioner.ts';

/** Which database a run has claimed: what tells it from another of the same name. */
export interface RestoredDatabase {
  run: string;
  /** as its server knows it: cluster/oid */
  identity: string;
}

const fileOf = ({ system, sourceName, address }: Pick<ProvisionContext, 'system' | 'sourceName' | 'address'>): string => join(address(system.standby.provision[sourceName]!.directory), 'database.json');

/** Written once the database is claimed, before anything is made in it: only what is noted here is ever taken away again. */
export async function noteDatabase(context: Pick<ProvisionContext, 'system' | 'sourceName' | 'address'>, { run }: Pick<TargetRef, 'run'>, identity: string): Promise<void> {
  await replaceFile(fileOf(context), JSON.stringify({ run, identity } satisfies RestoredDatabase));
}

export async function readRestoredDatabase(context: Pick<ProvisionContext, 'system' | 'sourceName' | 'address'>): Promise<RestoredDatabase | undefined> {
  return await readJsonFile(fileOf(context));
}
