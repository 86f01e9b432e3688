import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import type { Owner } from '../harness/cleanup.ts';
import { skipWithout } from '../harness/required-parts.ts';
import { tempDir } from '../harness/temp-dir.ts';

const programs = ['chromium', 'chromium-browser', 'google-chrome'];

/** The machine's own Chromium: HOLDFAST_CHROMIUM, or on PATH. No test downloads one. */
function findChromium(): string | undefined {
  const named = process.env['HOLDFAST_CHROMIUM'];
  if (named) return named;
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '').flatMap((directory) => programs.map((program) => join(directory, program)));
  return onPath.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why a test of the UI cannot run here; false: it can. */
export const noChromium: string | false = findChromium() === undefined && skipWithout('chromium', 'there is no Chromium: put one on PATH (Debian: apt-get install chromium), or name it in HOLDFAST_CHROMIUM');

export interface Browser {
  page: Page;
  /** keeps what is seen now, or its upper part, as `<name>.webp`, where HOLDFAST_SCREENSHOTS says; else it goes with the test */
  shoot(name: string, height?: number): Promise<void>;
}

/** A window of 1,280 × 900 in a browser of the test's own, at UTC, closed when it is over. */
export async function openBrowser(owner: Owner): Promise<Browser> {
  const directory = process.env['HOLDFAST_SCREENSHOTS'] ?? tempDir(owner, 'holdfast-screenshots-');
  mkdirSync(directory, { recursive: true });
  const browser = await chromium.launch({
    executablePath: findChromium()!,
    // Chromium refuses to run as root with its sandbox; and /dev/shm is small in containers.
    args: ['--disable-dev-shm-usage', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
  });
  owner.after(async () => await browser.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', timezoneId: 'UTC' });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const protocol = await context.newCDPSession(page);
  return {
    page,
    shoot: async (name, height) => {
      const clip = height === undefined ? {} : { clip: { x: 0, y: 0, width: page.viewportSize()!.width, height, scale: 1 } };
      const { data } = await protocol.send('Page.captureScreenshot', { format: 'webp', quality: 70, ...clip });
      writeFileSync(join(directory, `${name}.webp`), Buffer.from(data, 'base64'));
    },
  };
}
