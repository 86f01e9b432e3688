import type { MongoClient } from 'mongodb';
import { layout, type TimelineScope } from '../../../../workflows/domain/layout.ts';
import { logPosition, parseLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { SourceContext } from '../../../context.ts';
import { foldersUnder } from '../../../store/keys-under.ts';
import { findSigned } from '../../../store/signed-object.ts';
import { planSchema } from '../plan.ts';
import { readPositions } from '../server-facts.ts';
import { entryAtOrBefore, oldestHeld } from './held-log.ts';

/** A dump takes its `logFrom` before it writes its plan: one whose plan is not there yet began at most this long ago. */
const slackSeconds = 120;

/**
 * Where the archive of a timeline begins, exclusive.
 *
 * A base is usable once slices hold the log from its `logFrom` on, so the archive begins there for the earliest base (or
 * dump under way) that the source's log still reaches, and otherwise two minutes ago. It is the archive that reaches back and not the
 * dump that waits, because a base can be taken while no archive runs.
 */
export async function chooseStart(context: SourceContext, client: MongoClient, scope: TimelineScope): Promise<LogPosition> {
  const { majority } = await readPositions(client);
  const { seconds, ordinal } = parseLogPosition(majority);
  const oldest = await oldestHeld(client);
  let start = logPosition(Math.max(0, seconds - slackSeconds), ordinal);
  for (const logFrom of await plannedFrom(context, scope)) if (logFrom >= oldest && logFrom < start) start = logFrom;
  return await entryAtOrBefore(client, start);
}

async function plannedFrom(context: SourceContext, scope: TimelineScope): Promise<LogPosition[]> {
  const positions: LogPosition[] = [];
  for await (const backup of foldersUnder(context.store, layout.backups(scope), context.signal)) {
    const { found } = await findSigned(context.store, context.keys, planSchema, layout.plan({ ...scope, backup }), { signal: context.signal });
    if (found) positions.push(found.body.logFrom);
  }
  return positions;
}
