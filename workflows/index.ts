/** The workflow types, nothing else. Their names are public: they stand in schedules, scripts and people's heads. */
export { archiveLog } from './archive-log.ts';
export { backUpSystem } from './back-up-system.ts';
export { exportRecoveryPoint } from './export-recovery-point.ts';
export { importDump } from './import-dump.ts';
export { listRecoveryPoints } from './list-recovery-points.ts';
export { openIncident } from './open-incident.ts';
export { planRecovery } from './plan-recovery.ts';
export { readArchiveStatus } from './read-archive-status.ts';
export { readAudit } from './read-audit.ts';
export { rebuildCatalog } from './rebuild-catalog.ts';
export { recoverSystem } from './recover-system.ts';
export { runArchive } from './run-archive.ts';
export { runBackup } from './run-backup.ts';
export { runIncident } from './run-incident.ts';
export { runRecovery } from './run-recovery.ts';
export { runWatch } from './run-watch.ts';
export { verifySystem } from './verify-system.ts';
export { explainUnknownType as default } from './explain-unknown-type.ts';
