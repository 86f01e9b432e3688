import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test, type TestContext } from 'node:test';
import { runTool } from '../../activities/tool/run-tool.ts';
import { tempDir } from '../harness/temp-dir.ts';

const project = fileURLToPath(new URL('../../', import.meta.url));
const programs = ['mongod', 'temporal', 'temporal-test-server', 'weed', 'nginx'];

interface Checkout {
  directory: string;
  tools: string;
  /** Runs set-up with nothing on PATH but what the checkout's `bin` has. */
  setUp(env?: Record<string, string>): Promise<string>;
  python(script: string): void;
  calls(): string[];
}

/** A checkout in a path with a space, its npm packages there already, and a Python of our own making. */
function makeCheckout(t: TestContext): Checkout {
  const directory = join(tempDir(t), 'a checkout');
  const bin = join(directory, 'bin');
  const calls = join(directory, 'calls');
  mkdirSync(join(directory, 'scripts'), { recursive: true });
  mkdirSync(bin);
  for (const file of ['scripts/set-up.mjs', 'requirements.txt', 'package.json', 'package-lock.json']) copyFileSync(join(project, file), join(directory, file));
  symlinkSync(join(project, 'node_modules'), join(directory, 'node_modules'));
  const none = Object.fromEntries(programs.map((name) => [`HOLDFAST_${name.toUpperCase().replaceAll('-', '_')}`, '']));
  return {
    directory,
    tools: join(directory, '.tools'),
    setUp: async (env = {}) => {
      const options = { env: { ...none, HOLDFAST_TOOLS: '', PATH: bin, ...env } };
      return (await runTool({ path: process.execPath }, [join(directory, 'scripts', 'set-up.mjs')], options)).stderr;
    },
    python: (script) => {
      writeFileSync(join(bin, 'python3'), `#!/bin/sh\nPATH=/usr/bin:/bin\nprintf '%s\\n' "$*" >> '${calls}'\ncase "$*" in\n*version_info*) exit 0 ;;\n${script}\nesac\nexit 1\n`);
      chmodSync(join(bin, 'python3'), 0o755);
    },
    calls: () => (existsSync(calls) ? readFileSync(calls, 'utf8').split('\n').filter((line) => line.includes('pip install')) : []),
  };
}

/** What a pip says that installs nothing but scripts under the programs' names. */
const installs = (checkout: Checkout, options: { mongod?: string; slowly?: boolean } = {}): string => {
  const packages = join(checkout.tools, 'lib', 'python3', 'site-packages');
  const lines = programs.map((name) => {
    const script = name === 'mongod' && options.mongod ? options.mongod : 'exit 0';
    return `printf '#!/bin/sh\\n%s\\n' '${script}' > '${packages}/bin/${name}'`;
  });
  return `*"pip --version"*) exit 0 ;;\n*"pip install"*) ${options.slowly ? 'sleep 0.5;' : ''} mkdir -p '${packages}/bin'; ${lines.join('; ')}; exit 0 ;;`;
};

test('without Python, one error names the Debian packages and the way without Python', async (t) => {
  await assert.rejects(makeCheckout(t).setUp(), (error: Error) => {
    assert.match(error.message, /set-up: Python 3\.8 or newer is missing/);
    assert.match(error.message, /apt-get install python3 python3-venv/);
    assert.match(error.message, /HOLDFAST_MONGOD/);
    assert.doesNotMatch(error.message, /at .*set-up\.mjs:\d+/);
    return true;
  });
});

test('a Python with neither venv nor pip is told so', async (t) => {
  const checkout = makeCheckout(t);
  checkout.python('');
  await assert.rejects(checkout.setUp(), /Python has neither venv nor pip\.[^]*python3-venv/);
});

test('a package index that cannot be reached is told as that, and nothing is stamped', async (t) => {
  const checkout = makeCheckout(t);
  checkout.python('*"pip --version"*) exit 0 ;;\n*"pip install"*) echo "WARNING: Retrying after connection broken by NewConnectionError" >&2; exit 1 ;;');
  await assert.rejects(checkout.setUp(), /pip cannot reach the package index\.[^]*HTTPS_PROXY[^]*NewConnectionError/);
  assert.equal(existsSync(join(checkout.tools, '.stamp')), false);
  assert.equal(existsSync(join(checkout.directory, '.set-up-lock')), false);
});

test('a download with another hash is refused in words', async (t) => {
  const checkout = makeCheckout(t);
  checkout.python('*"pip --version"*) exit 0 ;;\n*"pip install"*) echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE." >&2; exit 1 ;;');
  await assert.rejects(checkout.setUp(), /not the file that requirements\.txt pins/);
});

test('a system library that is missing is named with its Debian package, and the next set-up tries again', async (t) => {
  const checkout = makeCheckout(t);
  checkout.python(installs(checkout, { mongod: 'echo "mongod: error while loading shared libraries: libcurl.so.4: cannot open" >&2; exit 127' }));
  await assert.rejects(checkout.setUp(), /libcurl\.so\.4 is missing[^]*apt-get install libcurl4/);
  await assert.rejects(checkout.setUp(), /libcurl4/);
  checkout.python(installs(checkout));
  await checkout.setUp();
});

test('where venv is missing pip --target is used; a second set-up does nothing, and fast', async (t) => {
  const checkout = makeCheckout(t);
  checkout.python(installs(checkout));
  assert.match(await checkout.setUp(), /programs ready/);
  assert.match(checkout.calls()[0] ?? '', /--target .* --require-hashes/);
  const startedAt = Date.now();
  assert.equal(await checkout.setUp(), '');
  assert.ok(Date.now() - startedAt < 1_000);
  assert.equal(checkout.calls().length, 1);
});

test('changed requirements are installed again', async (t) => {
  const checkout = makeCheckout(t);
  checkout.python(installs(checkout));
  await checkout.setUp();
  writeFileSync(join(checkout.directory, 'requirements.txt'), '# changed\n');
  await checkout.setUp();
  assert.equal(checkout.calls().length, 2);
});

test('two at once: one works, the other waits for it', async (t) => {
  const checkout = makeCheckout(t);
  checkout.python(installs(checkout, { slowly: true }));
  const said = await Promise.all([checkout.setUp(), checkout.setUp()]);
  assert.equal(checkout.calls().length, 1);
  assert.equal(said.filter((text) => text.includes('waiting for another set-up')).length, 1);
});

test('the lock of a set-up that was killed is taken over', async (t) => {
  const checkout = makeCheckout(t);
  checkout.python(installs(checkout));
  mkdirSync(join(checkout.directory, '.set-up-lock'));
  const gone = await runTool({ path: '/bin/sh' }, ['-c', 'echo $$']);
  writeFileSync(join(checkout.directory, '.set-up-lock', 'pid'), gone.stdout.trim());
  assert.match(await checkout.setUp(), /programs ready/);
});

test('who names every program needs neither Python nor a download', async (t) => {
  const checkout = makeCheckout(t);
  const named = Object.fromEntries(programs.map((name) => [`HOLDFAST_${name.toUpperCase().replaceAll('-', '_')}`, '/bin/true']));
  assert.equal(await checkout.setUp(named), '');
});
