import type { z } from 'zod';

const lookUp = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined), value);

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};

/**
 * What is wrong with a typed value, field by field: `field "targetTime" is "yesterday", expected a time …; unknown field "sytem"`.
 * For values that people type and that hold no secrets: the value is repeated.
 */
export function describeIssues(error: z.ZodError, value: unknown, prefix: readonly string[] = []): string {
  return error.issues
    .map((issue) => {
      const field = [...prefix, ...issue.path].map(String).join('.');
      if (issue.code === 'unrecognized_keys') {
        const names = issue.keys.map((key) => `"${[...prefix, ...issue.path.map(String), key].join('.')}"`);
        return `unknown field ${names.join(', ')}`;
      }
      if (field === '') return `the input is ${shown(value)}, expected an object`;
      const found = lookUp(value, issue.path);
      return found === undefined ? `field "${field}" is missing, expected ${issue.message}` : `field "${field}" is ${shown(found)}, expected ${issue.message}`;
    })
    .join('; ');
}
