/** Parts of a machine that some tests need and do without, by a skip that says so, where they are missing. `.ci/run` installs what can be installed; whether disks can be mounted and networks made apart, the machine decides. */
const parts = ['chromium', 'disks', 'faketime', 'gpg', 'network-namespace', 'pgbackrest', 'postgresql-14', 'postgresql-15', 'promtool', 'python3-venv'] as const;
export type Part = (typeof parts)[number];

export const requiredPartsVariable = 'HOLDFAST_TEST_REQUIRES';

/**
 * What a test is skipped for: `why`, where this run may do without the part. Where HOLDFAST_TEST_REQUIRES names it (a list with commas; `.ci/run` sets it),
 * a run without it must not look like one that went well.
 *
 * @throws where the part is required; where the list names a part that nothing asks for, which would be required in vain.
 */
export function skipWithout(part: Part, why: string): string {
  const required = (process.env[requiredPartsVariable] ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '');
  const unknown = required.filter((name) => !(parts as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`${requiredPartsVariable}: no test asks for ${unknown.join(', ')}; known: ${parts.join(', ')}`);
  if (required.includes(part)) throw new Error(`${why}. ${requiredPartsVariable} names ${part}: this run must not do without it`);
  return why;
}
