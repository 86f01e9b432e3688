import { HoldfastError } from '../../workflows/domain/errors.ts';
import { knockUntilClosed } from '../tool/knock.ts';

/** Somebody else's server at our port would be taken for the target, and be written to. @param withinMs - how long one of ours may take to be gone. */
export async function refuseTakenPort(port: number, of: string, withinMs: number): Promise<void> {
  if ((await knockUntilClosed('127.0.0.1', port, withinMs)) !== 'open') return;
  throw new HoldfastError('TargetNotEmpty', `something that no run started serves at 127.0.0.1:${port}`, { hint: `stop it, or give ${of} another port` });
}
