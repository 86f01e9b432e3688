import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tickEveryMs, type Answer, type Question } from './pusher-socket.ts';

/**
 * `node scripts/wal/pusher.ts SOCKET`: pushes segments of WAL for the archive_command of one server, one after another, by the same command line that a process of its own would run; the system file, its secrets and the
 * store's epoch are read anew for each. It keeps nothing, so that it may be killed at any moment; it ends when nobody has asked for `idleForMs`, and for good after `livesForMs`, so that it outlives no upgrade for long.
 */
const idleForMs = 10_000;
const livesForMs = 10 * 60_000;

const path = process.argv[2]!;
// A directory that somebody stands in cannot be unmounted.
process.chdir('/');
let asked = 0;
let working: Promise<unknown> = Promise.resolve();
let idle: NodeJS.Timeout | undefined;

const server = createServer({ allowHalfOpen: true }, (socket) => {
  clearTimeout(idle);
  asked += 1;
  const ticks = setInterval(() => socket.write('\n'), tickEveryMs);
  socket.on('error', () => undefined);
  const question = read(socket);
  working = working
    .then(async () => socket.end(`${JSON.stringify(await push(JSON.parse(await question) as Question))}\n`))
    .catch(() => socket.destroy())
    .finally(() => {
      clearInterval(ticks);
      asked -= 1;
      if (asked === 0) restart();
    });
});

// What lies there is of one that was killed: whoever started this one was not answered. Where two begin at once the one without a name ends idle.
rmSync(path, { force: true });
server.listen(path, restart).on('error', () => process.exit(1));
setTimeout(stop, livesForMs);
// Behind the listening: who asks meanwhile waits for what is loaded, and starts no second one.
const commandLine = import('../run-command-line.ts');

function restart(): void {
  idle = setTimeout(stop, idleForMs);
}

function stop(): void {
  clearTimeout(idle);
  server.close();
  void working.finally(() => setImmediate(() => (asked === 0 ? process.exit(0) : stop())));
}

/** Up to its end, or where whoever asked is gone. Not by `for await`, which would close what is to be answered. */
const read = async (socket: Socket): Promise<string> =>
  await new Promise((resolved) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (more: string) => (text += more));
    for (const over of ['end', 'close'] as const) socket.on(over, () => resolved(text));
  });

async function push({ args, cwd }: Question): Promise<Answer> {
  const said = { out: '', err: '' };
  process.chdir(cwd);
  try {
    const { runCommandLine } = await commandLine;
    const code = await runCommandLine(args, { out: { write: (text) => (said.out += text) }, err: { write: (text) => (said.err += text) } });
    return { code, ...said };
  } finally {
    process.chdir('/');
  }
}
