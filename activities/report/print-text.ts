import { textOf, type PageTable, type ReportPage } from '../../workflows/domain/report-page.ts';

/** What came from anywhere must not become a heading, a link, a cell or markup of its own. */
const inline = (text: string): string => text.replace(/\s+/g, ' ').replace(/([\\`*_[\]<>#|~&])/g, '\\$1');

function markdownTable({ columns, rows }: PageTable): string {
  if (rows.length === 0) return 'None.';
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(columns.map(({ title }) => inline(title))), row(columns.map(({ kind }) => (kind === 'number' ? '---:' : '---'))), ...rows.map((cells) => row(cells.map((cell) => inline(textOf(cell)))))].join('\n');
}

export function printMarkdown({ about, headline, sentence, facts, sections, footer }: ReportPage): string {
  const parts = [
    `# ${inline(headline)}`,
    inline(about),
    inline(sentence),
    facts.map(({ title, value, note, met }) => `- **${inline(title)}**: ${inline(value)}${met === false ? ' (not met)' : ''}${note === '' ? '' : `; ${inline(note)}`}`).join('\n'),
    ...sections.flatMap(({ title, text, list, table }) => [`## ${inline(title)}`, ...(text === undefined ? [] : [inline(text)]), ...(list === undefined || list.length === 0 ? [] : [list.map((item) => `- ${inline(item)}`).join('\n')]), ...(table ? [markdownTable(table)] : [])]),
    inline(footer),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ');

/** Columns under each other, as wide as their widest cell. */
function textTable({ columns, rows }: PageTable): string[] {
  if (rows.length === 0) return ['  none'];
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => row.map((cell) => oneLine(textOf(cell))))];
  const wide = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  return cells.map((row) => `  ${row.map((cell, index) => (columns[index]?.kind === 'number' ? cell.padStart(wide[index]!) : cell.padEnd(wide[index]!))).join('  ').trimEnd()}`);
}

/** The page for a terminal, and the text of a mail. */
export function printText({ about, headline, sentence, facts, sections, footer }: ReportPage): string {
  const wide = Math.max(0, ...facts.map(({ title }) => title.length));
  const lines = [
    oneLine(about),
    '',
    oneLine(headline),
    ...(sentence === '' ? [] : [oneLine(sentence)]),
    ...(facts.length > 0 ? ['', ...facts.map(({ title, value, note, met }) => `  ${title.padEnd(wide)}  ${value}${met === false ? ' (not met)' : ''}${note === '' ? '' : `; ${note}`}`)] : []),
    ...sections.flatMap(({ title, text, list = [], table }) => ['', title, ...(text === undefined ? [] : [`  ${oneLine(text)}`]), ...list.map((item) => `  - ${oneLine(item)}`), ...(table ? textTable(table) : [])]),
    '',
    oneLine(footer),
  ];
  return `${lines.join('\n')}\n`;
}
