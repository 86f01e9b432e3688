/** Names that stand in Temporal: public, so they are never changed casually. */

/** The workflow ids that are locks: one recovery, one backup and one archive at a time, whatever the entry's own id. */
export const lockIds = {
  recover: (system: string) => `recover/${system}`,
  backup: (system: string) => `backup/${system}`,
  archive: (system: string, source: string) => `archive/${system}/${source}`,
  /** one that is open, or waits for its review, at a time */
  incident: (system: string) => `incident/${system}`,
  /** the watch on readiness */
  ready: (system: string) => `ready/${system}`,
  watch: (system: string, source: string) => `watch/${system}/${source}`,
} as const;

/** Search attributes, all of type Keyword. They must be registered in the namespace before the first workflow runs. */
export const searchAttributes = { system: 'HoldfastSystem', purpose: 'HoldfastPurpose', phase: 'HoldfastPhase', severity: 'HoldfastSeverity' } as const;

/** Values of HoldfastPhase. `waiting`: a gate is open; `paused`: a step failed; `held`: somebody asked that nothing new starts; `rewinding`: another recovery point is taken; `stuck`: an undo failed; `paging`: a watch found something. Of an incident: its status. */
export type Phase = 'running' | 'waiting' | 'paused' | 'held' | 'rewinding' | 'paging' | 'compensating' | 'stuck' | 'done' | 'aborted' | 'investigating' | 'identified' | 'monitoring' | 'resolved';

/** The workflows that a person or a schedule starts, under any id. */
export const entryWorkflows = ['recoverSystem', 'backUpSystem', 'archiveLog', 'verifySystem', 'importDump', 'exportRecoveryPoint', 'listRecoveryPoints', 'planRecovery', 'readArchiveStatus', 'rebuildCatalog', 'readAudit', 'sealAudit', 'openIncident', 'recordDeployment', 'rotateKeys', 'recordRecoveryProof', 'markPoint', 'applyRetention', 'disposePoint', 'disposeAll', 'applySystem', 'reportSystem', 'listDrills'] as const;
