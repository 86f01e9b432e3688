import { userInfo } from 'node:os';

/** The name on this machine; only claimed, as every name is that no code proves. */
export function currentUser(): string {
  try {
    return process.env['USER'] || userInfo().username;
  } catch {
    return 'unknown';
  }
}
