import { readFile } from 'node:fs/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';

/** Certificates, or a key with them, as PEM. @throws BadSystemFile - the file cannot be read; names whose it is. */
export async function readCa(path: string, of: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new HoldfastError('BadSystemFile', `${of}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`);
  }
}
