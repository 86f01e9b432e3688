import { workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { startLocked } from './children.ts';
import type { VerifyResult } from './contract.ts';
import { lockIds } from './domain/names.ts';
import { verificationFailed, verificationWell } from './domain/notify/other-notices.ts';
import { permissions } from './domain/permissions.ts';
import type { SystemView } from './domain/system-view.ts';
import { formatBytes } from './domain/units.ts';
import { describeSample, type VerifyScope } from './domain/verification.ts';
import { describeFailure } from './failure.ts';
import { Announcer } from './notify/announcer.ts';
import type { RunBackupInput } from './run-backup.ts';

/** Who asks for a base that a damage makes necessary, in manifests and in the audit. */
export const byVerification = 'verification';

/** What one source came to, for people. */
export const describeVerified = ({ source, scope, ok, backup, objects, bytes, slices, restorable, problems, sample }: VerifyResult): string =>
  [
    scope === 'keys' ? `${source}: **${ok ? 'every key opens' : `${problems.length} problems`}** ${objects} wrappings opened` : `${source}: **${ok ? 'verified' : `${problems.length} problems`}** ${backup ?? (sample ? describeSample(sample) : 'no backup')}, ${objects} objects, ${formatBytes(bytes)}, ${slices} slices`,
    ...(restorable ? [`restorable from ${restorable.from} to ${restorable.to}`] : []),
    ...problems.slice(0, 3).map(({ key, problem }) => `${key}: ${problem}`),
  ].join('; ');

/** The first of what is damaged, and how much more there is. */
export function damageOf(results: readonly VerifyResult[]): string {
  const problems = results.flatMap(({ source, problems: found }) => found.map(({ key, problem }) => `${source} ${key}: ${problem}`));
  return `${problems.slice(0, 5).join('; ')}${problems.length > 5 ? `; and ${problems.length - 5} more` : ''}`;
}

/**
 * Starts a base of what is newly found damaged, and does not wait for it: it tells people itself how it ends. Where a backup goes on already, that one is it.
 *
 * Killed before the start: the next task starts it. After it: the backup goes on by itself.
 *
 * @returns what was done, a sentence.
 */
export async function startNewBase({ system }: SystemView, results: readonly VerifyResult[]): Promise<string> {
  const hurt = results.filter(({ newBaseWanted }) => newBaseWanted).map(({ source }) => source);
  if (hurt.length === 0) return 'No new base is started: a verification before this one has told of the same, or this worker’s key does not open what lies there.';
  const workflowId = lockIds.backup(system);
  const why = `verification found ${hurt.join(', ')} damaged`;
  const input: RunBackupInput = { system, source: hurt.length === 1 ? hurt[0] : undefined, why, requestedBy: byVerification, once: true };
  const child = await startLocked('runBackup', workflowId, input, `new base of ${system} after damage`);
  const { workflowId: ours, runId } = workflowInfo();
  const about = `${permissions['back-up'].about}: ${why}${child ? '' : '; one goes on already'}`;
  await callControl('recordAct', { system, by: byVerification, act: 'back-up', outcome: 'permitted', about, workflow: 'runBackup', workflowId: ours, runId }, 'audit: a new base is started').catch(unlessAborted);
  return child ? `A new base is being taken: workflow ${workflowId}.` : `A backup goes on already, and is the new base: workflow ${workflowId}.`;
}

function unlessAborted(error: unknown): void {
  if (describeFailure(error).type === 'Aborted') throw error;
}

export async function tellDamage({ system, notify }: SystemView, scope: VerifyScope, results: readonly VerifyResult[], next: string): Promise<void> {
  const announcer = new Announcer(system, () => undefined);
  announcer.tell(notify, 'verification-failed', (origin) => verificationFailed(origin, { scope, lines: results.map(describeVerified).map(plain) }, next));
  await announcer.flush();
}

export async function tellWell({ system, notify }: SystemView, scope: VerifyScope, results: readonly VerifyResult[]): Promise<void> {
  const announcer = new Announcer(system, () => undefined);
  const said = { scope, lines: results.map(describeVerified).map(plain) };
  announcer.tell(notify, 'verified', (origin) => verificationWell(origin, said, 'verified'));
  const ofFailures = (notify?.receivers ?? []).filter(({ phases }) => phases.includes('verification-failed') && !phases.includes('verified'));
  if (workflowInfo().lastFailure) announcer.tell(notify, 'verification-failed', (origin) => verificationWell(origin, said, 'verification-failed'), ofFailures.map(({ name }) => name));
  await announcer.flush();
}

const plain = (line: string): string => line.replaceAll('**', '');
