import { Int32, type Document } from 'mongodb';
import { fieldNames, randomDocument, randomFields, randomValue, type Random } from './random.ts';

export interface RandomUpdate {
  u: unknown;
  arrayFilters?: Document[];
  /** for tests' messages */
  kind: string;
}

type Make = (random: Random) => Omit<RandomUpdate, 'kind'>;

const plain = (name: string): boolean => !name.includes('.') && !name.startsWith('$');
const field = (random: Random): string => random.pick(fieldNames.filter(plain));
const path = (random: Random): string =>
  random.weighted([[4, () => field(random)], [2, () => `sub.${field(random)}`], [2, () => `sub.deep.${field(random)}`], [1, () => `fresh.${field(random)}.${field(random)}`]])();
const several = (random: Random): Map<string, unknown> => new Map(Array.from({ length: 1 + random.below(3) }, () => [path(random), randomValue(random)]));
const int = (random: Random, n: number): Int32 => new Int32(random.below(n));
const ints = (random: Random): Int32[] => Array.from({ length: random.below(5) }, () => int(random, 20));

/** Every update operator, and every form of an array change that ends in a diff of its own. */
const makers: Record<string, Make> = {
  set: (r) => ({ u: { $set: several(r) } }),
  unset: (r) => ({ u: { $unset: new Map([[path(r), '']]) } }),
  setAndUnset: (r) => ({ u: { $set: new Map([['n', randomValue(r)]]), $unset: new Map([[r.pick(['a', 'b', 'sub.p']), '']]) } }),
  inc: (r) => ({ u: { $inc: { n: int(r, 10) } } }),
  mul: (r) => ({ u: { $mul: { 'sub.q': int(r, 3) } } }),
  min: (r) => ({ u: { $min: { n: int(r, 50) } } }),
  max: (r) => ({ u: { $max: { n: int(r, 150) } } }),
  bit: (r) => ({ u: { $bit: { 'sub.q': { xor: int(r, 16) } } } }),
  rename: (r) => ({ u: { $rename: new Map([[field(r), r.pick(['moved', 'sub.moved', 'sub.deep.moved'])]]) } }),
  currentDate: () => ({ u: { $currentDate: { at: true, stamp: { $type: 'timestamp' } } } }),
  push: (r) => ({ u: { $push: { list: int(r, 20) } } }),
  pushEach: (r) => ({ u: { $push: { list: { $each: ints(r) } } } }),
  pushAt: (r) => ({ u: { $push: { list: { $each: ints(r), $position: int(r, 5) } } } }),
  pushSlice: (r) => ({ u: { $push: { list: { $each: ints(r), $slice: new Int32(r.below(9) - 4) } } } }),
  pushSorted: (r) => ({ u: { $push: { list: { $each: ints(r), $sort: r.pick([1, -1]), $slice: new Int32(6) } } } }),
  pushRow: (r) => ({ u: { $push: { rows: { $each: [{ k: int(r, 5), v: randomValue(r, 1) }], $sort: { k: 1 } } } } }),
  pop: (r) => ({ u: { $pop: { list: r.pick([1, -1]) } } }),
  pull: (r) => ({ u: { $pull: { list: { $gte: int(r, 20) } } } }),
  pullRow: (r) => ({ u: { $pull: { rows: { k: int(r, 5) } } } }),
  pullAll: (r) => ({ u: { $pullAll: { list: ints(r) } } }),
  addToSet: (r) => ({ u: { $addToSet: { list: { $each: ints(r) } } } }),
  setElement: (r) => ({ u: { $set: { [`list.${r.below(10)}`]: int(r, 99) } } }),
  setFarElement: (r) => ({ u: { $set: { [`rows.${r.below(7)}.v`]: randomValue(r, 1) } } }),
  unsetElement: (r) => ({ u: { $unset: { [`list.${r.below(6)}`]: '' } } }),
  everyElement: (r) => ({ u: { $inc: { 'list.$[]': int(r, 3) } } }),
  filteredRows: (r) => ({ u: { $set: { 'rows.$[row].v': randomValue(r, 1), 'rows.$[row].w.x': int(r, 5) } }, arrayFilters: [{ 'row.k': { $lt: int(r, 5) } }] }),
  replace: (r) => {
    const document = randomDocument(r, 0);
    document.delete('_id');
    return { u: document };
  },
  pipelineSet: (r) => ({ u: [{ $set: { n: { $add: [{ $ifNull: [{ $toInt: { $size: { $ifNull: ['$list', []] } } }, 0] }, int(r, 5)] }, computed: { $concatArrays: [{ $ifNull: ['$list', []] }, [int(r, 9)]] } } }] }),
  pipelineUnset: (r) => ({ u: [{ $unset: [r.pick(['a', 'sub.p', 'sub.deep'])] }, { $set: { after: int(r, 9) } }] }),
  pipelineReplace: (r) => ({ u: [{ $replaceWith: { $mergeObjects: [{ first: int(r, 9) }, '$$ROOT', { last: { $literal: randomFields(r, 1) } }] } }] }),
  pipelineSlice: () => ({ u: [{ $set: { list: { $slice: [{ $ifNull: ['$list', []] }, 3] }, rows: { $reverseArray: { $ifNull: ['$rows', []] } } } }] }),
};

/** One update. Some fail on some documents (a $push to what is no array): the server refuses those, and nothing is logged. */
export function randomUpdate(random: Random): RandomUpdate {
  const kind = random.pick(Object.keys(makers));
  return { kind, ...makers[kind]!(random) };
}
