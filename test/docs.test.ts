import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { parse } from 'yaml';
import { commandNames } from '../scripts/commands.ts';
import { linksOf } from '../scripts/commands/up.ts';
import { noticePhaseNames } from '../workflows/domain/notify/notice.ts';
import { externalPhases, usualPhases } from '../workflows/domain/notify/schema.ts';
import { operations } from '../workflows/domain/schedules/operations.ts';
import { systemSchema } from '../workflows/domain/system.ts';
import { factsOf, stepTypeNames } from '../workflows/domain/step-language.ts';

const project = fileURLToPath(new URL('..', import.meta.url));

/** Paths in backticks: with a folder of ours in front, or a bare file name that follows one in the same table cell. */
function pathsIn(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    let folder = '';
    return [...line.matchAll(/`([A-Za-z0-9._/-]+)`/g)].flatMap(([, path]) => {
      if (/^(activities|workflows|workers|scripts|systems|docs|test)\//.test(path!)) {
        folder = path!.endsWith('/') ? path! : `${dirname(path!)}/`;
        return [path!];
      }
      return folder && /^[a-z-]+\.ts$/.test(path!) ? [folder + path!] : [];
    });
  });
}

for (const document of ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'README.md']) {
  test(`every path that ${document} names is there`, () => {
    const paths = pathsIn(readFileSync(join(project, document), 'utf8'));
    assert.ok(paths.length > 0);
    assert.deepEqual(paths.filter((path) => !existsSync(join(project, path))), []);
  });
}

/** The rows of the table below a heading: its cells, with what stands in the first as code. */
function tableOf(document: string, heading: string): { names: string[]; cells: string[] }[] {
  const text = readFileSync(join(project, document), 'utf8');
  const [, below] = text.split(`\n## ${heading}\n`);
  const rows = below!.split('\n## ')[0]!.split(/\n\|(?:---\|)+\n/)[1]!.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((line) => {
    const cells = line.split('|').slice(1, -1).map((cell) => cell.trim());
    return { names: [...cells[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!), cells };
  });
}

test('docs/runbooks.md has every step type, and no other; so it has those that can be about some of the sources only', () => {
  assert.deepEqual(tableOf('docs/runbooks.md', 'What a step can do').flatMap(({ names }) => names).sort(), [...stepTypeNames, 'runbook'].sort());
  const perSource = /are for steps that work on data: (.*)\.\n/.exec(readFileSync(join(project, 'docs/runbooks.md'), 'utf8'))![1]!.split(', ');
  assert.deepEqual(perSource.sort(), stepTypeNames.filter((uses) => factsOf(uses).perSource).sort());
});

test('docs/notifications.md says of every phase which kinds of receivers are told of it, as they are', () => {
  const rows = tableOf('docs/notifications.md', 'Who is told what');
  assert.deepEqual(rows.flatMap(({ names }) => names).sort(), [...noticePhaseNames].sort());
  const kinds = Object.keys(usualPhases) as (keyof typeof usualPhases)[];
  for (const { names, cells } of rows) {
    const told = cells.at(-1)!;
    for (const phase of names) {
      const named = /\(sentry: (\w+)\)/.exec(told)?.[1];
      const says = kinds.filter((kind) => (told.startsWith('all') ? kind !== 'sentry' || !(told.startsWith('all but sentry') || (named && named !== phase)) : told.includes(kind)));
      assert.deepEqual(says, kinds.filter((kind) => usualPhases[kind].includes(phase as (typeof noticePhaseNames)[number])), `${phase}: ${told}`);
      assert.equal(told.includes('external'), (externalPhases as readonly string[]).includes(phase), `${phase}, outside: ${told}`);
    }
  }
});

test('docs/walk-through.md has every link that `holdfast up` prints, and what each view asks for', () => {
  const { start, views } = linksOf('http://ui', 'demo');
  const rows = tableOf('docs/walk-through.md', 'The links');
  const shown = [...start.map(({ title }) => `start ${title}`), ...views.flatMap(({ title, url }) => [`view ${title}`, new URL(url).searchParams.get('query')!])];
  assert.deepEqual(rows.flatMap(({ names, cells }) => [...names, ...[...cells[1]!.matchAll(/`([^`]+)`/g)].map(([, query]) => query!)]).sort(), shown.sort());
});

test('docs/schedules.md has everything that a schedule can do, and no more', () => {
  assert.deepEqual(tableOf('docs/schedules.md', 'What').map(({ names }) => names[0]).sort(), Object.keys(operations).sort());
});

test('docs/command-line.md has every command, and no other', () => {
  const [, table] = readFileSync(join(project, 'docs/command-line.md'), 'utf8').split('\n| command | what it does | needs |\n');
  const rows = table!.split('\n\n')[0]!.split('\n').slice(1);
  // `up`, `down [--wipe]` are two; `hold\|resume SYSTEM` too; `audit list SYSTEM` and `audit verify SYSTEM` are one.
  const named = rows.flatMap((row) => [...row.split(' | ')[0]!.matchAll(/`([^`]+)`/g)].flatMap(([, usage]) => usage!.split(' ')[0]!.split('\\|')));
  assert.deepEqual([...new Set(named)].sort(), [...commandNames].sort());
});

test('docs/command-line.md has every setting that a worker reads from its environment', () => {
  const page = readFileSync(join(project, 'docs/command-line.md'), 'utf8');
  const read = readFileSync(join(project, 'workers/environment.ts'), 'utf8').match(/\b(?:HOLDFAST|TEMPORAL)_[A-Z_]+\b/g)!;
  assert.deepEqual([...new Set(read)].filter((name) => !page.includes(`\`${name}\``)), []);
});

test('the system of docs/own-system.md is one that Holdfast takes', () => {
  const [, yaml] = /```yaml\n([^]*?)```/.exec(readFileSync(join(project, 'docs/own-system.md'), 'utf8'))!;
  assert.deepEqual(systemSchema.safeParse(parse(yaml!)).error?.issues ?? [], []);
});
