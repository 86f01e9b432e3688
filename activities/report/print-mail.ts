import { textOf, type PageCell, type PageFact, type PageSection, type PageTable, type ReportPage, type Tone } from '../../workflows/domain/report-page.ts';
import { html, type Markup } from './html.ts';

/**
 * The page as the HTML of a mail. Programs that read mail know little: no variables, no grid, no style sheet that is sure to be kept. So it is one column of tables, and each element says how
 * it looks; colours stand in pairs with their ground, as some turn a page dark by themselves.
 */

const ink = '#1b1f24';
const soft = '#57606a';
const line = '#d0d7de';
const colours: Record<Tone, string> = { good: '#1a7f37', warn: '#8a5a00', bad: '#cf222e' };
const font = "font-family: -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

const colourOf = (met: boolean | null): string => (met === null ? ink : met ? colours.good : colours.bad);

/** Three beside each other: what fits on a telephone. */
function factRows(facts: readonly PageFact[]): Markup {
  const rows: PageFact[][] = [];
  for (let at = 0; at < facts.length; at += 3) rows.push(facts.slice(at, at + 3));
  const cell = ({ title, value, note, met }: PageFact): Markup =>
    html`<td width="33%" valign="top" style="padding: 10px 12px; border: 1px solid ${line}; background-color: #f6f8fa; color: ${ink}"><div style="font-size: 12px; color: ${soft}">${title}</div><div style="font-size: 20px; line-height: 28px; font-weight: 600; color: ${colourOf(met)}">${value}</div><div style="font-size: 12px; color: ${soft}">${note}</div></td>`;
  return html`<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="border-collapse: collapse; margin: 16px 0">${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</table>`;
}

function cellOf(cell: PageCell): Markup {
  if (typeof cell === 'string' || !cell.tone) return html`${textOf(cell)}`;
  return html`<span style="color: ${colours[cell.tone]}; font-weight: 600">${cell.text}</span>`;
}

function tableOf({ columns, rows }: PageTable): Markup {
  if (rows.length === 0) return html`<p style="margin: 4px 0">None.</p>`;
  // Only sentences are broken anywhere: a name that is cut into letters is read by nobody.
  const wrap = (index: number): string => (['wide', 'id', undefined].includes(columns[index]?.kind) ? 'anywhere' : 'normal');
  const align = (index: number): string => (columns[index]?.kind === 'number' ? 'right' : 'left');
  // On a telephone a wide table is pushed aside by itself, and not the whole mail.
  return html`<div style="overflow-x: auto"><table width="100%" cellpadding="0" cellspacing="0" style="border-collapse: collapse; font-size: 13px; line-height: 18px">
<tr>${columns.map(({ title }, index) => html`<th align="${align(index)}" style="padding: 5px 8px 5px 0; border-bottom: 1px solid ${line}; color: ${soft}; font-weight: 600; overflow-wrap: normal">${title}</th>`)}</tr>
${rows.map((row) => html`<tr>${row.map((cell, index) => html`<td align="${align(index)}" valign="top" style="padding: 5px 8px 5px 0; border-bottom: 1px solid ${line}; overflow-wrap: ${wrap(index)}">${cellOf(cell)}</td>`)}</tr>\n`)}</table></div>`;
}

const sectionOf = ({ title, text, list, table }: PageSection): Markup =>
  html`<h2 style="font-size: 16px; line-height: 22px; margin: 24px 0 6px; color: ${ink}">${title}</h2>
${text !== undefined && html`<p style="margin: 4px 0">${text}</p>`}
${list !== undefined && list.length > 0 && html`<ul style="margin: 4px 0; padding-left: 20px">${list.map((item) => html`<li style="margin: 2px 0">${item}</li>\n`)}</ul>`}
${table && tableOf(table)}`;

/** @param link - where there is more of it; null: nowhere that is known */
export function printMail({ about, tone, headline, sentence, facts, sections, footer }: ReportPage, link: string | null): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${headline}</title></head>
<body style="margin: 0; padding: 0; background-color: #ffffff; color: ${ink}; ${font}; font-size: 15px; line-height: 22px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background-color: #ffffff"><tr><td align="center" style="padding: 20px 14px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width: 680px; table-layout: fixed; text-align: left; color: ${ink}; overflow-wrap: break-word"><tr><td>
<div style="font-size: 13px; color: ${soft}">${about}</div>
<h1 style="font-size: 22px; line-height: 28px; margin: 4px 0 8px; color: ${colours[tone]}">${headline}</h1>
${sentence !== '' && html`<p style="margin: 0 0 8px">${sentence}</p>`}
${facts.length > 0 && factRows(facts)}
${sections.map(sectionOf)}
${link !== null && html`<p style="margin: 24px 0 0"><a href="${link}" style="color: #1f5fd6">The run in the Temporal UI</a></p>`}
<p style="margin: 24px 0 0; font-size: 12px; line-height: 16px; color: ${soft}">${footer}</p>
</td></tr></table></td></tr></table></body></html>
`.text;
}
