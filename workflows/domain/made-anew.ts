/** What a run says that met events ahead of their task (workflows/evict-stale.ts): as the failure of a workflow task, or of a query, which is answered when it is asked again. */
export const madeAnew = 'a query was answered from events that are ahead of this task: the run is made anew from its history';
