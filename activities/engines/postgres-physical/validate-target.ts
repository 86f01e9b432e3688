import pg from 'pg';
import type { TargetRef, ValidationResult } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { askInSql } from '../postgres/ask-in-sql.ts';
import { targetPlace } from '../postgres/connect.ts';
import { requireTarget } from './restore.ts';
import { logInByItsSocket, userOf } from './target-server.ts';

/**
 * Asks the restored server one question of the system file, by its own socket: it waits at the end of its log, and only reads. Safe to repeat.
 * @throws BadInput - there is no such validator, or it is of another source. Unsupported - it asks for more than an answer in SQL. NotPermitted. TargetUnavailable - retryable.
 */
export async function validateTarget(context: SourceContext, { target, point, validator: id }: { target: TargetRef; point: RecoveryPoint; validator: string }): Promise<ValidationResult> {
  const question = context.system.validators.find((one) => one.id === id);
  if (!question) throw new HoldfastError('BadInput', `${context.system.system} has no validator "${id}"`, { hint: `known: ${context.system.validators.map((one) => one.id).join(', ')}` });
  if (question.uses !== 'sql') throw new HoldfastError('Unsupported', `validator "${id}" uses ${question.uses}: a server of the engine "postgres-physical" answers questions in SQL, and nothing else looks into it`);
  if (question.source !== context.sourceName) throw new HoldfastError('BadInput', `validator "${id}" is of source "${question.source}", not of "${context.sourceName}"`);
  context.progress({ phase: `ask ${id}`, done: 0, of: 0, unit: 'answers' });
  const place = await requireTarget(context, target);
  const database = question.database ?? (await targetPlace(context, target)).address.database;
  let client: pg.Client | undefined;
  try {
    client = await logInByItsSocket(place, userOf(context), { database, withinMs: question.within + seconds(10) });
    return { id, effect: question.effect, ...(await askInSql(client, question, point.reachesAt)) };
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const code = error instanceof pg.DatabaseError ? (error.code ?? '') : '';
    if (/^(3D|28|42501)/.test(code)) throw new HoldfastError('NotPermitted', `validator "${id}" cannot ask database ${database} of the restored server as ${userOf(context)}: ${(error as Error).message}`, { cause: error });
    throw new HoldfastError('TargetUnavailable', `the restored server did not answer validator "${id}": ${(error as Error).message}`, { cause: error });
  } finally {
    await client?.end().catch(() => undefined);
  }
}
