import { errorTable, HoldfastError } from '../workflows/domain/errors.ts';

/** Exit codes that are not an error's own. */
export const exitCodes = { ok: 0, unexpected: 1, badArguments: 2, interrupted: 130 } as const;

/** @param named - as `toNamedError` gives it. */
export const exitCodeOf = (named: unknown): number => (named instanceof HoldfastError ? errorTable[named.type].exitCode : exitCodes.unexpected);

/** For `--help`. */
export function describeExitCodes(): string {
  const byCode = new Map<number, string[]>();
  for (const [type, { exitCode }] of Object.entries(errorTable)) byCode.set(exitCode, [...(byCode.get(exitCode) ?? []), type]);
  const lines = [...byCode].sort(([a], [b]) => a - b).map(([code, types]) => `  ${String(code).padStart(3)}  ${types.join(', ')}`);
  return ['Exit codes:', '    0  done', '    1  unexpected error', ...lines, '  130  interrupted'].join('\n');
}
