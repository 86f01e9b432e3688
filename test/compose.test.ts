import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { loadSystemFile } from '../activities/system-files.ts';
import { readTemporalWeakerTls } from '../activities/transport/temporal-weaker-tls.ts';
import { runTool } from '../activities/tool/run-tool.ts';
import { tempDir } from './harness/temp-dir.ts';

interface Service {
  image: string;
  build?: string;
  pid?: string;
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, string>;
  depends_on?: string[] | Record<string, { condition: string }>;
  secrets?: string[];
  volumes?: string[];
  ports?: string[];
  configs?: { source: string; target: string }[];
  healthcheck?: object;
}
interface Compose {
  services: Record<string, Service>;
  configs: Record<string, { content: string } | { file: string }>;
  secrets: Record<string, { file: string }>;
  volumes: Record<string, object>;
}

// No Docker engine is at hand: the file is checked, not the stack.
const project = join(import.meta.dirname, '..');
const text = readFileSync(join(project, 'docker-compose.yml'), 'utf8');
const compose = parse(text, { merge: true }) as Compose;
const services = Object.entries(compose.services);

test('every service, volume, secret and config that is named is declared, and none is left over', () => {
  const named = { volumes: new Set<string>(), secrets: new Set<string>(), configs: new Set<string>() };
  for (const [name, service] of services) {
    const needs = Array.isArray(service.depends_on) ? service.depends_on : Object.keys(service.depends_on ?? {});
    for (const need of needs) assert.ok(compose.services[need], `${name} depends on ${need}`);
    if (service.pid) assert.ok(compose.services[service.pid.replace('service:', '')], `${name} shares the processes of ${service.pid}`);
    for (const volume of service.volumes ?? []) named.volumes.add(volume.split(':')[0]!);
    for (const secret of service.secrets ?? []) named.secrets.add(secret);
    for (const { source } of service.configs ?? []) named.configs.add(source);
  }
  for (const kind of ['volumes', 'secrets', 'configs'] as const) {
    assert.deepEqual([...named[kind]].sort(), Object.keys(compose[kind]).sort(), kind);
  }
});

test('who waits for a healthy service waits for one that has a health check', () => {
  for (const [name, service] of services) {
    if (!service.depends_on || Array.isArray(service.depends_on)) continue;
    for (const [need, { condition }] of Object.entries(service.depends_on)) {
      if (condition === 'service_healthy') assert.ok(compose.services[need]?.healthcheck, `${name} waits for ${need}`);
    }
  }
});

test('images are pinned, and host ports are on one address, each once', () => {
  const ports = services.flatMap(([, service]) => service.ports ?? []);
  for (const [name, { image }] of services) assert.match(image, /^[\w./-]+:(?!latest)[\w.-]*(\d|local)[\w.-]*$/, name);
  for (const port of ports) assert.match(port, /^\$\{HOLDFAST_COMPOSE_ADDRESS:-127\.0\.0\.1\}:\$\{\w+_PORT:-\d+\}:\d+$/);
  const hostPorts = ports.map((port) => /_PORT:-(\d+)/.exec(port)![1]);
  assert.equal(new Set(hostPorts).size, hostPorts.length);
});

test('every variable is documented in .env.example with the same default, and that has no other', () => {
  const used = new Map([...text.replaceAll(/\$\$\(/g, '').matchAll(/(?<!\$)\$\{(\w+):-([^}]*)\}/g)].map(([, name, value]) => [name!, value!]));
  assert.equal(/(?<!\$)\$\{\w+\}/.test(text), false, 'each variable has a default');
  const example = new Map(readFileSync(join(project, '.env.example'), 'utf8').split('\n').filter((line) => /^\w+=/.test(line)).map((line) => line.split('=') as [string, string]));
  assert.deepEqual(Object.fromEntries([...example].sort()), Object.fromEntries([...used].sort()));
});

test('no secret stands in the file: passwords come from files, and a command makes each of them', async (t) => {
  const directory = join(tempDir(t), 'compose');
  for (const [name, service] of services) {
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      if (/PASSWORD|SECRET|KEY/.test(variable)) assert.match(String(value), /^\/run\/secrets/, `${name} ${variable}`);
    }
  }
  await runTool('node', [join(project, 'scripts/write-compose-secrets.ts')], { env: { HOLDFAST_COMPOSE_DIRECTORY: directory } });
  assert.equal(statSync(directory).mode & 0o077, 0);
  for (const [name, { file }] of Object.entries(compose.secrets)) {
    const path = join(directory, file.replace(/^\$\{[^}]*\}\//, ''));
    assert.ok(existsSync(path) && statSync(path).size > 0, name);
  }
});

