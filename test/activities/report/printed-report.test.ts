import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { renderReportHtml } from '../../../activities/report/render-report.ts';
import { readTagged, type Tagged } from '../../harness/tagged-pdf.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { noChromium, openBrowser } from '../../ui/browser.ts';
import { sampleBadReport, sampleReport } from './sample-report.ts';

test('the page in a browser: it asks for nothing, nothing stands out of it or is cut on a desktop, a phone or paper, and its PDF is numbered and without an empty page', { skip: noChromium }, async (t) => {
  const { page } = await openBrowser(t);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  const directory = tempDir(t, 'holdfast-page-');
  for (const [name, report, pages] of [['good', sampleReport(), [3, 4]], ['bad', sampleBadReport(), [12, 20]]] as const) {
    const address = pathToFileURL(join(directory, `${name}.html`)).href;
    writeFileSync(join(directory, `${name}.html`), renderReportHtml(report));
    for (const [media, width] of [['screen', 1280], ['screen', 360], ['print', 680]] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ media });
      await page.goto(address);
      assert.deepEqual(await standsOut(page), [], `${name}, ${media}, ${width} px`);
    }
    assert.deepEqual([...new Set(asked.splice(0))], [address]);
    const path = join(directory, `${name}.pdf`);
    await page.pdf({ path, format: 'A4' });
    const count = [...readFileSync(path, 'latin1').matchAll(/\/Type\s*\/Page\b/g)].length;
    assert.ok(count >= pages[0] && count <= pages[1], `${name}: ${count} pages`);
  }
});

test('where its pages break: no row, list item or heading is torn, headings stay with what they are of, and a table that goes on has its head again', { skip: noChromium }, async (t) => {
  const { page } = await openBrowser(t);
  const print = async (html: string): Promise<Tagged> => {
    await page.setContent(html);
    return readTagged(await page.pdf({ format: 'A4', tagged: true }));
  };
  for (const [name, report] of [['good', sampleReport()], ['bad', sampleBadReport()]] as const) {
    const html = renderReportHtml(report);
    assert.deepEqual(tornIn(await print(html)), [], name);
    if (name === 'good') continue;
    const careless = html.replaceAll(/break-(inside|after|before): avoid/g, 'break-$1: auto').replace('display: table-header-group', 'display: table-row-group');
    const torn = tornIn(await print(`${careless}<style>body { orphans: 1; widows: 1; } td { font-size: 14pt; } h2 + table { margin-top: 60mm; }</style>`));
    for (const what of [/^TR torn/, /^H2 is left alone/, /^a table goes on without its head/]) assert.ok(torn.some((one) => what.test(one)), `the check sees ${what.source} where nothing is kept together: ${torn.join('; ')}`);
  }
});

const own = (of: Tagged): Tagged[] => [of, ...of.children.flatMap(own)];
const pagesOf = (of: Tagged): number[] => [...new Set(own(of).flatMap(({ pages }) => pages))].sort((a, b) => a - b);
const isHead = (row: Tagged): boolean => row.children.every(({ kind }) => kind === 'TH');

/** What a page break took apart in a PDF, by its own structure. */
function tornIn(document: Tagged): string[] {
  const found: string[] = [];
  const all = own(document);
  const said = new Set(all.map(({ kind }) => kind));
  for (const kind of ['H1', 'H2', 'H3', 'TR', 'LI', 'Table']) assert.ok(said.has(kind), `the PDF has a ${kind}`);
  const leaves = all.filter(({ pages }) => pages.length > 0);
  for (const one of all) {
    const pages = pagesOf(one);
    if (['H1', 'H2', 'H3', 'LI'].includes(one.kind) || (one.kind === 'TR' && !isHead(one))) {
      if (pages.length > 1) found.push(`${one.kind} torn over pages ${pages.join(', ')}`);
    }
    if (['H1', 'H2', 'H3'].includes(one.kind)) {
      const last = leaves.indexOf(own(one).findLast((leaf) => leaf.pages.length > 0)!);
      const next = leaves[last + 1];
      if (next && next.pages[0] !== pages.at(-1)) found.push(`${one.kind} is left alone at the end of page ${pages.at(-1)}`);
    }
    if (one.kind === 'Table') found.push(...tornTable(one, leaves));
  }
  return found;
}

function tornTable(table: Tagged, leaves: readonly Tagged[]): string[] {
  const rows = own(table).filter(({ kind }) => kind === 'TR');
  const [head, ...body] = rows;
  const headed = pagesOf(head!);
  const without = [...new Set(body.flatMap(pagesOf))].filter((page) => !headed.includes(page));
  const before = leaves[leaves.indexOf(own(table).find((leaf) => leaf.pages.length > 0)!) - 1];
  return [
    ...(isHead(head!) ? [] : ['a table begins without its head']),
    ...without.map((page) => `a table goes on without its head on page ${page}`),
    ...(headed.every((page) => body.some((row) => pagesOf(row).includes(page))) ? [] : ['a head of a table is left alone']),
    ...(before && before.pages.at(-1) !== headed[0] ? ['what leads to a table is left on the page before'] : []),
  ];
}

/** Elements that reach beyond the page's right edge or hold text that is wider than their box. As text: it runs in the page. */
const standsOut = async (page: Page): Promise<string[]> =>
  await page.evaluate(`[...document.querySelectorAll('body, body *')]
    .filter((one) => !one.closest('i'))
    .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1
      || (getComputedStyle(one).display !== 'inline' && !one.classList.contains('track') && one.scrollWidth > one.clientWidth + 1))
    .map((one) => one.tagName + '.' + one.className + ': ' + one.textContent.slice(0, 60))`);
