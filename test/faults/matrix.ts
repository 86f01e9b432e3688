/**
 * The fault matrix: what is done to the system, and in the middle of what. Which cells there are follows from what each
 * phase works with; a cell that is not there has its reason from the same definitions.
 */

/** What a phase works with while it is in its middle. */
interface Phase {
  title: string;
  /** a process of its own does the work; otherwise the worker does it itself */
  dataPlane: boolean;
  /** the database server that the work goes to: the system's own, the restore target, or the old primary that is fenced */
  mongod: 'source' | 'target';
  /** `asks`: who has the command, which is one short listing, and no more */
  store: 'writes' | 'reads' | 'asks' | null;
  /** reads the source while it takes writes, so an election or its log's end can meet it */
  readsLiveSource: boolean;
  followsLog: boolean;
  /** whose disk is written, in amounts that can fill it */
  fills: 'store' | 'target' | null;
}

export const phases = {
  backup: { title: 'backup: a part of a group is on its way to the store', dataPlane: true, mongod: 'source', store: 'writes', readsLiveSource: true, followsLog: false, fills: 'store' },
  archive: { title: 'archive: a slice is on its way to the store', dataPlane: true, mongod: 'source', store: 'writes', readsLiveSource: true, followsLog: true, fills: 'store' },
  seal: { title: 'seal: all parts are stored, the manifest is on its way; where mongod is struck: the parts are looked at, before a base whose reading took a while asks its source where it ends', dataPlane: true, mongod: 'source', store: 'writes', readsLiveSource: false, followsLog: false, fills: 'store' },
  restore: { title: 'restore: a part is being read from the store', dataPlane: true, mongod: 'target', store: 'reads', readsLiveSource: false, followsLog: false, fills: 'target' },
  replay: { title: 'replay: a slice in mid-log is being read', dataPlane: true, mongod: 'target', store: 'reads', readsLiveSource: false, followsLog: false, fills: 'target' },
  'index-build': { title: 'index build: the target builds an index', dataPlane: true, mongod: 'target', store: null, readsLiveSource: false, followsLog: false, fills: 'target' },
  convert: { title: 'convert to replica set: the target was restarted as a member and is not initiated', dataPlane: false, mongod: 'target', store: null, readsLiveSource: false, followsLog: false, fills: null },
  fence: { title: 'fence: the old primary is marked, and about to be stepped down; where the store is struck: it asks who has the command', dataPlane: false, mongod: 'source', store: 'asks', readsLiveSource: false, followsLog: false, fills: null },
  drain: { title: 'drain: a slice of the fenced log is on its way to the store', dataPlane: true, mongod: 'source', store: 'writes', readsLiveSource: false, followsLog: true, fills: 'store' },
  switch: { title: 'switch: a quarter of the traffic is let in and watched', dataPlane: false, mongod: 'target', store: 'asks', readsLiveSource: false, followsLog: false, fills: null },
} as const satisfies Record<string, Phase>;
export type PhaseId = keyof typeof phases;

const everywhere = (): null => null;
const needsDataPlane = ({ dataPlane }: Phase): string | null => (dataPlane ? null : 'the worker does it itself: no process of the data plane runs');
const needsStore = ({ store }: Phase): string | null => (store ? null : 'it asks nothing of the store');
const needsBody = ({ store }: Phase): string | null => {
  if (store === 'asks') return 'all it asks of the store is one listing of a few lines: no body that could be slow, or cut in its middle';
  return store ? null : 'it asks nothing of the store';
};
const needsDisk = ({ fills, store }: Phase): string | null => {
  if (fills) return null;
  return store === 'asks' ? 'it writes one small file, on a disk of production that a bench shares with everything else on its machine' : 'its server has room for the little that it writes, in files that are there already, until it writes its data down: mostly behind the end of the step';
};
const needsLiveSource = ({ readsLiveSource }: Phase): string | null => (readsLiveSource ? null : 'it does not read a source that takes writes');
const needsLog = ({ followsLog, readsLiveSource }: Phase): string | null => {
  if (!followsLog) return 'it does not follow the source’s log';
  return readsLiveSource ? null : 'a fenced primary takes no writes, so its log does not roll over';
};

export interface Fault {
  title: string;
  /** why a phase has no such cell; null: it has one */
  not(phase: Phase): string | null;
}

export const faults = {
  'worker-killed': { title: 'kill -9 of the worker', not: everywhere },
  'worker-stopped': { title: 'SIGSTOP of the worker until it is given up, then SIGCONT', not: everywhere },
  'data-plane-killed': { title: 'kill -9 of the data plane’s process', not: needsDataPlane },
  'data-plane-stopped': { title: 'SIGSTOP of the data plane’s process', not: needsDataPlane },
  'mongod-killed': { title: 'kill -9 of mongod', not: everywhere },
  'mongod-stopped': { title: 'SIGSTOP of mongod, then SIGCONT', not: everywhere },
  'store-killed': { title: 'kill -9 of the S3 server', not: needsStore },
  'store-stopped': { title: 'SIGSTOP of the S3 server, then SIGCONT', not: needsStore },
  'store-500': { title: 'S3 answers 500', not: needsStore },
  'store-503': { title: 'S3 answers 503', not: needsStore },
  'store-slow': { title: 'S3 is slow', not: needsBody },
  'connection-cut': { title: 'the connection to S3 is cut in mid-body', not: needsBody },
  'temporal-killed': { title: 'kill -9 of the Temporal server', not: everywhere },
  'temporal-stopped': { title: 'SIGSTOP of the Temporal server, then SIGCONT', not: everywhere },
  'full-disk': { title: 'the disk is full', not: needsDisk },
  'oplog-rolls-over': { title: 'the source’s log rolls over', not: needsLog },
  election: { title: 'an election: the primary steps down, another member wins', not: needsLiveSource },
  'clock-wrong': { title: 'the worker’s clock jumps by six hours', not: everywhere },
  zombie: { title: 'two workers that both believe they own the run', not: everywhere },
  'two-control-planes': { title: 'another control plane takes the command', not: everywhere },
} as const satisfies Record<string, Fault>;
export type FaultId = keyof typeof faults;

export interface Cell {
  fault: FaultId;
  phase: PhaseId;
}

export const faultIds = Object.keys(faults) as FaultId[];
export const phaseIds = Object.keys(phases) as PhaseId[];
export const nameOf = ({ fault, phase }: Cell): string => `${fault}/${phase}`;

/** Why there is no such cell; null: there is one. */
export const whyNot = ({ fault, phase }: Cell): string | null => faults[fault].not(phases[phase]);

export const allCells: readonly Cell[] = faultIds.flatMap((fault) => phaseIds.map((phase) => ({ fault, phase })));
export const cells: readonly Cell[] = allCells.filter((cell) => whyNot(cell) === null);
