import type { Document } from 'mongodb';

interface Right {
  resource: Document;
  actions: readonly string[];
  /** what stops without it */
  for: string;
  /** this mode alone needs it; left out: all that the role is for */
  only?: 'swap';
}

interface Role {
  name: string;
  about: string;
  rights: readonly Right[];
}

/**
 * What the database user of a source may do, and nothing more: a test takes each action away, and sees what names it.
 *
 * No built-in role will do: none of them, not even root, may read the definitions of views and time-series collections,
 * and `backup` may read whatever is in `local` and `config`.
 */
export const sourceRoles: readonly Role[] = [
  {
    name: 'holdfastBackup',
    about: 'reads everything, for base backups, the archive of the log and its drain; writes nothing',
    rights: [
      {
        resource: { cluster: true },
        actions: ['listDatabases', 'useUUID', 'replSetGetConfig', 'replSetGetStatus', 'getParameter', 'serverStatus'],
        for: 'every database is seen; collections are read by UUID, so that a rename loses nothing; which replica set it is; how far its secondaries are behind; its feature version; how long the application’s writes take',
      },
      { resource: { anyResource: true }, actions: ['listCollections', 'listIndexes'], for: 'names, options and indexes of all collections; no document' },
      { resource: { db: '', collection: '' }, actions: ['find'], for: 'the documents of all collections but system ones' },
      { resource: { system_buckets: '' }, actions: ['find'], for: 'the documents of time-series collections' },
      { resource: { db: '', collection: 'system.views' }, actions: ['find'], for: 'the definitions of views and time-series collections' },
      { resource: { db: '', collection: 'system.js' }, actions: ['find'], for: 'functions that are stored in a database' },
      { resource: { db: 'admin', collection: 'system.users' }, actions: ['find'], for: 'users, so that the application can log in to what was restored' },
      { resource: { db: 'admin', collection: 'system.roles' }, actions: ['find'], for: 'custom roles, for the same reason' },
      { resource: { db: 'admin', collection: 'system.version' }, actions: ['find'], for: 'whether the server is a shard; its content is not backed up' },
      { resource: { db: 'local', collection: 'oplog.rs' }, actions: ['find'], for: 'the log' },
      { resource: { db: 'config', collection: 'transactions' }, actions: ['find'], for: 'transactions that were open when a base began' },
    ],
  },
  {
    name: 'holdfastCommand',
    about: 'lets a recovery fence the old primary, promote the new one and prove an archive by a canary; given beside holdfastBackup, never alone',
    rights: [
      { resource: { cluster: true }, actions: ['replSetStateChange'], for: 'fence: the primary steps down and stays down; its undo' },
      { resource: { cluster: true }, actions: ['shutdown'], for: 'retire: the fenced primary is shut down at once; without it a signal does, after 15 s' },
      { resource: { cluster: true }, actions: ['replSetConfigure'], for: 'promote: the restored server becomes a replica set' },
      { resource: { db: 'holdfast_canary', collection: '' }, actions: ['insert', 'update'], for: 'the canary that proves an archive, and the write that a fenced primary must refuse: all that is ever written to a source' },
    ],
  },
];

/** Beside the two, and only where the restore modes `beside` and `swap` are to be used: it may write to what lives. */
export const besideRole: Role = {
  name: 'holdfastBeside',
  about: 'lets a recovery of the modes `beside` and `swap` copy chosen collections into the living source and change names there; given beside the other two, and only where those modes are to be used',
  rights: [
    { resource: { db: '', collection: '' }, actions: ['insert', 'update', 'bypassDocumentValidation', 'createIndex', 'convertToCapped'], for: 'the copy: documents as they were, whatever a validator says of them; update for Timestamp(0,0), which no insert takes; convertToCapped is what makes a capped collection' },
    { resource: { db: '', collection: '' }, actions: ['dropCollection'], for: 'the undo, and a copy that was cut off: only collections whose name carries the run; with insert it is also the right to rename, for swap' },
    { resource: { db: '', collection: '' }, actions: ['collMod'], for: 'swap: what expires by age does so again', only: 'swap' },
    { resource: { cluster: true }, actions: ['setUserWriteBlockMode', 'bypassWriteBlockingMode'], for: 'swap: writers wait while names change', only: 'swap' },
  ],
};

export const allRoles: readonly Role[] = [...sourceRoles, besideRole];

/** The command that makes a role. It lies in `admin`, since only a role there may name other databases. */
export const createRoleCommand = ({ name, rights }: Role): Document => ({
  createRole: name,
  roles: [],
  privileges: rights.map(({ resource, actions }) => ({ resource, actions: [...actions] })),
});

/** For `createUser` and `updateUser`. */
export const sourceUserRoles: readonly { role: string; db: string }[] = sourceRoles.map(({ name }) => ({ role: name, db: 'admin' }));

export const rightsHint = `give the user the roles ${sourceRoles.map(({ name }) => name).join(' and ')}: docs/rights.js makes them (mongosh <address> docs/rights.js), docs/rights.md says what each right is for`;
