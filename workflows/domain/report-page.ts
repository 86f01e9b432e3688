/**
 * The one template that reports and mails are made of: what is to be said, as plain text, in an order. A page on its own, the HTML of a mail, Markdown and plain text
 * are four printings of it (`activities/report/print-*.ts`); whoever prints escapes.
 */
export interface ReportPage {
  /** what it is of, a line */
  about: string;
  tone: Tone;
  headline: string;
  /** for somebody who reads nothing else */
  sentence: string;
  facts: PageFact[];
  sections: PageSection[];
  /** where it comes from */
  footer: string;
}

export type Tone = 'good' | 'warn' | 'bad';

/** One figure of a page's head. met: null where it is no question of good or bad. */
export interface PageFact {
  title: string;
  value: string;
  note: string;
  met: boolean | null;
}

export interface PageSection {
  title: string;
  text?: string | undefined;
  list?: readonly string[] | undefined;
  table?: PageTable | undefined;
}

export interface PageTable {
  columns: readonly PageColumn[];
  rows: readonly (readonly PageCell[])[];
}

export interface PageColumn {
  title: string;
  /** numbers stand under each other; names and times are not cut into letters, ids only where there is no room */
  kind?: 'number' | 'whole' | 'name' | 'wide' | 'id' | undefined;
}

/** share: drawn as a bar of so much of its column, 0 to 1, where the printing can; tone: its colour */
export type PageCell = string | { text: string; share?: number | undefined; tone?: Tone | undefined };

export const textOf = (cell: PageCell): string => (typeof cell === 'string' ? cell : cell.text);

export const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
