import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadSystemFile } from '../../activities/system-files.ts';
import { runTool } from '../../activities/tool/run-tool.ts';

const project = join(import.meta.dirname, '../..');
const directory = join(project, 'docs/coverage');
const pages = readdirSync(directory).filter((name) => name.endsWith('.md'));

interface Row {
  heading: string;
  cells: string[];
}

/** The rows of every table of a page, below their headings of the second level. */
function rowsOf(page: string): Row[] {
  const rows: Row[] = [];
  let heading = '';
  for (const line of readFileSync(join(directory, page), 'utf8').split('\n')) {
    heading = /^## (.*)$/.exec(line)?.[1] ?? heading;
    if (/^\| (?!§|-)/.test(line)) rows.push({ heading, cells: line.split('|').slice(1, -1).map((cell) => cell.trim()) });
  }
  return rows;
}

const codes = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
const show = ({ heading, cells }: Row): string => `${heading}, ${cells[0]}: ${cells[1]}`;

/** Names of schedules stand behind the word, and nowhere else. */
const schedulesIn = (cell: string): string[] => [...cell.matchAll(/schedules? ((?:`[^`]+`(?:, )?)+)/g)].flatMap(([, names]) => codes(names!));

async function commands(): Promise<Set<string>> {
  const { stdout } = await runTool({ path: process.execPath }, [join(project, 'scripts/holdfast.ts'), '--help'], { env: {} });
  return new Set([...stdout.matchAll(/^ {2}([a-z][a-z-]*)(?:\|[a-z]+)? /gm)].map(([, name]) => name!));
}

test('there is a page of coverage, and every row of it says what, how, and what shows it, or that it is not there yet', () => {
  assert.deepEqual(pages.sort(), ['accubooks.md', 'ai-writing.md', 'corporate-intel.md', 'muslim-companion.md']);
  for (const page of pages) {
    const rows = rowsOf(page);
    assert.ok(rows.length > 50, `${page}: ${rows.length} rows`);
    for (const row of rows) {
      assert.equal(row.cells.length, 4, `${page}: ${show(row)}`);
      const [section, what, how, shown] = row.cells as [string, string, string, string];
      assert.ok(section !== '' && what !== '' && how !== '', `${page}: ${show(row)}`);
      assert.ok(codes(shown).length > 0 || /not yet|not ours/i.test(how), `${page}: nothing shows it, and it does not say why: ${show(row)}`);
      // A bare "not yet" is no reason.
      assert.ok(!/not yet\**\s*$/i.test(how), `${page}: not yet, and no reason: ${show(row)}`);
    }
  }
});

test('every section of the handbook stands in the table', () => {
  const sections = new Set(rowsOf('ai-writing.md').flatMap(({ cells }) => cells[0]!.split(', ').map((section) => section.split('.').slice(0, 2).join('.'))));
  const handbook = ['1.1', '1.2', '1.3', '2.1', '2.2', '2.3', '2.4', '3.1', '3.2', '3.3', '3.4', '4.1', '4.2', '4.3', '4.4', '5.1', '5.2', '5.3', '5.4', '6.1', '6.2', '6.3', '7.1', '7.2', '7.3', '8.1', '8.2', '8.3', '8.4', '8.5'];
  assert.deepEqual([...sections].sort(), handbook);
});

test('every heading of the handbooks without numbers stands over a table', () => {
  const headings = {
    'corporate-intel.md': ['Overview', 'Backup Strategy', 'PostgreSQL Database Backups', 'MinIO Object Storage Backups', 'Backup Scheduling', 'Restoration Procedures', 'Disaster Recovery', 'Monitoring and Verification', 'Troubleshooting', 'Appendix'],
    'muslim-companion.md': ['Backup System', 'Recovery Procedures', 'Disaster Recovery Scenarios', 'Monitoring and Alerts', 'Troubleshooting', 'Quarterly Disaster Recovery Drill', 'AWS Infrastructure Configuration', 'Environment Variables', 'Contact Information'],
    'accubooks.md': ['Backup Architecture', 'Backup Configuration', 'Backup Process', 'Recovery Procedures', 'Backup Verification', 'Monitoring and Alerting', 'Disaster Recovery Plan', 'Security Considerations', 'Troubleshooting', 'Maintenance', 'Contact Information'],
  };
  for (const [page, wanted] of Object.entries(headings)) assert.deepEqual([...new Set(rowsOf(page).map(({ heading }) => heading))], wanted, page);
});

test('every test, page, command, schedule, receiver, step and setting that a table names is there, an alert or error in what shows it, and every schedule of the system file is named', async () => {
  const known = await commands();
  assert.ok(known.has('apply') && known.has('approve') && !known.has('nothing'));
  const wrong: string[] = [];
  for (const page of pages) {
    const name = page.replace(/\.md$/, '');
    const { system } = await loadSystemFile(name);
    const settings = new Set(readFileSync(join(project, 'systems', `${name}.yaml`), 'utf8').match(/[\w-]+: [^,{}#\n]+/g)!.map((setting) => setting.trim()));
    const schedules = new Set<string>();
    for (const row of rowsOf(page)) {
      const shown = row.cells[3]!;
      const ofSchedules = schedulesIn(shown);
      for (const schedule of ofSchedules) {
        assert.ok(system.schedules?.[schedule], `${page}: no schedule "${schedule}": ${show(row)}`);
        schedules.add(schedule);
      }
      for (const code of codes(shown).filter((one) => !ofSchedules.includes(one))) {
        const command = /^holdfast ([a-z]+)/.exec(code)?.[1];
        if (command !== undefined) assert.ok(known.has(command), `${page}: no command "${command}": ${show(row)}`);
        else assert.ok(/^(test|docs)\/.+\.(ts|md)$/.test(code) && existsSync(join(project, code)), `${page}: ${code} is not there: ${show(row)}`);
      }
      const how = row.cells[2]!;
      const named = codes(shown).filter((code) => /^(test|docs)\//.test(code)).map((path) => readFileSync(join(project, path), 'utf8'));
      // An alert, or an error by its type, is in what shows it.
      for (const word of codes(how).filter((code) => /^([A-Z][a-z]+){2,}$/.test(code))) if (!named.some((text) => text.includes(word))) wrong.push(`${page}: nothing that it names has "${word}": ${show(row)}`);
      // What a test is called, in quotes behind its file: there is one that is called so.
      for (const [, path, title] of shown.matchAll(/`(test\/[^`]+)` "([^"]+)"/g)) {
        const titles = readFileSync(join(project, path!), 'utf8').split('\n').filter((line) => /\btest\(/.test(line));
        if (!titles.some((line) => line.includes(title!))) wrong.push(`${page}: no test of ${path} is called "${title}": ${show(row)}`);
      }
      // A setting is in the system file as it stands here.
      for (const setting of codes(how).filter((code) => /^[\w.-]+: [^{}…,]+$/.test(code))) {
        if (!settings.has(setting.replace(/^.*\.(?=[\w-]+: )/, ''))) wrong.push(`${page}: the system file has no "${setting}": ${show(row)}`);
      }
      for (const step of [...how.matchAll(/steps? ((?:`[^`]+`(?:, )?)+)/g)].flatMap(([, names]) => codes(names!)).filter((one) => one !== 'command')) {
        assert.ok([system.runbook, ...Object.values(system.runbooks ?? {})].some(({ steps }) => steps.some(({ id, uses }) => id === step || uses === step)), `${page}: no step "${step}": ${show(row)}`);
      }
      for (const receiver of [...how.matchAll(/receivers? ((?:`[^`]+`(?:, )?)+)/g)].flatMap(([, names]) => codes(names!))) {
        assert.ok(system.notify?.receivers[receiver] !== undefined, `${page}: no receiver "${receiver}": ${show(row)}`);
      }
    }
    assert.deepEqual(Object.keys(system.schedules ?? {}).filter((schedule) => !schedules.has(schedule)), [], `${page}: schedules that no row names`);
  }
  assert.deepEqual(wrong, []);
});
