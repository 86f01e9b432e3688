/**
 * Names of our own on a server. On a target they hold the run's claim, what is restored, the index catalogue and the
 * replay checkpoint, and promotion drops them; on a source they hold the canary. Never dumped, never replayed.
 */
export const controlDatabase = 'holdfast_control';

export const controlCollections = {
  /**
   * `_id: 'claim'`: the run that this target belongs to, the manifest it restores, and what of it; `_id: 'selection'`: of a
   * partial restore, the collections' UUIDs and the groups that hold documents of them
   */
  claim: 'claim',
  /** `_id` is a part's or a group's name: what restoring has begun and finished */
  restored: 'restored',
  /** `{_id: <uuid, hex with dashes>, ns: 'db.coll', indexes: [<spec without ns and ui>]}`: what is built at the end */
  indexes: 'indexes',
  /** `_id: 'checkpoint'`: how far the log is replayed; `_id: 'attempted'`: how far it may have been */
  replay: 'replay',
} as const;
