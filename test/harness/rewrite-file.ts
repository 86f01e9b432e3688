import { stat, utimes, writeFile } from 'node:fs/promises';

/** Other bytes in a file that was never written since, for all that its time says: as a disk does that rots. */
export async function rewriteFile(path: string, bytes: Uint8Array): Promise<void> {
  const { atime, mtime } = await stat(path);
  await writeFile(path, bytes);
  await utimes(path, atime, mtime);
}
