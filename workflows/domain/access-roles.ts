/** What a worker, or whoever runs `holdfast`, does with a system: each may have credentials of its own, with these rights and no others. */
export const accessRoles = {
  backup: { about: 'takes bases and seals them', puts: true, deletes: false },
  archive: { about: 'archives the log', puts: true, deletes: false },
  restore: { about: 'recovers: reads everything, notes what it holds, writes timelines, proofs and reports, and lets go of its own note', puts: true, deletes: 'holds' },
  verify: { about: 'reads everything, and marks what is damaged', puts: true, deletes: false },
  drill: { about: 'recovers to a place apart, as restore does, and touches no source', puts: true, deletes: 'holds' },
  retention: { about: 'deletes what the rules let go, and writes down what', puts: true, deletes: true },
  dispose: { about: 'destroys keys and parts of what is disposed of, as their locks end, and certifies it', puts: true, deletes: true, readsLocks: true },
  read: { about: 'points, plan, audit and the like, not diverged or evidence get: reads, and writes nothing', puts: false, deletes: false },
} as const satisfies Record<string, { about: string; puts: boolean; deletes: boolean | 'holds'; readsLocks?: true }>;

export type AccessRole = keyof typeof accessRoles;
export const accessRoleNames = Object.keys(accessRoles) as [AccessRole, ...AccessRole[]];

/** What a database is told for one role, in its own language; `run` is for people. */
export interface EngineGrant {
  engine: string;
  /** commands as the server takes them, in their order; empty: the role needs nothing there */
  commands: unknown[];
  /** what the user is given */
  roles: string[];
  about: string;
}

/** What credentials may do beside what their role is for. */
export interface RightsFound {
  missing: string[];
  tooMuch: string[];
}
