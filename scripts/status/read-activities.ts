import type { WorkflowHandle } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import type { Heartbeat } from '../../activities/heartbeat.ts';
import type { Progress } from '../../workflows/domain/progress.ts';

/** One activity of a run that is under way or waits for its next try. */
export interface ActivityProgress {
  activity: string;
  attempt: number;
  heartbeat: Partial<Heartbeat> | null;
  /** `<type>: <message>`, or a message alone: why the last attempt failed; null when it did not */
  lastFailure: string | null;
}

type Description = Awaited<ReturnType<WorkflowHandle['describe']>>;

/** What the activities of a workflow say of themselves; the client's converter opens what is encrypted. */
export async function readActivities({ client }: WorkflowHandle, { raw }: Description): Promise<ActivityProgress[]> {
  const open = async <T>(payload: Payload | null | undefined): Promise<T | null> => (payload ? await decode<T>(client, payload) : null);
  return await Promise.all(
    (raw.pendingActivities ?? []).map(async ({ activityType, attempt, heartbeatDetails, lastFailure }) => ({
      activity: activityType?.name ?? '',
      attempt: attempt ?? 1,
      heartbeat: await open<Partial<Heartbeat>>(heartbeatDetails?.payloads?.[0]),
      lastFailure: lastFailure ? named(lastFailure.applicationFailureInfo?.type, (await open<{ message: string }>(lastFailure.encodedAttributes))?.message ?? lastFailure.message ?? '') : null,
    })),
  );
}

const named = (type: string | null | undefined, message: string): string => (type ? `${type}: ${message}` : message);

/** A line for each activity whose last try failed. */
export const describeTries = (activities: readonly ActivityProgress[]): string[] =>
  activities.flatMap(({ activity, attempt, lastFailure }) => (lastFailure === null ? [] : [`  ${activity}  try ${attempt}, last: ${lastFailure.split('\n')[0]}`]));

async function decode<T>({ options }: WorkflowHandle['client'], payload: Payload): Promise<T> {
  const { payloadCodecs, payloadConverter } = options.loadedDataConverter;
  let decoded = payload;
  for (const codec of payloadCodecs.toReversed()) [decoded = decoded] = await codec.decode([decoded]);
  return payloadConverter.fromPayload<T>(decoded);
}

/** The activities that have said how far they are. */
export const runningProgress = (activities: readonly ActivityProgress[]): (Progress & { activity: string; source?: string })[] =>
  activities.flatMap(({ activity, heartbeat }) => (heartbeat?.unit === undefined ? [] : [{ ...(heartbeat as Progress), activity }]));
