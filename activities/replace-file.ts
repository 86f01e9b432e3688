import { readFile, rename, writeFile } from 'node:fs/promises';

/** Renamed into place: whoever reads meanwhile, or after a kill, meets the whole of the old text or the whole of the new one. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** What `replaceFile` wrote, as JSON. Undefined: there is none. */
export async function readJsonFile<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
