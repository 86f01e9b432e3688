import { setCurrentDetails } from '@temporalio/workflow';
import { bytesOf, detailsBytes } from './runbook/show-details.ts';

/** Shows an answer as a Markdown list in the UI, as much of it as fits; the workflow's result holds the rest. */
export function showLines(heading: string, lines: readonly string[]): void {
  const head = `**${heading}**\n`;
  const rest = (count: number): string => (count > 0 ? `\n- … and ${count} more lines: in the result` : '');
  let shown = lines.length;
  const text = (): string => `${head}${lines.slice(0, shown).map((line) => `\n- ${line.trim()}`).join('')}${rest(lines.length - shown)}`;
  while (shown > 0 && bytesOf(text()) > detailsBytes) shown -= 1;
  setCurrentDetails(text());
}
