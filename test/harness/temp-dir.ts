import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from './cleanup.ts';

/** A directory of the test's own, removed when it is over. */
export function tempDir(owner: Owner, prefix = 'holdfast-'): string {
  const directory = mkdtempSync(join(tmpdir(), prefix));
  owner.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}
