import { textOf, type PageCell, type PageFact, type PageSection, type PageTable, type ReportPage } from '../../workflows/domain/report-page.ts';
import { html, list, Markup, section, table } from './html.ts';
import { pageStyle, style } from './style.ts';

const toneOf = (cell: PageCell): string => (typeof cell === 'string' ? '' : (cell.tone ?? ''));

const fact = ({ title, value, note, met }: PageFact): Markup => html`<div class="fact"><h3>${title}</h3><strong class="${met === null ? '' : met ? 'good' : 'bad'}">${value}</strong><span>${note}</span></div>\n`;

/** A bar says at one look what a column of figures does not. Its width is a number of ours. */
function cellOf(cell: PageCell): Markup {
  const tone = toneOf(cell);
  const text = tone === '' ? html`${textOf(cell)}` : html`<span class="${tone}">${textOf(cell)}</span>`;
  if (typeof cell === 'string' || cell.share === undefined) return text;
  return html`<span class="share"><i style="width: ${Math.round(Math.min(1, Math.max(0, cell.share)) * 100)}%"></i></span>${text}`;
}

const tableOf = ({ columns, rows }: PageTable): Markup =>
  rows.length === 0
    ? html`<p>None.</p>`
    : table(columns.map(({ title, kind }, index) => ({ title, ...(kind ? { [kind === 'id' ? 'whole' : kind]: true } : {}), cell: (row: readonly PageCell[]) => cellOf(row[index] ?? '') })), [...rows]);

const sectionOf = ({ title, text, list: items, table: rows }: PageSection): Markup => section(title, text !== undefined && html`<p>${text}</p>`, items !== undefined && items.length > 0 && list([...items]), rows && tableOf(rows));

/** The page as a file of its own: it loads nothing from anywhere, and whatever it says is escaped. */
export function printHtml(page: ReportPage): string {
  const { about, tone, headline, sentence, facts, sections, footer } = page;
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${about}: ${headline}</title>
<style>${new Markup(style + pageStyle(about))}</style></head>
<body>
<header><p class="what">${about}</p>
<h1 class="${tone}">${headline}</h1>
<p class="outcome">${sentence}</p></header>
${facts.length > 0 && html`<div class="facts">\n${facts.map(fact)}</div>`}
${sections.map(sectionOf)}
<footer>${footer}</footer>
</body></html>
`.text;
}
