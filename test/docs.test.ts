import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const project = fileURLToPath(new URL('..', import.meta.url));

/** Paths in backticks: with a folder of ours in front, or a bare file name that follows one in the same table cell. */
function pathsIn(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    let folder = '';
    return [...line.matchAll(/`([A-Za-z0-9._/-]+)`/g)].flatMap(([, path]) => {
      if (/^(activities|workflows|workers|scripts|systems|docs|test)\//.test(path!)) {
        folder = path!.endsWith('/') ? path! : `${dirname(path!)}/`;
        return [path!];
      }
      return folder && /^[a-z-]+\.ts$/.test(path!) ? [folder + path!] : [];
    });
  });
}

for (const document of ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'README.md']) {
  test(`every path that ${document} names is there`, () => {
    const paths = pathsIn(readFileSync(join(project, document), 'utf8'));
    assert.ok(paths.length > 0);
    assert.deepEqual(paths.filter((path) => !existsSync(join(project, path))), []);
  });
}
