/** The few pieces of HTML that a report is made of. Whatever comes from a run goes through `html`, which escapes it. */

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character]!);

/** HTML that is known to be safe. Only `html` and `join` make it, so a forgotten escape does not compile. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Value = Markup | string | number | null | undefined | false;

const safe = (value: Value): string => {
  if (value instanceof Markup) return value.text;
  return value === null || value === undefined || value === false ? '' : escapeHtml(String(value));
};

/** A template: markup goes in as it is, everything else escaped; null, undefined and false leave nothing. */
export function html(parts: TemplateStringsArray, ...values: (Value | Value[])[]): Markup {
  const text = parts.map((part, index) => {
    const value = values[index];
    return part + (Array.isArray(value) ? value.map(safe).join('') : safe(value));
  });
  return new Markup(text.join(''));
}

export interface Column<T> {
  title: string;
  /** numbers stand under each other */
  number?: boolean;
  /** never broken over lines */
  whole?: boolean;
  /** of ids and names: not squeezed until they break in the middle of a word */
  name?: boolean;
  /** of sentences: has the room that the others leave */
  wide?: boolean;
  /** left out where no row has anything to say in it */
  optional?: boolean;
  cell: (row: T) => Value;
}

export function table<T>(columns: Column<T>[], rows: T[]): Markup {
  const shown = columns.filter((column) => !column.optional || rows.some((row) => safe(column.cell(row)) !== ''));
  const style = (column: Column<T>): Markup => html`${column.number ? html` class="number"` : column.whole ? html` class="whole"` : column.name ? html` class="name"` : column.wide ? html` class="wide"` : null}`;
  return html`<table>
<thead><tr>${shown.map((column) => html`<th${style(column)}>${column.title}</th>`)}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${shown.map((column, index) => html`<td${style(column)}${index > 0 && html` data-title="${column.title}"`}>${column.cell(row)}</td>`)}</tr>\n`)}</tbody></table>`;
}

export const list = (items: Value[]): Markup => html`<ul>${items.map((item) => html`<li>${item}</li>\n`)}</ul>`;

export const section = (title: string, ...body: Value[]): Markup => html`<section><h2>${title}</h2>\n${body}</section>\n`;
