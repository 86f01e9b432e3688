import { MongoClient } from 'mongodb';
import { database } from './data.ts';

/**
 * Writes to the source at a fixed rate in a process of its own, and prints how long each write took in milliseconds, one JSON array at the
 * end. `writer.ts <uri> <writes a second> <seconds> <writes a command>`.
 *
 * Each write is due at its own moment and its time counts from then: a server that stalls makes what waits behind it late too.
 */
const [uri, rate, forSeconds, together] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4]), Number(process.argv[5])];
const client = await new MongoClient(uri, { maxPoolSize: 16 }).connect();
const collection = client.db(database).collection('written');
const tookMs: number[] = [];
const underWay = new Set<Promise<void>>();
const startedAtMs = performance.now();
const commands = Math.floor((rate * forSeconds) / together);
const text = 'what an application writes about one thing that happened '.repeat(4);

async function write(dueAtMs: number, command: number): Promise<void> {
  await collection.insertMany(Array.from({ length: together }, (_, index) => ({ command, index, text })), { ordered: false, writeConcern: { w: 1 } });
  tookMs.push(performance.now() - dueAtMs);
}

for (let command = 0; command < commands; command += 1) {
  const dueAtMs = startedAtMs + (command * together * 1000) / rate;
  const waitMs = dueAtMs - performance.now();
  if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
  const sent: Promise<void> = write(dueAtMs, command).finally(() => underWay.delete(sent));
  underWay.add(sent);
}
await Promise.all(underWay);
const elapsedMs = performance.now() - startedAtMs;
await client.close();
process.stdout.write(JSON.stringify({ tookMs: tookMs.map((ms) => Math.round(ms * 100) / 100), writes: commands * together, elapsedMs }));
