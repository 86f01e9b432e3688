import asyncHooks from 'node:async_hooks';
import { isMainThread } from 'node:worker_threads';

/**
 * Preloaded into every test process (scripts/test.ts). node:test follows each promise that is made, by an async hook with `destroy`, to know which test an error
 * belongs to that nobody caught; of code that is all promises that takes a large part of its processor time. Here it follows what is no promise. Such an error still fails its
 * file, with its message; only the name of the test is not known, where it comes behind an `await`.
 */
if (isMainThread) {
  const { createHook } = asyncHooks;
  Object.assign(asyncHooks, { createHook: (callbacks: asyncHooks.HookCallbacks) => createHook({ ...callbacks, trackPromises: false }) });
  // It takes what creates hooks as it finds it when it is loaded.
  await import('node:test');
  Object.assign(asyncHooks, { createHook });
}
