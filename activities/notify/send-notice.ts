import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Audience, Notice } from '../../workflows/domain/notify/notice.ts';
import { personOf, viewPeople, type PeopleConfig } from '../../workflows/domain/people.ts';
import type { ReceiverConfig } from '../../workflows/domain/notify/schema.ts';
import { resolveAddress, resolveSecret } from '../secrets.ts';
import { lastLoaded, loadSystemFile, type LoadedSystem } from '../system-files.ts';
import type { ReadPage } from './read-page.ts';
import { openNotifier, secretsOf } from './notifier.ts';

/** One try, from the first look at the system file to the receiver's answer. */
const tryMs = 12_000;

export const audienceOf = (config: ReceiverConfig): Audience => ('audience' in config ? config.audience : 'internal');

/**
 * Sends one message to one receiver. The system file is read now: a secret that was changed, or mounted late, is used at once.
 *
 * @param link - where the run is seen; left out of messages to people outside.
 * @param read - finds the report behind a message, which a mail has whole; left out: no mail has one.
 * @returns what the receiver said.
 * @throws ReceiverUnavailable - another try may help. ReceiverRefused, BadSystemFile, UnknownSystem - it will not.
 */
export async function sendNotice(of: { system: string; receiver: string; notice: Notice }, { signal, link, read }: { signal: AbortSignal; link: string | null; read?: ReadPage }): Promise<string> {
  const loaded = await loadFor(of);
  const config = loaded.system.notify?.receivers[of.receiver];
  if (!config) throw new HoldfastError('ReceiverRefused', `systems/${of.system}.yaml has no receiver "${of.receiver}" any more`);
  // A file that was changed since the run began: what was written for one's own people is not for others.
  if (audienceOf(config) !== of.notice.audience) throw new HoldfastError('ReceiverRefused', `receiver "${of.receiver}" is ${audienceOf(config)} now, and the message is ${of.notice.audience}`);
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(tryMs)]);
  const { notice, mails } = of.notice.audience === 'internal' ? withContacts(of.notice, loaded.system.people) : { notice: of.notice, mails: [] };
  const found = config.kind === 'email' && notice.audience === 'internal' && notice.page !== undefined ? await read?.(of.system, notice.page, bounded) : undefined;
  const told = found?.page === null ? { ...notice, lines: [...notice.lines, `the whole report could not be read from the store: ${found.why}`] } : notice;
  return await (await openNotifier(config, contextOf(loaded))).send({ notice: told, mails, ...(found?.page ? { page: found.page } : {}), link: of.notice.audience === 'internal' ? link : null, signal: bounded });
}

/** That a system's file is gone, or cannot be read, is told to whom it named last: as far as this process has read it. */
async function loadFor({ system, notice }: { system: string; notice: Notice }): Promise<LoadedSystem> {
  try {
    return await loadSystemFile(system);
  } catch (error) {
    const last = notice.phase === 'readiness' ? lastLoaded(system) : undefined;
    if (!last) throw error;
    return last;
  }
}

/** How those are reached who are called: whoever gets the message can dial, and a mail goes to them too. What contacts there are stays out of the history. */
function withContacts(notice: Notice, people: PeopleConfig): { notice: Notice; mails: string[] } {
  const called = (notice.called ?? []).map((name) => ({ name, contact: people[personOf(viewPeople(people), name) ?? '']?.contact ?? {} }));
  const lines = called.map(({ name, contact }) => `called: ${[name, ...Object.entries(contact).map(([kind, at]) => `${kind} ${at}`)].join(', ')}`);
  return { notice: { ...notice, lines: [...lines, ...notice.lines] }, mails: called.flatMap(({ contact }) => contact.email ?? []) };
}

const contextOf = ({ directory }: LoadedSystem): Parameters<typeof openNotifier>[1] => ({
  secret: async (ref) => await resolveSecret(ref, directory),
  address: resolveAddress,
});

/** Receivers whose secrets this machine cannot read, and why. Nothing is sent. */
export async function findMuteReceivers(loaded: LoadedSystem): Promise<{ receiver: string; why: Error }[]> {
  const receivers = Object.entries(loaded.system.notify?.receivers ?? {});
  const found = await Promise.all(
    receivers.map(async ([receiver, config]) => {
      try {
        for (const ref of secretsOf(config)) await resolveSecret(ref, loaded.directory);
        return [];
      } catch (error) {
        return [{ receiver, why: error as Error }];
      }
    }),
  );
  return found.flat();
}
