import { existsSync, statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { SealedSegment } from './push-segment.ts';
import { kindOfFile, numberOfName, segmentName, timelineOfName } from './segment.ts';

type Seal = (path: string) => Promise<SealedSegment | undefined>;

/**
 * Has the segment behind the one that was pushed sealed as soon as the server marks it as ready, which is a moment before it asks for it: then it is only to be stored.
 *
 * One at most, and in memory: what is never asked for stays the last, so that a server whose archive_command was changed has no work done for it. Killed anywhere, nothing is lost.
 *
 * @source PostgreSQL, pg_wal/archive_status: NAME.ready is made once NAME is whole, and renamed to NAME.done behind the command's success.
 */
export class SealAhead {
  /** the one that was pushed last, and how another is sealed */
  #behind: { path: string; seal: Seal } | undefined;
  #sealed: { path: string; segment: Promise<SealedSegment | undefined> } | undefined;
  #watched: { directory: string; watcher: FSWatcher } | undefined;

  /** What was sealed of this one; whatever else was is let go. */
  async take(path: string): Promise<SealedSegment | undefined> {
    const taken = this.#sealed;
    this.#sealed = undefined;
    return taken?.path === path ? await taken.segment : undefined;
  }

  /** This one is pushed: from now on the next is looked for. */
  follow(path: string, seal: Seal): void {
    if (kindOfFile(basename(path)) !== 'segment') return;
    this.#behind = { path, seal };
    this.#watch(statusOf(path));
    this.#look();
  }

  /** Lets go of everything. */
  end(): void {
    this.#watched?.watcher.close();
    this.#watched = undefined;
    this.#behind = undefined;
    this.#sealed = undefined;
  }

  #watch(directory: string): void {
    if (this.#watched?.directory === directory) return;
    this.#watched?.watcher.close();
    this.#watched = undefined;
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#look());
      // Gone, with its server.
      watcher.on('error', () => watcher.close());
      this.#watched = { directory, watcher };
    } catch {
      // No such directory, or no more watches to be had: it is sealed when it is asked for.
    }
  }

  #look(): void {
    if (!this.#behind || this.#sealed) return;
    const { path, seal } = this.#behind;
    const next = followerOf(path);
    if (next === undefined || !existsSync(join(statusOf(next), `${basename(next)}.ready`))) return;
    // What is wrong with it is said to who asks for it.
    this.#sealed = { path: next, segment: seal(next).catch(() => undefined) };
  }
}

const statusOf = (path: string): string => join(dirname(path), 'archive_status');

function followerOf(path: string): string | undefined {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size;
  if (!bytes) return undefined;
  const name = basename(path);
  return join(dirname(path), segmentName({ timeline: timelineOfName(name), number: numberOfName(name, bytes) + 1, bytes }));
}
