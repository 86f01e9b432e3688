import type { Document } from 'mongodb';

/**
 * A time-series collection is a view over a collection of buckets. mongodump writes it as one collection with the
 * options and indexes that its user knows; a backup of ours holds both as the server's catalogue has them.
 */
export const bucketsPrefix = 'system.buckets.';

const bucketSchema = (timeField: string): Document => ({
  $jsonSchema: {
    bsonType: 'object',
    required: ['_id', 'control', 'data'],
    properties: {
      _id: { bsonType: 'objectId' },
      control: {
        bsonType: 'object',
        required: ['version', 'min', 'max'],
        properties: { version: { bsonType: 'number' }, min: timeOnly(timeField), max: timeOnly(timeField), closed: { bsonType: 'bool' } },
      },
      data: { bsonType: 'object' },
      meta: {},
    },
    additionalProperties: false,
  },
});
const timeOnly = (timeField: string): Document => ({ bsonType: 'object', required: [timeField], properties: { [timeField]: { bsonType: 'date' } } });

/** Options of the buckets, from those of the time-series collection. @source what a server 6.0 lists */
export function bucketOptions({ timeseries, collation, expireAfterSeconds, ...rest }: Document): Document {
  const { timeField } = timeseries as { timeField: string };
  return {
    ...rest,
    validator: bucketSchema(String(timeField)),
    ...(collation === undefined ? {} : { collation }),
    clusteredIndex: true,
    ...(expireAfterSeconds === undefined ? {} : { expireAfterSeconds }),
    timeseries,
  };
}

/** Options as the user of the collection gave them. */
export function userOptions({ validator: _validator, clusteredIndex: _clustered, ...rest }: Document): Document {
  return rest;
}

/** The definition of the view over the buckets, as it stands in `system.views`. */
export function bucketView(db: string, collection: string, { timeseries, collation }: Document): Document {
  const { timeField, metaField, bucketMaxSpanSeconds } = timeseries as Document;
  const unpack = { timeField, ...(metaField === undefined ? {} : { metaField }), bucketMaxSpanSeconds };
  return {
    _id: `${db}.${collection}`,
    viewOn: `${bucketsPrefix}${collection}`,
    pipeline: [{ $_internalUnpackBucket: unpack }],
    ...(collation === undefined ? {} : { collation }),
  };
}

const isDescending = (direction: unknown): boolean => Number(direction) < 0;

/** An index on the buckets, from one on what they hold. */
export function bucketIndex(spec: Document, timeseries: Document): Document {
  const timeField = String(timeseries['timeField']);
  const metaField = timeseries['metaField'] === undefined ? undefined : String(timeseries['metaField']);
  const key: Document = {};
  let measures = false;
  for (const [field, direction] of Object.entries(spec['key'] as Document)) {
    const isMeta = metaField !== undefined && (field === metaField || field.startsWith(`${metaField}.`));
    if (isMeta) {
      key[`meta${field.slice(metaField.length)}`] = direction;
      continue;
    }
    measures ||= field !== timeField;
    if (direction === '2dsphere') {
      key[`data.${field}`] = '2dsphere_bucket';
      continue;
    }
    const ends = isDescending(direction) ? ['max', 'min'] : ['min', 'max'];
    for (const end of ends) key[`control.${end}.${field}`] = direction;
  }
  const { key: original, name, v, ...rest } = spec;
  return { v, key, name, ...rest, ...(measures ? { originalSpec: { name, key: original, v, ...rest } } : {}) };
}

/** The index as the collection's user knows it, from the one on its buckets. */
export function userIndex(spec: Document, timeseries: Document): Document {
  const { originalSpec, key: bucketKey, ...rest } = spec as Document & { originalSpec?: Document };
  const key: Document = {};
  if (originalSpec) {
    const { key: original, name, v, ...options } = originalSpec;
    return { v, key: original, name, ...options };
  }
  for (const [field, direction] of Object.entries(bucketKey as Document)) {
    if (field === 'meta' || field.startsWith('meta.')) key[`${String(timeseries['metaField'])}${field.slice(4)}`] = direction;
    else key[field.replace(/^control\.(min|max)\./, '')] = direction;
  }
  const { v, ...options } = rest;
  return { v, key, ...options };
}
