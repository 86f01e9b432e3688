import { BSON, type Document, type MongoClient } from 'mongodb';
import { matchesNamespace } from '../../../workflows/domain/chosen-namespaces.ts';
import type { TargetRef, ValidationResult } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { ValidatorConfig } from '../../../workflows/domain/system.ts';
import type { SourceContext } from '../../context.ts';
import { adminOf, withTarget } from './connect.ts';
import { proveEquality } from './equality/prove-equality.ts';
import { splitNamespace } from './namespaces.ts';

export interface ValidateTargetInput {
  target: TargetRef;
  point: RecoveryPoint;
  limit: LogPosition;
  validator: string;
}

/**
 * Runs one validator of the system file on the target. Only reads; safe to repeat.
 * A validator that finds something returns `ok: false`: whether that stops the run is its `effect`.
 * @throws BadInput - there is no such validator, or it is of another source.
 */
export async function validateTarget(context: SourceContext, input: ValidateTargetInput): Promise<ValidationResult> {
  const validator = context.system.validators.find(({ id }) => id === input.validator);
  if (!validator) {
    throw new HoldfastError('BadInput', `${context.system.system} has no validator "${input.validator}"`, {
      hint: `known: ${context.system.validators.map(({ id }) => id).join(', ')}`,
    });
  }
  if (validator.uses === 'sql') throw new HoldfastError('Unsupported', `validator "${validator.id}" asks in SQL, which a MongoDB does not answer`);
  if (validator.uses === 'command') throw new HoldfastError('Unsupported', `validator "${validator.id}" runs a program, which only a source of the engine "tool" has`);
  const promoted = await withTarget(context, input.target, isPromoted);
  const run = async (client: MongoClient): Promise<Omit<ValidationResult, 'id' | 'effect'>> =>
    validator.uses === 'equality' ? await proveEquality(context, client, input) : leftOut(validator, input.point) ?? await countQuery(context, client, validator);
  const result = await withTarget(context, input.target, run, { promoted });
  return { id: validator.id, effect: validator.effect, ...result };
}

/** Before promotion the target asks for nobody's name; afterwards it is a replica set, and does. */
async function isPromoted(client: MongoClient): Promise<boolean> {
  return typeof (await adminOf(client).command({ hello: 1 }))['setName'] === 'string';
}

/** A partial restore may lack what the query counts: then it is not asked, and its result says that it claims nothing. */
function leftOut({ namespace }: Extract<ValidatorConfig, { uses: 'query' }>, { only }: RecoveryPoint): Omit<ValidationResult, 'id' | 'effect'> | undefined {
  if (!only || only.patterns.some((pattern) => matchesNamespace(pattern, namespace))) return undefined;
  return { ok: true, claim: `nothing: ${namespace} is not part of this partial restore`, problems: [], collections: [], collectionCount: 0 };
}

async function countQuery(
  context: SourceContext,
  client: MongoClient,
  validator: Extract<ValidatorConfig, { uses: 'query' }>,
): Promise<Omit<ValidationResult, 'id' | 'effect'>> {
  if (validator.source !== context.sourceName) {
    throw new HoldfastError('BadInput', `validator "${validator.id}" is of source "${validator.source}", not of "${context.sourceName}"`);
  }
  const { namespace, min = 0, max = Infinity } = validator;
  const { database, collection } = splitNamespace(namespace);
  // Extended JSON, so that a filter can name dates and ids.
  const filter = BSON.EJSON.deserialize(validator.filter as Document) as Document;
  const count = await client.db(database).collection(collection).countDocuments(filter);
  const range = `${min}..${max === Infinity ? '' : max}`;
  const ok = count >= min && count <= max;
  return {
    ok,
    claim: `count of ${namespace} for the given filter within ${range}`,
    problems: ok ? [] : [`${namespace}: ${count} documents match, expected ${range}`],
    collections: [{ ns: namespace, count, expectedCount: null, hashEqual: null, note: null }],
    collectionCount: 1,
  };
}
