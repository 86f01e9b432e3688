import { join } from 'node:path';
import { pythonWith } from './python-tools.ts';

const opener = join(import.meta.dirname, '..', '..', 'scripts', 'opener');
export const openerProgram = join(opener, 'open_backup.py');

/** A Python with what the opener needs. @returns its path, or why there is none. */
export const openerPython = async (): Promise<{ path: string } | { missing: string }> => await pythonWith('opener', join(opener, 'requirements.txt'));
