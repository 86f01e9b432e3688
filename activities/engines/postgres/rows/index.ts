import type { Engine } from '../../engine.ts';
import { compareTarget } from './compare-target.ts';
import { maskTarget } from './mask-target.ts';
import { planRows, restoreRows } from './put-rows.ts';
import { removeRows } from './remove-rows.ts';

/** What an engine does that knows its rows by their keys. */
export const rows: NonNullable<Engine['rows']> = { compareTarget, planRows, restoreRows, removeRows, maskTarget };
