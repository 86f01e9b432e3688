import { statfs } from 'node:fs/promises';

/** What may still be written on the disk that a path lies on; what is kept for root is nobody's room. @throws as the file system does: the path is not there, or may not be reached. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
