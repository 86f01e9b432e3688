import { fileURLToPath } from 'node:url';
import { mib, seconds } from '../../workflows/domain/units.ts';
import { startTimeOf } from '../tool/process-group.ts';
import { startTool, type RunningTool } from '../tool/run-tool.ts';
import { backgroundFlag, type JobMessage, type Preparation } from './messages.ts';

/** A process of the data plane. It does one job at a time, and may be given another when it has done that one. */
export interface Child {
  tool: RunningTool;
  /** what it says, over all its jobs */
  messages: AsyncIterator<JobMessage>;
  /** what it was started with; only an order that wants the same gets it again */
  kind: string;
  /** it has done a job before: it answers at once or not at all */
  warm: boolean;
}

export interface ChildOptions {
  program: string;
  /** JavaScript heap; buffers come on top */
  heapMib: number;
  /** runs below everything else on the machine */
  background: boolean;
  /** its job has no end */
  stands: boolean;
}

/** Half of a child's start is compiling the same files again. Node passes over a cache that it cannot write. */
const compileCache = fileURLToPath(new URL('../../node_modules/.cache/holdfast', import.meta.url));
/** Long enough for a run's next step, behind one that does without, or a backup's next group; what idles longer is ended. */
const idleForMs = seconds(6);
/** What plans or prepares takes no longer, as a rule. */
const spareForMs = seconds(5);
/** One that a job left larger is not used again: its memory would count for the next job's. */
const reusedBelowBytes = mib(320);

const idle = new Map<Child, NodeJS.Timeout>();

/**
 * A process for one job: one that has just done another well, or a new one. A start costs most of a second of processor
 * time until the code is compiled and warm, which is more than many jobs take.
 */
export function takeChild(options: ChildOptions): Child {
  const kind = kindOf(options);
  for (const child of idle.keys()) {
    // Killed a moment ago, and nobody has told us yet.
    if (child.kind !== kind || startTimeOf(child.tool.pid) === undefined) continue;
    forget(child);
    return child;
  }
  return startChild(options, kind);
}

/**
 * Starts one that a job is soon to come for, beside another, so that this one need not wait for its start. Nothing where one idles.
 * @param preparation - of a job of the same source: what that works with is loaded too.
 */
export function startSpare(options: ChildOptions, preparation: Preparation): void {
  const kind = kindOf(options);
  for (const child of idle.keys()) if (child.kind === kind) return;
  const child = startChild(options, kind);
  // One that dies at once is told of by its end.
  child.tool.send(preparation).catch(() => undefined);
  keep(child, spareForMs);
}

function startChild(options: ChildOptions, kind: string): Child {
  const tool = startTool('node', [...memoryFlags(options), options.program, ...(options.background ? [backgroundFlag] : [])], {
    ipc: true,
    // Two arenas: with one per thread, glibc keeps several times the memory that is in use.
    env: { MALLOC_ARENA_MAX: '2', ...mallocOf(options), NODE_COMPILE_CACHE: compileCache },
  });
  const child: Child = { tool, messages: (tool.messages() as AsyncIterable<JobMessage>)[Symbol.asyncIterator](), kind, warm: false };
  // Whoever has a job on it waits for its end as well. One that ends while it idles is not given out again.
  void tool.done.catch(() => undefined).then(() => forget(child));
  tool.stdout.resume();
  return child;
}

/** Gives back one whose job is done: it waits for another for a moment. @param rssBytes - of memory that it holds now */
export function giveBack(child: Child, rssBytes: number): void {
  child.warm = true;
  if (rssBytes >= reusedBelowBytes) void child.tool.kill();
  else keep(child, idleForMs);
}

function keep(child: Child, forMs: number): void {
  idle.set(child, setTimeout(() => end(child), forMs));
}

/** Out of the list first: one that has been told to end must not be given a job. */
function end(child: Child): void {
  forget(child);
  void child.tool.kill();
}

function forget(child: Child): void {
  clearTimeout(idle.get(child));
  idle.delete(child);
}

/** A child has the environment of its start: with another one it would find other systems and other secrets. */
const kindOf = ({ program, heapMib, background, stands }: ChildOptions): string => JSON.stringify([program, heapMib, background, stands, process.env]);

/**
 * What restores takes parts (up to 16 MiB) out of the heap, whose end is kept: were each mapped on its own, the kernel would clear every page of every part anew, which took a sixth of a restore's
 * processor time. What dumps uses its parts' memory again by itself, and is small enough for its next job only if the rest goes back; what stands for days keeps no room between what stays.
 */
const mallocOf = ({ background, stands }: ChildOptions): Record<string, string> =>
  (background || stands ? { MALLOC_MMAP_THRESHOLD_: String(mib(4)) } : { MALLOC_MMAP_THRESHOLD_: String(mib(32)), MALLOC_TRIM_THRESHOLD_: String(mib(128)) });

/** What streams through is memory outside V8's heap. Counted with it, V8 collects everything when that grows, and not whenever 64 MiB more of it lie there, as of a few parts in flight they do all the time. */
const memoryFlags = ({ heapMib, stands }: ChildOptions): string[] => [`--max-old-space-size=${heapMib}`, '--max-semi-space-size=16', ...(stands ? [] : ['--external-memory-accounted-in-global-limit'])];
