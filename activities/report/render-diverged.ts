import { divergedWrites, type DivergedNamespace, type DivergedReport } from '../../workflows/domain/diverged.ts';
import { formatLogPosition } from '../../workflows/domain/log-position.ts';
import { formatBytes } from '../../workflows/domain/units.ts';
import { html, list, Markup, section, table } from './html.ts';
import { pageStyle, style } from './style.ts';

const count = (n: number): string => n.toLocaleString('en-US');
const time = (at: string | null): string => (at === null ? 'none' : `${at.replace('T', ' ').replace(/Z$/, '')} UTC`);

const namespaces = (report: DivergedReport): Markup =>
  report.namespaces.length === 0
    ? html`<p>No document was written.</p>`
    : html`${table<DivergedNamespace>(
        [
          { title: 'Collection', cell: (row) => html`<code>${row.ns}</code>` },
          { title: 'Inserts', number: true, cell: (row) => count(row.inserts) },
          { title: 'Updates', number: true, cell: (row) => count(row.updates) },
          { title: 'Deletes', number: true, cell: (row) => count(row.deletes) },
        ],
        report.namespaces,
      )}
${report.namespaceCount > report.namespaces.length && html`<p>${count(report.namespaces.length)} of ${count(report.namespaceCount)} collections shown.</p>`}`;

const ids = (report: DivergedReport): Markup =>
  html`${report.namespaces.map((one) => html`<p><code>${one.ns}</code></p>
${list(one.ids.map(({ change, id }) => html`${change} <code>${id}</code>`))}
${one.idsLeftOut > 0 && html`<p>${count(one.idsLeftOut)} more changes are in the entries.</p>`}`)}`;

/** The page of an old primary's diverged writes: loads nothing from anywhere, everything that came from data is escaped. */
export function renderDivergedHtml(report: DivergedReport): string {
  const wrote = report.inserts + report.updates + report.deletes + report.commandCount > 0;
  const headline = wrote ? 'The old primary took writes that the recovered data does not hold' : 'The old primary took nothing that the recovered data lacks';
  const page = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${report.system}/${report.source}: diverged writes</title>
<style>${new Markup(style + pageStyle(`${report.system}/${report.source}, diverged writes, run ${report.run}`))}</style></head>
<body>
<header><p class="what">${report.system}/${report.source}, old primary in ${report.environment}, timeline <code>${report.timeline}</code></p>
<h1 class="${wrote || report.doesNotCover.length > 0 ? 'warn' : 'good'}">${headline}</h1>
<p class="outcome">${divergedWrites(report)}${report.commandCount > 0 && `, ${count(report.commandCount)} commands`}; the first at ${time(report.firstAt)}, the last at ${time(report.lastAt)}. Nothing was merged, and nothing will be: two sides that both took writes have no common order. A person decides what of this is carried over, by hand.</p></header>
${section('Collections', namespaces(report))}
${report.commands.length > 0 && section('Commands', table([{ title: 'UTC', cell: (row) => time(row.at) }, { title: 'Command', cell: (row) => html`<code>${row.command}</code>` }, { title: 'On', cell: (row) => html`<code>${row.ns}</code>` }], report.commands))}
${report.namespaces.length > 0 && section('Documents', ids(report))}
${section('What this covers', list(report.covers))}
${section('What this does not cover', report.doesNotCover.length > 0 ? list(report.doesNotCover) : html`<p>Nothing is known to be missing.</p>`)}
${section('The entries themselves', report.objects.length > 0 ? html`${list(report.objects.map(({ key, bytes }) => html`<code>${key}</code>, ${formatBytes(bytes)}, encrypted`))}<p>They lie in the store, sealed under an archive key of timeline <code>${report.timeline}</code>.</p>` : html`<p>There is none.</p>`)}
<footer>Read from ${report.readFrom}, from ${formatLogPosition(report.from)}${report.to && ` to ${formatLogPosition(report.to)}`}, ${count(report.entries)} entries with the server’s own. Run <code>${report.run}</code>, written ${time(report.writtenAt)}. Report format ${report.format}.</footer>
</body></html>
`;
  return page.text;
}
