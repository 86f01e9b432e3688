import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PlantedPrograms {
  bin: string;
  /** of a file that says how a program behaves: `once-NAME`, it fails once; `broken-NAME`, it fails as long as the file is there */
  flag(name: string): string;
  /** how a program was called so far, a line each */
  calls(program: string): string[];
}

/** What a system file calls by name, each a real program that writes down how it was called. */
export function plantPrograms(home: string, names: readonly string[]): PlantedPrograms {
  const bin = join(home, 'bin');
  mkdirSync(bin);
  const flag = (name: string): string => join(bin, name);
  writeFileSync(flag('calls'), '');
  const script = `#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> "${flag('calls')}"
[ ! -e "${bin}/broken-$name" ] || { echo 'two of nine fail' >&2; exit 3; }
! rm "${bin}/once-$name" 2>/dev/null || exit 4
`;
  for (const program of names) writeFileSync(flag(program), script, { mode: 0o755 });
  const calls = (program: string): string[] => readFileSync(flag('calls'), 'utf8').split('\n').filter((line) => line.startsWith(`${program} `));
  return { bin, flag, calls };
}
