import { setCurrentDetails } from '@temporalio/workflow';
import { bytesOf, detailsBytes } from './runbook/show-details.ts';

/** Shows an answer as a Markdown list in the UI, as much of it as fits; the workflow's result holds the rest. */
export const showLines = (heading: string, lines: readonly string[]): void => setCurrentDetails(fitLines(`**${heading}**`, lines));

/** A Markdown list under what is above it, as much of it as the UI shows. */
export function fitLines(above: string, lines: readonly string[]): string {
  const rest = (count: number): string => (count > 0 ? `\n- … and ${count} more lines: in the result` : '');
  let shown = lines.length;
  const text = (): string => `${above}\n${lines.slice(0, shown).map((line) => `\n- ${line.trim()}`).join('')}${rest(lines.length - shown)}`;
  while (shown > 0 && bytesOf(text()) > detailsBytes) shown -= 1;
  return text();
}
