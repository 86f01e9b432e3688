import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { caFile, startHttpReceiver, type HttpReceiver } from '../harness/http-receiver.ts';
import { until } from '../harness/until.ts';
import type { Scope } from './scope.ts';

/** What calls people, of what a cell may come to. */
const phases = ['failed', 'stuck', 'gap', 'archive-late', 'backup-failed'] as const;
export type PagePhase = (typeof phases)[number];

interface Page {
  type: `holdfast.${PagePhase}`;
  data: { id: string; title: string; lines: string[]; alert: { state: string } | null };
}

/** A receiver of the system's own: what calls people arrives here, and each page that came has to be one that was due. */
export class Pages {
  readonly #receiver: HttpReceiver;
  /** ids of pages that were due */
  readonly #due = new Set<string>();

  private constructor(receiver: HttpReceiver) {
    this.#receiver = receiver;
  }

  static async open(owner: Scope): Promise<Pages> {
    return new Pages(await startHttpReceiver(owner, { status: 204, body: '' }));
  }

  /** `notify` of the system file. */
  settings(home: string): Record<string, unknown> {
    const secret = join(home, 'webhook-secret');
    writeFileSync(secret, 'a signing secret of 32 bytes, ok\n');
    return { receivers: { 'on-call': { kind: 'webhook', url: `${this.#receiver.url}/hook`, secret: `file:${secret}`, caFile, phases } } };
  }

  /** Those that say that something is wrong; one that was sent again is one. */
  #open(): Page[] {
    const pages = this.#receiver.requests.map(({ body }) => JSON.parse(body) as Page).filter(({ data }) => data.alert?.state === 'open');
    return [...new Map(pages.map((page) => [page.data.id, page])).values()];
  }

  /** Waits for a page that names all of this: what status names too. */
  async due(phase: PagePhase, names: readonly string[]): Promise<void> {
    const page = await until(`a page "${phase}" that names ${names.join(', ')}`, () =>
      this.#open().find(({ type, data }) => type === `holdfast.${phase}` && !this.#due.has(data.id) && names.every((name) => [data.title, ...data.lines].join('\n').includes(name)))).catch((error: unknown) => {
      throw new Error(`nobody is called: ${(error as Error).message}; pages: ${JSON.stringify(this.#open().map(({ type, data: { title, lines } }) => [type, title, lines]))}`, { cause: error });
    });
    this.#due.add(page.data.id);
  }

  /** Nobody was called for what mended itself. An archive that was late for minutes was late, whatever ends it. */
  requireNoOther(): void {
    const others = this.#open().filter(({ type, data }) => type !== 'holdfast.archive-late' && !this.#due.has(data.id));
    assert.deepEqual(others.map(({ type, data: { title, lines } }) => [type, title, lines]), [], 'nobody is called for what mended itself');
  }
}
