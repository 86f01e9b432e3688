import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { AppDatabase, type Outcome } from './app-database.ts';

/**
 * The application of the demo, one process a side, behind nginx:
 *
 * - `POST /ops`  a JSON array of changes `{change: insert|update|delete, key, rev}`: one is one write, several are one
 *   transaction. Answers after the majority has it: 200 `{outcome: "acknowledged", side}`; else 409 or 503
 *   `{outcome: "refused"}` when certainly nothing was written, 502 `{outcome: "unknown"}` when it may have been.
 * - `GET /health`  200 when a majority write and read in its own database worked within a second, else 503.
 *   `firstAcceptedWriteAt`: when it first acknowledged a change since it started, or null.
 * - `GET /read?key=K`  the document, or 404.
 *
 * Every answer says in `x-holdfast-side` which side it is of.
 *
 * `node scripts/stack/app.ts --side NAME --port N [--host ADDRESS] --mongod HOST:PORT --replica-set NAME --database NAME --username NAME --password-file FILE`
 */
const { values } = parseArgs({
  options: {
    side: { type: 'string' },
    port: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    mongod: { type: 'string' },
    'replica-set': { type: 'string' },
    database: { type: 'string' },
    username: { type: 'string' },
    'password-file': { type: 'string' },
  },
});
const side = values.side!;
const maxBodyBytes = 256 * 1024;
const statusOf: Record<Outcome['outcome'], number> = { acknowledged: 200, refused: 409, unknown: 502 };
const changesSchema = z
  .array(z.strictObject({ change: z.enum(['insert', 'update', 'delete']), key: z.string().min(1).max(200), rev: z.number().int().min(1) }))
  .min(1)
  .max(100);

const database = new AppDatabase({
  // Made here: a connection string in an argument list is for every user of the machine to read.
  uri: `mongodb://${values.mongod!}/`,
  replicaSet: values['replica-set']!,
  database: values.database!,
  username: values.username!,
  password: readFileSync(values['password-file']!, 'utf8').trim(),
});
let firstAcceptedWriteAt: string | null = null;

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => reply(response, 500, { side, error: (error as Error).message }));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(values.port), values.host);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://app');
  if (request.method === 'POST' && url.pathname === '/ops') return await answerOps(request, response);
  if (request.method === 'GET' && url.pathname === '/health') {
    const { ok, why } = await database.check(side);
    return reply(response, ok ? 200 : 503, { side, ok, why, firstAcceptedWriteAt });
  }
  if (request.method === 'GET' && url.pathname === '/read') {
    const found = await database.read(url.searchParams.get('key') ?? '');
    return reply(response, found === undefined ? 503 : found === null ? 404 : 200, { side, document: found ?? null });
  }
  reply(response, 404, { side, error: 'POST /ops, GET /health, GET /read?key=' });
}

async function answerOps(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parsed = changesSchema.safeParse(await readJson(request));
  if (!parsed.success) return reply(response, 400, { side, outcome: 'refused', why: z.prettifyError(parsed.error) });
  const outcome = await database.write(parsed.data);
  if (outcome.outcome === 'acknowledged') firstAcceptedWriteAt ??= new Date().toISOString();
  reply(response, outcome.away ? 503 : statusOf[outcome.outcome], { side, outcome: outcome.outcome, why: outcome.why });
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBodyBytes) return undefined;
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-holdfast-side': side });
  response.end(`${JSON.stringify(body)}\n`);
}
