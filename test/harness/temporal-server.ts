import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { findTool } from '../../activities/tool/find-tool.ts';
import { searchAttributes } from '../../workflows/domain/names.ts';
import type { Owner } from './cleanup.ts';

/**
 * A real Temporal server of the owner's own, in memory, with our search attributes. Its clock is the machine's.
 * @param metricsPort - where it serves metrics; left out: at a port that nobody knows
 * @param attributes - the search attributes that it knows
 */
export async function startTemporalServer(owner: Owner, metricsPort?: number, attributes: readonly string[] = Object.values(searchAttributes)): Promise<TestWorkflowEnvironment> {
  const env = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: findTool('temporal') },
      ...(metricsPort === undefined ? {} : { extraArgs: ['--metrics-port', String(metricsPort)] }),
      log: { format: 'pretty', level: 'never' },
      searchAttributes: attributes.map((name) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD)),
    },
  });
  owner.after(async () => await env.teardown());
  return env;
}
