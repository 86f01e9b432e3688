// eslint-disable-next-line @typescript-eslint/no-restricted-imports -- what starts programs elsewhere takes longer to load than the pusher saves
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { pusherSocket, tickEveryMs, type Answer, type Question } from './pusher-socket.ts';

/** One that said nothing for so long hangs, or was stopped. */
const silentForMs = 10 * tickEveryMs;

/**
 * Has a pusher that runs already push a segment, and starts one where the server has more than this one to archive: then the next need not load everything again.
 *
 * | killed or lost | then |
 * |---|---|
 * | no pusher, or one that refuses | undefined: this process pushes by itself |
 * | the pusher, in the middle | its connection closes without an answer; as above. What it had put is found and compared: a push is safe to repeat. The name of its socket stays until the next one of the same server takes it |
 * | the pusher hangs, or is stopped | as above, behind `silentForMs` |
 * | this process | the pusher finishes what it was asked; the server asks again |
 *
 * Imports nothing of Holdfast's but its address: loading is what it is there to save.
 */
export async function askPusher(args: readonly string[]): Promise<Answer | undefined> {
  const path = pusherSocket();
  if (path === undefined) return undefined;
  const answer = await ask(path, { args, cwd: process.cwd() });
  if (!answer && isBehind(args)) startPusher(path);
  return answer;
}

async function ask(path: string, question: Question): Promise<Answer | undefined> {
  const said = await new Promise<string>((resolved) => {
    let text = '';
    const socket = connect(path, () => socket.end(`${JSON.stringify(question)}\n`));
    socket.setTimeout(silentForMs, () => socket.destroy());
    socket.setEncoding('utf8').on('data', (more: string) => (text += more)).on('error', () => undefined).on('close', () => resolved(text));
  });
  try {
    return JSON.parse(said) as Answer;
  } catch {
    return undefined;
  }
}

/** Whether the server has more than one segment to archive. @source PostgreSQL, pg_wal/archive_status: NAME.ready */
function isBehind(args: readonly string[]): boolean {
  const segment = args.find((one, at) => at > 0 && /^[0-9A-F]{24}$/.test(one.slice(-24)));
  if (segment === undefined) return false;
  try {
    return readdirSync(join(dirname(resolve(segment)), 'archive_status')).filter((name) => name.endsWith('.ready')).length > 1;
  } catch {
    return false;
  }
}

/** Of its own session and off the server's pipes: the server waits for nobody who holds them. */
function startPusher(path: string): void {
  const child = spawn(process.execPath, ['--max-old-space-size=192', join(import.meta.dirname, 'pusher.ts'), path], { detached: true, stdio: 'ignore' });
  child.on('error', () => undefined);
  child.unref();
}
