import { readdirSync, readFileSync } from 'node:fs';

const lookEveryMs = 200;

/** Watches what some process groups hold in memory together. */
export class MemoryWatch {
  readonly #groups = new Set<number>();
  readonly #timer = setInterval(() => this.#look(), lookEveryMs);
  peakRssBytes = 0;

  /** @param group - the pid of the group's first process. */
  add(group: number): void {
    this.#groups.add(group);
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.peakRssBytes;
  }

  #look(): void {
    let bytes = 0;
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        // proc(5), fields 5 (process group) and 24 (resident pages): the first one here is field 3.
        if (this.#groups.has(Number(fields[2]))) bytes += Number(fields[21]) * 4096;
      } catch {
        // It ended between the listing and the look.
      }
    }
    this.peakRssBytes = Math.max(this.peakRssBytes, bytes);
  }
}
