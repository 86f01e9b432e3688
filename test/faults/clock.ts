import { existsSync, globSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findTool } from '../../activities/tool/find-tool.ts';
import { skipWithout } from '../harness/required-parts.ts';

const library = (): string | undefined =>
  [...globSync('/usr/lib/*/faketime/libfaketimeMT.so.1'), '/usr/lib/faketime/libfaketimeMT.so.1'].find((path) => existsSync(path));

/** @returns a reason where a process's clock cannot be set here; null where it can. */
export const whyNoClock = (): string | null => (library() ? null : skipWithout('faketime', 'libfaketime is not installed (Debian: libfaketime)'));

/** The wall clock of a worker and its data planes: it can be set while they run. What measures time that passes is left alone. */
export class Clock {
  readonly #file: string;
  readonly #mongod: string;

  constructor(home: string) {
    this.#file = join(home, 'clock');
    this.#mongod = join(home, 'mongod');
    // Now and then a mongod dies at its start with the library in it, even where that fakes nothing.
    writeFileSync(this.#mongod, `#!/bin/sh\nexec env -u LD_PRELOAD '${findTool('mongod')}' "$@"\n`, { mode: 0o755 });
    this.set('+0');
  }

  /** Of processes that are to have it. The databases that a worker starts keep theirs. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: library()!,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_ONLY_CMDS: 'node',
      HOLDFAST_MONGOD: this.#mongod,
    };
  }

  /** @param offset - `+6h`, `-6h`, `+0`: seen within a second */
  set(offset: string): void {
    writeFileSync(`${this.#file}.new`, `${offset}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}