test('the worker has every variable and secret that demo.yaml names, and files that are run exist', () => {
  const worker = compose.services['worker']!;
  const system = readFileSync(join(project, 'systems/demo.yaml'), 'utf8');
  for (const [, name] of system.matchAll(/\$\{(\w+)\}/g)) assert.ok(worker.environment?.[name!], `${name} is not set`);
  for (const [, secret] of system.matchAll(/HOLDFAST_DEMO_SECRETS\}\/([\w.-]+)/g)) assert.ok(worker.secrets?.includes(secret!), `${secret} is not mounted`);
  const commands = [...services.flatMap(([, service]) => service.command ?? []), ...readFileSync(join(project, 'Dockerfile'), 'utf8').split(/[\s"[\],]+/)];
  for (const file of commands.filter((word) => /^(scripts|workers)\/.*\.(ts|mjs)$/.test(word))) assert.ok(existsSync(join(project, file)), file);
});

test('the authorizer that can be taken in stands where it belongs: its keys come from the environment, its token from a file, and the lines change nothing else', () => {
  const taken = parse(text.replaceAll(/^( *)#\+ /gm, '$1'), { merge: true }) as Compose;
  const { temporal, worker } = taken.services as { temporal: Service; worker: Service };
  const before = compose.services;
  const { TEMPORAL_JWT_KEY_SOURCE1: keySource, ...authorizer } = Object.fromEntries(Object.entries(temporal.environment!).filter(([name]) => !(name in before['temporal']!.environment!)));
  assert.deepEqual(authorizer, {
    TEMPORAL_AUTH_AUTHORIZER: 'default', TEMPORAL_AUTH_CLAIM_MAPPER: 'default',
    USE_INTERNAL_FRONTEND: 'true', SERVICES: 'frontend:internal-frontend:history:matching:worker', SKIP_DEFAULT_NAMESPACE_CREATION: 'true', SKIP_ADD_CUSTOM_SEARCH_ATTRIBUTES: 'true',
  });
  assert.match(keySource!, /^\$\{TEMPORAL_JWT_KEY_SOURCE1:-https:/);
  const [, , command] = worker.command!;
  const [, secret] = /^TEMPORAL_API_KEY="\$\$\(cat \/run\/secrets\/([\w-]+)\)" exec (.*)$/.exec(command!)!;
  assert.ok(worker.secrets!.includes(secret!) && taken.secrets[secret!], secret);
  assert.ok(readFileSync(join(project, 'Dockerfile'), 'utf8').includes(`CMD ${JSON.stringify(command!.split(' exec ')[1]!.split(' ')).replaceAll('","', '", "')}`), 'what is run is what the image runs');
  assert.equal(worker.environment!['TEMPORAL_TLS'], 'false');
  assert.deepEqual(
    { ...taken, services: { ...taken.services, temporal: { ...temporal, environment: before['temporal']!.environment }, worker: { ...worker, command: undefined, environment: before['worker']!.environment, secrets: before['worker']!.secrets } }, secrets: compose.secrets },
    { ...compose, services: { ...before, worker: { ...before['worker'], command: undefined } } },
  );
});

test('what the worker speaks to in the clear, inside the network, its overlay allows by name', async (t) => {
  const { content } = compose.configs['holdfast-overlay'] as { content: string };
  const overlay = join(tempDir(t), 'overlay.yaml');
  writeFileSync(overlay, content);
  process.env['HOLDFAST_OVERLAY'] = overlay;
  t.after(() => void delete process.env['HOLDFAST_OVERLAY']);
  const { system } = await loadSystemFile('demo');
  const { environment = {} } = compose.services['worker']!;
  const away = (text: string): boolean => !/127\.0\.0\.1|localhost/.test(text);
  assert.ok(away(environment['HOLDFAST_DEMO_PRIMARY']!) && away(environment['HOLDFAST_DEMO_S3']!) && away(environment['TEMPORAL_ADDRESS']!));
  for (const place of ['production', 'dr']) assert.equal(system.environments[place]!.endpoints['dictionary']!.weakerTls?.atLeast, 'none', place);
  const [store] = system.stores;
  assert.equal(store?.kind === 's3' && store.weakerTls?.atLeast, 'none');
  assert.equal(readTemporalWeakerTls(environment)?.atLeast, 'none');
});
