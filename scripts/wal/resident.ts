import { readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Answer, Question } from './messages.ts';

/**
 * `node scripts/wal/resident.ts SOCKET`: does what the archive_command and restore_command of one server ask for, one after another, by the same command line that a process of its own would run. What stays
 * between two of them: the code, the connection to the store, the keys, and what comes next: a segment to push, sealed but not stored, or segments to fetch, beside the data. The system file is read anew each time, and its secrets when it changed or something failed.
 *
 * Nothing is lost with it, so it may be killed at any moment (ask.cjs says what then). It ends by itself
 * - when its server is gone: `postmaster.pid` of the data directory is not there, or of another process;
 * - when nobody has asked for `idleForMs`, longer than any archive_timeout; where no server runs in the directory (somebody tries it by hand) for `idleByHandMs`;
 * - after `livesForMs`, so that it outlives no upgrade for long, and behind a failure that has no name, which may be code that was replaced under it;
 * - when another one has taken its name.
 */
const idleForMs = 15 * 60_000;
const idleByHandMs = 10_000;
const livesForMs = 60 * 60_000;
const lookEveryMs = 3_000;
/** So often it says that it works. */
const tickEveryMs = 1_000;
/** of a command whose failure has no name */
const unnamed = 1;

const path = process.argv[2]!;
// A directory that somebody stands in cannot be unmounted.
process.chdir('/');
const startedAtMs = performance.now();
let askedAtMs = startedAtMs;
let asked = 0;
let isOver = false;
let working: Promise<unknown> = Promise.resolve();
/** the one that runs in the directory of who asked last */
let postmaster: { file: string; pid: string } | undefined;

const server = createServer({ allowHalfOpen: true }, (socket) => {
  asked += 1;
  const ticks = setInterval(() => socket.write('\n'), tickEveryMs);
  socket.on('error', () => undefined);
  const question = read(socket);
  working = working
    .then(async () => socket.end(`${JSON.stringify(await answer(JSON.parse(await question) as Question))}\n`))
    .catch(() => socket.destroy())
    .finally(() => {
      clearInterval(ticks);
      asked -= 1;
      askedAtMs = performance.now();
      if (isOver && asked === 0) setImmediate(() => process.exit(0));
    });
});

// What lies there is of one that was killed, or hangs: whoever started this one was not answered.
rmSync(path, { force: true });
server.listen(path, () => {
  const own = statSync(path).ino;
  setInterval(() => {
    const isOwn = inodeOf(path) === own;
    if (!isOwn || (asked === 0 && hasEnded())) end(isOwn);
  }, lookEveryMs);
  process.stdout.on('error', () => undefined).write('listens\n');
}).on('error', () => process.exit(1));
// Behind the listening: who asks meanwhile waits for what is loaded, and starts no second one.
const commandLine = Promise.all([import('../run-command-line.ts'), import('../commands/wal.ts')]).then(([{ runCommandLine }, { stayWith }]) => ({ runCommandLine, ...stayWith() }));
commandLine.catch(() => undefined);

function hasEnded(): boolean {
  const idleMs = performance.now() - askedAtMs;
  return idleMs > (postmaster ? idleForMs : idleByHandMs) || performance.now() - startedAtMs > livesForMs || (postmaster !== undefined && pidIn(postmaster.file) !== postmaster.pid);
}

/** Takes no more; ends once what was asked is answered. @param isOwn - its name is: to close removes that, whoever has it. */
function end(isOwn: boolean): void {
  isOver = true;
  if (isOwn) server.close();
  if (asked === 0) process.exit(0);
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}

/** Of a server that lives. */
function pidIn(file: string): string | undefined {
  try {
    const pid = readFileSync(file, 'utf8').split('\n')[0]!;
    process.kill(Number(pid), 0);
    return pid;
  } catch {
    return undefined;
  }
}

/** Up to its end, or where whoever asked is gone. Not by `for await`, which would close what is to be answered. */
const read = async (socket: Socket): Promise<string> =>
  await new Promise((resolve) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (more: string) => (text += more));
    for (const over of ['end', 'close'] as const) socket.on(over, () => resolve(text));
  });

async function answer({ args, cwd }: Question): Promise<Answer> {
  const said = { out: '', err: '' };
  const file = join(cwd, 'postmaster.pid');
  const pid = pidIn(file);
  postmaster = pid === undefined ? undefined : { file, pid };
  process.chdir(cwd);
  try {
    const { runCommandLine, forget } = await commandLine;
    const code = await runCommandLine(args, { out: { write: (text) => (said.out += text) }, err: { write: (text) => (said.err += text) } });
    // A secret may have been replaced in its file. The end of the log is no failure.
    if (code !== 0 && !(code === 1 && args[0] === 'wal-fetch')) forget();
    if (code === unnamed && args[0] === 'wal-push') isOver = true;
    return { code, ...said };
  } finally {
    process.chdir('/');
  }
}
