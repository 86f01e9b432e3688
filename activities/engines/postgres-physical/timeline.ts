import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Timeline } from '../../../workflows/domain/source-records.ts';
import type { SourceContext } from '../../context.ts';
import { currentOrFirstTimeline } from '../base/timelines.ts';
import { identityOf } from './server.ts';

/**
 * The timeline that this log belongs to; makes the first one. Safe to repeat, and from several jobs at once.
 * @throws BadInput - it is the log of another cluster, or of the same one before or after somebody promoted it: no continuation of what is archived.
 */
export async function openTimeline(context: SourceContext, of: { system: string; timeline: number }, why: string): Promise<Timeline> {
  const identity = identityOf(of);
  const timeline = await currentOrFirstTimeline(context, { identity, epoch: context.epoch, why });
  if (timeline.sourceIdentity === identity) return timeline;
  const [system, number] = timeline.sourceIdentity.split('/');
  const what = system === of.system ? `PostgreSQL timeline ${of.timeline} of cluster ${of.system}: it was promoted, or is the server that another one was recovered from` : `cluster ${of.system}`;
  throw new HoldfastError('BadInput', `this is the log of ${what}; ${context.system.system}/${context.sourceName}/${timeline.timeline} is that of ${system === of.system ? `PostgreSQL timeline ${number}` : `cluster ${system}`}`, {
    hint: 'correct the endpoint, or the archive_command, if that is the wrong server; a server that was promoted without Holdfast, or made anew, is another source: give it a name of its own in the system file',
  });
}
