import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributes, type Phase } from './domain/names.ts';

const keys = {
  system: defineSearchAttributeKey(searchAttributes.system, 'KEYWORD'),
  purpose: defineSearchAttributeKey(searchAttributes.purpose, 'KEYWORD'),
  phase: defineSearchAttributeKey(searchAttributes.phase, 'KEYWORD'),
  severity: defineSearchAttributeKey(searchAttributes.severity, 'KEYWORD'),
};

/** Marks the workflow for the UI's lists. All are registered before any worker starts: an unknown one would wedge the workflow. */
export function mark(marks: { system?: string; purpose?: string; phase?: Phase; severity?: string | undefined }): void {
  const pairs: SearchAttributePair[] = [];
  if (marks.system !== undefined) pairs.push({ key: keys.system, value: marks.system });
  if (marks.purpose !== undefined) pairs.push({ key: keys.purpose, value: marks.purpose });
  if (marks.phase !== undefined) pairs.push({ key: keys.phase, value: marks.phase });
  if (marks.severity !== undefined) pairs.push({ key: keys.severity, value: marks.severity });
  upsertSearchAttributes(pairs);
}
