import { ApplicationFailure } from '@temporalio/common';

export interface NamedFailure {
  type: string;
  message: string;
}

/** What a person sees of a workflow or an update that failed: the outermost failure that says something. */
export async function failureOf(work: Promise<unknown>): Promise<NamedFailure> {
  try {
    const result = await work;
    throw new Error(`it did not fail but gave ${JSON.stringify(result)?.slice(0, 300)}`);
  } catch (error) {
    let cause: unknown = error;
    while (cause instanceof Error && !(cause instanceof ApplicationFailure)) cause = cause.cause;
    if (cause instanceof ApplicationFailure) return { type: cause.type ?? '', message: cause.message };
    throw error;
  }
}
