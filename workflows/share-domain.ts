/**
 * Preloaded last, behind every file of domain/ (workers/bundle-workflows.ts): what they hold is made once per worker thread, and all its runs share it.
 *
 * Without that each run, and each that a worker takes over, evaluates zod and all schemas again: 40 to 65 % of the processor time of a short workflow,
 * and memory for every run that is kept. It is safe since domain/ is pure: no file of it holds what a run could change (lint holds that), and what is
 * exported is frozen here, so that a run that tries fails its task at once instead of telling others of it.
 *
 * Schemas alone stay open: zod derives parts of them when they are first used, always the same, and keeps those. The SDK would freeze them too, and the first parse
 * would throw; it stops at what is frozen already, so everything that leads to one is frozen before it comes.
 */
declare const __webpack_modules__: Readonly<Record<string, unknown>>;
declare const __webpack_module_cache__: Readonly<Record<string, { exports: unknown } | undefined>>;

const seen = new WeakSet<object>();
for (const id of Object.keys(__webpack_modules__)) freeze(__webpack_module_cache__[id]?.exports);

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || '_zod' in value || seen.has(value)) return;
  seen.add(value);
  for (const key of Reflect.ownKeys(value)) freeze((value as Record<PropertyKey, unknown>)[key]);
  // Views of bytes cannot be frozen.
  if (!ArrayBuffer.isView(value)) Object.freeze(value);
}

export {};
