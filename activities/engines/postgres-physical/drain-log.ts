import { setTimeout as sleep } from 'node:timers/promises';
import type { SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../workflows/domain/log-position.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { listTimelines } from '../../store/timelines.ts';
import { commandedFrom } from '../postgres/fence.ts';
import { withSource } from './connect.ts';
import { parseLsn } from './segment.ts';
import { identityOf, readServerFacts } from './server.ts';
import { findStoredEnd } from './stored-end.ts';

const lookEveryMs = seconds(0.5);
const storedWithinMs = seconds(60);

interface Drained {
  drained: boolean;
  to: LogPosition | null;
  note: string;
}

/**
 * After the fence: has the old primary finish the segment that it is in, and waits until the store holds the log up to there. It lets nobody in by then, so
 * its log has an end. The server pushes it itself, or whoever receives it goes on. Changes nothing else; twice: the same, from a later segment.
 *
 * @returns `drained: false` with the reason when the server cannot be asked, is another one, or the store does not get there within a minute.
 */
export async function drainLog(context: SourceContext, input: SourceRef & { timeline: string }): Promise<Drained> {
  const scope = { system: input.system, source: input.source, timeline: input.timeline };
  const timelines = await listTimelines(context.store, context.keys, scope, { signal: context.signal });
  const timeline = timelines.find(({ body }) => body.timeline === input.timeline)?.body;
  if (!timeline) throw new HoldfastError('BadInput', `${input.system}/${input.source} has no timeline ${input.timeline}`);
  const asked = await finishSegment(context, timeline.sourceIdentity, timeline.environment ?? context.source.environment);
  const startedMs = performance.now();
  let before: bigint | undefined;
  for (;;) {
    const end = await findStoredEnd(context, scope);
    const to = end?.position ?? null;
    if (typeof asked === 'string') return { drained: false, to, note: asked };
    if (end && end.lsn >= asked) return { drained: true, to, note: 'its last segment is stored' };
    if (performance.now() - startedMs >= storedWithinMs) return { drained: false, to, note: `its last segment did not reach the store within ${storedWithinMs / 1000} s: what is missing is on its own disk` };
    before ??= end?.lsn;
    const [done, of] = end && before !== undefined ? [Number(end.lsn - before), Number(asked - before)] : [0, 0];
    context.progress({ phase: 'waiting for the last segment of the fenced server', done, of, unit: 'bytes' });
    await sleep(lookEveryMs, undefined, { signal: context.signal });
  }
}

/** @returns where its log ends, or why it was not asked. */
async function finishSegment(context: SourceContext, identity: string, environment: string): Promise<bigint | string> {
  try {
    return await withSource(context, async (client) => {
      const facts = await readServerFacts(client);
      if (identityOf(facts) !== identity) return `the server that answers is ${identityOf(facts)}, not ${identity}`;
      const { rows } = await client.query<{ lsn: string }>('SELECT pg_switch_wal()::text AS lsn');
      return parseLsn(rows[0]!.lsn);
    }, { environment, database: commandedFrom });
  } catch (error) {
    if (!(error instanceof HoldfastError) || !(error.type === 'SourceUnavailable' || error.type === 'NotPermitted')) throw error;
    return `the old primary could not be asked for its last segment: ${error.message}`;
  }
}
