import { DefaultFailureConverter } from '@temporalio/common';

/** Messages and stacks of failures as payloads, so that the codec reaches them. Loaded by its path, by the SDK and in the workflows' sandbox. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
