import type { ToolName } from '../../../activities/tool/find-tool.ts';

export const postgresPrograms: readonly ToolName[] = ['postgres', 'pg_dump'];

export { measureLogical as measurePostgres } from './measure-logical.ts';
