// @ts-check
'use strict';

/**
 * What PostgreSQL starts for each file of its log, by `holdfast wal-push` and `wal-fetch`: has the resident of its server (resident.ts) do it, and says what that answered. Where there is none it starts one.
 *
 * | killed or lost | then |
 * |---|---|
 * | no resident, or it dies in the middle | its connection closes without an answer: another is started, and asked. What the first had put is found and compared: a push is safe to repeat |
 * | the resident hangs, or is stopped | the same, behind `silentForMs`; the new one takes its name, and the old one ends when it sees that |
 * | no resident can be started, or that one says nothing either | this process does the work by itself |
 * | this process | the resident finishes what it was asked; the server asks again |
 *
 * The server waits for this program each time, so it is CommonJS as it stands, and loads nothing of Holdfast's: TypeScript would be stripped at each start, since the server's account can seldom write the compile cache.
 */
const { lstatSync, mkdirSync, statSync, writeSync } = require('node:fs');
const { connect } = require('node:net');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

/** @typedef {import('./messages.ts').Question} Question */
/** @typedef {import('./messages.ts').Answer} Answer */

/** One that said nothing for so long hangs, or was stopped; it says every second that it works. */
const silentForMs = 10_000;
/** As long as this one may take until it listens: it loads nothing before that. */
const listensWithinMs = 20_000;

/** A shell's own, which say nothing of what a command would do. */
const ofShells = new Set(['_', 'SHLVL', 'OLDPWD']);

/**
 * Where the resident of this server listens: one for each user, data directory, environment and checkout, so that it reads the same system file with the same secrets as a process of its own would.
 * @returns {string | undefined} undefined where the directory is not this user's alone: somebody else could answer there.
 */
function residentSocket() {
  const user = /** @type {() => number} */ (process.getuid)();
  const directory = join(tmpdir(), `holdfast-wal-${user}`);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const found = lstatSync(directory);
    if (!found.isDirectory() || found.uid !== user || (found.mode & 0o077) !== 0) return undefined;
    const { dev, ino } = statSync('.');
    const environment = Object.entries(process.env).filter(([name]) => !ofShells.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
    const of = JSON.stringify([process.cwd(), __dirname, process.version, environment]);
    return join(directory, `${dev}-${ino}-${fnv(of, 0x811c9dc5)}${fnv(of, 0x01000193)}.sock`);
  } catch {
    return undefined;
  }
}

/**
 * Tells environments of one user apart: nobody is kept out by it. node:crypto takes as long to load as everything else here.
 * @param {string} text
 * @param {number} seed
 */
function fnv(text, seed) {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/**
 * @param {readonly string[]} args
 * @returns {Promise<Answer | undefined>} undefined: nobody did it.
 */
async function askResident(args) {
  const path = residentSocket();
  if (path === undefined) return undefined;
  /** @type {Question} */
  const question = { args, cwd: process.cwd() };
  return (await ask(path, question)) ?? ((await startResident(path)) ? await ask(path, question) : undefined);
}

/**
 * @param {string} path
 * @param {Question} question
 * @returns {Promise<Answer | undefined>}
 */
async function ask(path, question) {
  const said = await new Promise((resolved) => {
    let text = '';
    const socket = connect(path, () => socket.end(`${JSON.stringify(question)}\n`));
    socket.setTimeout(silentForMs, () => socket.destroy());
    socket.setEncoding('utf8').on('data', (/** @type {string} */ more) => (text += more)).on('error', () => undefined).on('close', () => resolved(text));
  });
  try {
    return JSON.parse(said);
  } catch {
    return undefined;
  }
}

/**
 * Of its own session and off the server's pipes: the server waits for nobody who holds them.
 * @param {string} path
 * @returns {Promise<boolean>} whether it listens.
 */
async function startResident(path) {
  const { spawn } = require('node:child_process');
  const program = join(__dirname, 'resident.ts');
  // Compiled once for this user, who can seldom write where the project lies. Two arenas, as the data plane has them: with one for each thread glibc keeps several times the memory that is in use.
  const env = { NODE_COMPILE_CACHE: join(path, '../compiled'), MALLOC_ARENA_MAX: '2', ...process.env };
  // What is outside V8's heap counts with it, or a few buffers of a segment's size make V8 collect everything.
  const flags = ['--max-old-space-size=192', '--external-memory-accounted-in-global-limit'];
  const child = spawn(process.execPath, [...flags, program, path], { detached: true, stdio: ['ignore', 'pipe', 'ignore'], env });
  try {
    return await new Promise((resolved) => {
      const timer = setTimeout(() => resolved(false), listensWithinMs);
      const end = (/** @type {boolean} */ listens) => {
        clearTimeout(timer);
        resolved(listens);
      };
      child.on('error', () => end(false)).on('exit', () => end(false));
      child.stdout.once('data', () => end(true));
    });
  } finally {
    child.stdout.destroy();
    child.unref();
  }
}

/** @param {readonly string[]} args */
async function main(args) {
  const answer = await askResident(args);
  if (!answer) return void (await import('../holdfast.ts'));
  say(1, answer.out);
  say(2, answer.err);
  process.exit(answer.code);
}

/**
 * Without `process.stdout`, which loads what terminals need.
 * @param {number} descriptor
 * @param {string} text
 */
function say(descriptor, text) {
  try {
    for (let bytes = Buffer.from(text); bytes.length > 0;) bytes = bytes.subarray(writeSync(descriptor, bytes));
  } catch {
    // Nobody reads it, or not now: what counts is the code.
  }
}

void main(process.argv.slice(2));
