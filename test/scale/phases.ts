import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobName } from '../../activities/data-plane/jobs.ts';
import { groupLives } from '../../activities/tool/process-group.ts';
import { parseRangeKey } from '../../workflows/domain/layout.ts';
import { mib } from '../../workflows/domain/units.ts';
import { sideBySide } from '../../workflows/steps/side-by-side.ts';
import type { StoreProxy } from '../harness/store-proxy.ts';
import type { Mongod } from '../harness/mongod.ts';
import { until } from '../harness/until.ts';
import type { World } from '../bench/world.ts';
import { Forecasts, PeakMemory, type Forecast } from './watch.ts';

/** One line of the result. */
export interface PhaseLine {
  phase: string;
  tookMs: number;
  bytes: number;
  entries: number;
  peakRssBytes: number;
  processes: number;
  forecast: Forecast | null;
  /** null: nothing was killed in it */
  killed: Killed | null;
  /** processes that wanted to run, on average over the minute before its end: who shares the machine slows what is measured */
  load: number;
}

export interface Killed {
  /** how much was done when all processes of the phase were killed */
  atPercent: number;
  processes: number;
  of: 'parts' | 'slices';
  /** put (backup, archive) or got (restore, replay) over the whole phase, as counted at the store's door, beyond one of each */
  partsTwice: number;
  parts: number;
  /** as many as may be in flight in as many processes */
  allowed: number;
}

export interface Group {
  group: string;
  bytes: number;
  /** collections or parts */
  pieces: number;
}

/** Parts that one process may have in its hands at once: three that are loaded, or two that are put and one that is cut. Of many tiny ones four times as many. */
const inFlight = 3;
const isTiny = (bytes: number): boolean => bytes <= mib(1);
const killAtPercent = 90;

/** A replay has three slices ahead and one in its hands; an archive puts one slice after another. */
const slicesInFlight = { GET: 4, PUT: 1 };

/**
 * What the one process of a log was asked for, or put, though it lay behind it. A slice that is got has the name that it had before the kill; one that is put
 * again is cut elsewhere, and begins before what is stored ends.
 */
export function slicesTwice(method: 'GET' | 'PUT', keys: readonly string[]): number {
  if (method === 'GET') return keys.length - new Set(keys).size;
  let storedTo = '';
  return keys.filter((key) => {
    const { from, to } = parseRangeKey(key)!;
    const again = from < storedTo;
    if (to > storedTo) storedTo = to;
    return again;
  }).length;
}
/** One may have answered just before it was killed: the next job is given no process that is about to die. */
const areGone = async (pids: readonly number[]): Promise<void> => void (await until('what was killed is gone', () => !pids.some(groupLives)));

/** What the phases share: where they run, and who counts. */
export class Phases {
  readonly world: World;
  readonly door: StoreProxy;
  readonly lines: PhaseLine[] = [];
  readonly #trace: (line: object) => void;

  /** @param trace - called each second with how far a phase is, and what the largest of its processes holds. */
  constructor(world: World, door: StoreProxy, trace: (line: object) => void = () => undefined) {
    this.world = world;
    this.door = door;
    this.#trace = trace;
  }

  #forecasts(phase: string, memory: PeakMemory, ofBytes?: number, ofPieces?: number): Forecasts {
    const startedAtMs = Date.now();
    return new Forecasts(ofBytes, (progress) => this.#trace({ job: phase, atMs: Date.now() - startedAtMs, heldBytes: memory.heldBytes, ...progress }), false, ofPieces);
  }

