/** The time of the workflow, UTC ISO: the same in every replay. */
export const nowAt = (): string => new Date(Date.now()).toISOString();
