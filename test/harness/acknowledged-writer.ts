import { readFileSync } from 'node:fs';
import { MongoClient } from 'mongodb';

/**
 * `node acknowledged-writer.ts PORT PASSWORD-FILE COUNT`: writes as the application on this machine, one after the other: inserts, and an
 * update and a delete of some. Prints one JSON line a write that a majority acknowledged, and ends.
 */
const [port, passwordFile, count] = process.argv.slice(2);
const client = new MongoClient(`mongodb://127.0.0.1:${port!}/?directConnection=true`, {
  auth: { username: 'app', password: readFileSync(passwordFile!, 'utf8').trim() },
  authSource: 'admin',
  retryWrites: false,
  serverSelectionTimeoutMS: 10_000,
});
const notes = client.db('dictionary').collection<{ _id: string; text: string }>('notes', { writeConcern: { w: 'majority' } });
const say = (change: string, id: string): void => void process.stdout.write(`${JSON.stringify({ change, id })}\n`);
try {
  for (let n = 0; n < Number(count); n += 1) {
    const _id = `cut-${n}`;
    await notes.insertOne({ _id, text: 'written behind the cut' });
    say('insert', _id);
    if (n % 3 === 0) {
      await notes.updateOne({ _id }, { $set: { text: 'and changed' } });
      say('update', _id);
    }
    if (n % 5 === 0) {
      await notes.deleteOne({ _id });
      say('delete', _id);
    }
  }
} finally {
  await client.close();
}