  /** Groups side by side, as a workflow runs them. At nine tenths all their processes are killed, and the rest is done again. */
  async groups<R extends { plainBytes: number }>(
    phase: string,
    job: JobName,
    groups: readonly Group[],
    of: { input(group: string, width: number): object; method: 'PUT' | 'GET'; parts(done: readonly R[]): number; target?: Mongod },
  ): Promise<R[]> {
    const memory = new PeakMemory();
    const startedAtMs = Date.now();
    const forecasts = this.#forecasts(phase, memory, groups.reduce((sum, { bytes }) => sum + bytes, 0), groups.reduce((sum, { pieces }) => sum + pieces, 0));
    const width = Math.max(1, Math.min(4, groups.length, this.world.slots));
    const running = new Map<string, number>();
    const done = new Map<string, R>();
    let killed: { atPercent: number; pids: number[] } | undefined;
    const kill = (): void => {
      killed = { atPercent: forecasts.percent, pids: [...running.values()] };
      for (const pid of killed.pids) process.kill(-pid, 'SIGKILL');
    };
    const attempt = async ({ group, bytes, pieces }: Group): Promise<void> => {
      if (done.has(group)) return;
      const result = await this.world.job<R>(job, of.input(group, width), {
        ...(of.target ? { target: of.target } : {}),
        onStart: (pid) => {
          memory.add(pid);
          running.set(group, pid);
        },
        onPeakRss: (peak) => memory.said(peak),
        progress: (reading) => {
          forecasts.take(group, reading);
          if (!killed && forecasts.percent >= killAtPercent && running.size > 0) kill();
        },
      }).finally(() => {
        running.delete(group);
        forecasts.lost(group);
      });
      done.set(group, result);
      forecasts.done(group, result.plainBytes, bytes, pieces);
    };
    try {
      await sideBySide(groups, width, attempt).catch((error: unknown) => {
        if (!killed) throw error;
      });
      await areGone(killed?.pids ?? []);
      await sideBySide(groups, width, attempt);
      const counted = of.parts([...done.values()]);
      const bytes = [...done.values()].reduce((sum, { plainBytes }) => sum + plainBytes, 0);
      const asked = this.#passed(of.method, '/parts/', startedAtMs).length;
      this.#note({
        phase,
        tookMs: Date.now() - startedAtMs,
        bytes,
        entries: 0,
        memory,
        forecast: forecasts.end(),
        killed: killed ? { atPercent: killed.atPercent, processes: killed.pids.length, of: 'parts', parts: counted, partsTwice: asked - counted, allowed: killed.pids.length * inFlight * (isTiny(bytes / Math.max(1, counted)) ? 4 : 1) } : null,
      });
    } finally {
      memory.stop();
    }
    return groups.map(({ group }) => done.get(group)!);
  }

  /** One job from its beginning to its end. A phase of its own that it tells of is a line of its own. */
  async job<R>(phase: string, job: JobName, input: object, of: { bytes: number; entries: number; target?: Mongod; killAtPercent?: number }): Promise<R> {
    const memory = new PeakMemory();
    const startedAtMs = Date.now();
    let named = '';
    let forecasts: Forecasts | undefined;
    const all = new Forecasts(undefined, undefined, true);
    const ended: { phase: string; startedAtMs: number; endedAtMs: number; forecast: Forecast }[] = [];
    let phaseStartedAtMs = startedAtMs;
    const endPhase = (): void => {
      if (forecasts) ended.push({ phase: named, startedAtMs: phaseStartedAtMs, endedAtMs: Date.now(), forecast: forecasts.end() });
      phaseStartedAtMs = Date.now();
      forecasts = undefined;
    };
    let pid = 0;
    let killedAt: number | undefined;
    let killed = 0;
    const run = async (): Promise<R> => await this.world.job<R>(job, input, {
      ...(of.target ? { target: of.target } : {}),
      onStart: (started) => memory.add((pid = started)),
      onPeakRss: (peak) => memory.said(peak),
      progress: (reading) => {
        if (reading.phase !== named) endPhase();
        named = reading.phase;
        forecasts ??= this.#forecasts(`${phase}: ${named}`, memory);
        forecasts.take(job, reading);
        all.take(job, reading);
        if (of.killAtPercent === undefined || killedAt !== undefined || forecasts.percent < of.killAtPercent) return;
        killedAt = forecasts.percent;
        process.kill(-(killed = pid), 'SIGKILL');
      },
    });
    try {
      const result = await run().catch(async (error: unknown) => {
        if (killedAt === undefined) throw error;
        return await run();
      });
      await areGone(killed > 0 ? [killed] : []);
      endPhase();
      const [only] = ended;
      const whole = all.end();
      this.#note({
        phase, tookMs: Date.now() - startedAtMs, bytes: of.bytes, entries: of.entries, memory,
        forecast: ended.length === 1 && only ? only.forecast : whole.made > 0 ? whole : null,
        killed: killedAt === undefined ? null : this.#killedLog('GET', killedAt, startedAtMs),
      });
      if (ended.length > 1) for (const { phase: name, forecast, ...at } of ended) this.#note({ phase: `${phase}: ${name}`, tookMs: at.endedAtMs - at.startedAtMs, bytes: 0, entries: 0, memory, forecast, killed: null });
      return result;
    } finally {
      memory.stop();
    }
  }

  /** Work that is none of a data plane's job to its end: timed, with the memory of the processes that it starts. */
  async timed<R>(phase: string, of: { bytes: number; entries: number }, work: (memory: PeakMemory, killedAt: (percent: number) => void) => Promise<R>): Promise<R> {
    const memory = new PeakMemory();
    const startedAtMs = Date.now();
    try {
      let killedAt: number | undefined;
      const result = await work(memory, (percent) => (killedAt = percent));
      // The last look at what runs on.
      await sleep(300);
      this.#note({ phase, tookMs: Date.now() - startedAtMs, ...of, memory, forecast: null, killed: killedAt === undefined ? null : this.#killedLog('PUT', killedAt, startedAtMs) });
      return result;
    } finally {
      memory.stop();
    }
  }

  #passed(method: 'PUT' | 'GET', room: string, sinceMs: number): string[] {
    return this.door.seen((request) => request.method === method && request.key.includes(room) && request.status !== undefined && request.status < 300, sinceMs).map(({ key }) => key);
  }

  #killedLog(method: 'PUT' | 'GET', atPercent: number, sinceMs: number): Killed {
    const keys = this.#passed(method, '/slices/', sinceMs);
    return { atPercent, processes: 1, of: 'slices', parts: keys.length, partsTwice: slicesTwice(method, keys), allowed: slicesInFlight[method] };
  }

  #note({ memory, ...line }: Omit<PhaseLine, 'peakRssBytes' | 'processes' | 'load'> & { memory: PeakMemory }): void {
    const noted: PhaseLine = { ...line, peakRssBytes: memory.mostBytes, processes: memory.processes, load: loadavg()[0]! };
    this.lines.push(noted);
    this.world.options.say(`  ${noted.phase}: ${Math.round(noted.tookMs / 100) / 10} s, ${Math.round(noted.peakRssBytes / 1024 / 1024)} MiB`);
  }
}
