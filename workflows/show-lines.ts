import { setCurrentDetails } from '@temporalio/workflow';
import { bytesOf, detailsBytes } from './runbook/show-details.ts';

/** Shows an answer as a Markdown list in the UI, as much of it as fits; the workflow's result holds the rest. */
export const showLines = (heading: string, lines: readonly string[]): void => setCurrentDetails(fitLines(`**${heading}**`, lines));

/** A Markdown list under what is above it, as much of it as the UI shows. */
export function fitLines(above: string, lines: readonly string[]): string {
  const rest = (count: number): string => (count > 0 ? `\n- … and ${count} more lines: in the result` : '');
  const room = detailsBytes - bytesOf(rest(lines.length));
  let text = `${above}\n`;
  let bytes = bytesOf(text);
  let shown = 0;
  for (const line of lines) {
    const item = `\n- ${line.trim()}`;
    bytes += bytesOf(item);
    if (bytes > (shown === lines.length - 1 ? detailsBytes : room)) break;
    text += item;
    shown += 1;
  }
  return `${text}${rest(lines.length - shown)}`;
}
