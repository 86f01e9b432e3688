import { ScheduleNotFoundError, type Client } from '@temporalio/client';

/** What Temporal knows of a schedule that its file does not say. */
export interface OnServer {
  /** when it was made, UTC ISO: what was due before that is nobody's fault */
  since: string;
  paused: boolean;
}

/** One that is not there is left out. */
export async function readOnServer(client: Client, ids: readonly string[]): Promise<Record<string, OnServer>> {
  const found = await Promise.all(
    ids.map(async (id): Promise<[string, OnServer] | undefined> => {
      try {
        const { info, state } = await client.schedule.getHandle(id).describe();
        return [id, { since: info.createdAt.toISOString(), paused: state.paused }];
      } catch (error) {
        if (error instanceof ScheduleNotFoundError) return undefined;
        throw error;
      }
    }),
  );
  return Object.fromEntries(found.filter((one) => one !== undefined));
}
