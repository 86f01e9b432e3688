import type { StoreRequest } from '../../harness/store-proxy.ts';

/** Not one that only makes a lock longer. */
export const isPut = ({ method, query }: StoreRequest): boolean => method === 'PUT' && !query.has('retention');
export const isGet = ({ method }: StoreRequest): boolean => method === 'GET';
export const isPart = ({ key }: StoreRequest): boolean => key.includes('/parts/');
export const isSlice = ({ key }: StoreRequest): boolean => key.includes('/slices/');
export const isGroup = ({ key }: StoreRequest): boolean => key.includes('/groups/');
export const isManifest = ({ key }: StoreRequest): boolean => key.endsWith('/manifest.json');
export const partIndex = (key: string): number => Number(key.slice(key.lastIndexOf('/') + 1).split('.')[0]);
/** A listing of those who have claimed the command. */
export const isEpochAsked = ({ key, query }: StoreRequest): boolean => key === '' && (query.get('prefix') ?? '').includes('/control/epoch-');
/** It was taken, or given, whole. */
export const isDone = ({ answered, status }: StoreRequest): boolean => answered && status !== undefined && status < 300;

/** Parts that a dump or a restore has in its hands at once, at most: it has three places, and tiny ones take a quarter of one each. */
export const inFlight = 12;
