import pg from 'pg';
import type { TargetRef, ValidationResult } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { ValidatorConfig } from '../../../workflows/domain/system.ts';
import { formatDuration } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { targetPlace, withClient, withoutValues } from './connect.ts';

type Question = Extract<ValidatorConfig, { uses: 'sql' }>;
type Answered = Omit<ValidationResult, 'id' | 'effect'>;

const compared = { collections: [], collectionCount: 0 };

/**
 * Asks the target of a run one question of the system file. Only reads; safe to repeat.
 * @throws BadInput - it is a question to another source. NotPermitted - the target's user may not read what it asks for. TargetUnavailable.
 */
export async function askTarget(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }, question: Question): Promise<Answered> {
  if (question.source !== context.sourceName) throw new HoldfastError('BadInput', `validator "${question.id}" is of source "${question.source}", not of "${context.sourceName}"`);
  if (point.only) return { ok: true, claim: 'nothing: it may ask for what is not part of this partial restore', problems: [], ...compared };
  context.progress({ phase: `ask ${question.id}`, done: 0, of: 0, unit: 'answers' });
  return await withClient(context, await targetPlace(context, target), async (client) => await askInSql(client, question, point.reachesAt));
}

/**
 * The question as a cursor of a transaction that only reads: what is no SELECT is no cursor, and of what it answers two rows are fetched at most. It finds names by the
 * database's own search path, as the application does. What it costs the server is bounded by its time.
 * @param moment - that the data is of; the question may ask for it.
 */
export async function askInSql(client: pg.Client, question: Question, moment: string): Promise<Answered> {
  await client.query('BEGIN TRANSACTION READ ONLY');
  try {
    await client.query(`SELECT pg_catalog.set_config('holdfast.moment', $1, true), pg_catalog.set_config('statement_timeout', $2, true)`, [moment, String(question.within)]);
    await client.query('SET LOCAL search_path TO DEFAULT');
    const problem = await problemOf(client, question);
    return { ok: problem === null, claim: `its question in SQL is answered with ${expectedOf(question)}`, problems: problem === null ? [] : [problem], ...compared };
  } finally {
    await client.query('ROLLBACK').catch(() => undefined);
  }
}

async function problemOf(client: pg.Client, question: Question): Promise<string | null> {
  try {
    // One statement, whatever is in it: the server prepares no two.
    await client.query({ text: `DECLARE holdfast_answer NO SCROLL CURSOR FOR ${question.statement.trim().replace(/;$/, '')}`, queryMode: 'extended' } as pg.QueryConfig);
    const { rows, fields } = await client.query<(string | null)[]>({ text: 'FETCH 2 FROM holdfast_answer', rowMode: 'array', types: asText });
    if (fields.length !== 1) return `it answers with ${fields.length} columns, expected one`;
    if (rows.length !== 1) return `it answers with ${rows.length === 0 ? 'no row' : 'more than one row'}, expected one`;
    return judge(rows[0]![0]!, question);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const { code = '' } = error;
    if (code === '57014') return `no answer within ${formatDuration(question.within)}`;
    if (!isRefusal.test(code)) throw error;
    return `the server refuses the question: ${withoutValues(error)} (SQLSTATE ${code})`;
  }
}

/** The question is wrong, or what it asks for is not there. What a right would help is not among them, nor what another try would. */
const isRefusal = /^(0A|22|23|25006|26|34|38|3F|42(?!501)|54|P0)/;

const asText = { getTypeParser: () => (text: string | Buffer): string => String(text) } as pg.CustomTypesConfig;

function judge(answer: string | null, question: Question): string | null {
  const { equals, min = -Infinity, max = Infinity } = question;
  const number = answer === null || answer.trim() === '' ? NaN : Number(answer);
  if (typeof equals === 'string' ? answer === equals : typeof equals === 'boolean' ? answer === (equals ? 't' : 'f') : typeof equals === 'number' ? number === equals : number >= min && number <= max) return null;
  return `it answers with ${shown(answer, number)}, expected ${expectedOf(question)}`;
}

/** A text may be anybody's data, and this goes into histories and reports. */
const shown = (answer: string | null, number: number): string => (answer === null ? 'nothing (NULL)' : /^[tf]$/.test(answer) ? String(answer === 't') : Number.isNaN(number) ? 'another text' : answer);

function expectedOf({ equals, min, max }: Question): string {
  if (equals !== undefined) return typeof equals === 'string' ? 'the text that is expected' : String(equals);
  return min === undefined ? `${max} at most` : max === undefined ? `${min} at least` : `${min} to ${max}`;
}
