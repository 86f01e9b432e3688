import type { FenceMethod } from './fence.ts';

const nothing = (sourceName: string): string => `nothing here can stop the old side of ${sourceName} (it has no fence): see to it that nobody writes there`;

/** For a source that no fence of ours reaches. It claims nothing, so a second person must accept that before traffic moves. */
export const noFence: FenceMethod = {
  fence: async ({ sourceName }) => await Promise.resolve({ outcome: 'unproved', logReachable: false, evidence: [nothing(sourceName)], fencedAt: new Date().toISOString() }),
  retire: async ({ sourceName }) => await Promise.resolve({ outcome: 'unproved', logReachable: false, evidence: [nothing(sourceName)], fencedAt: new Date().toISOString() }),
  unfence: async ({ sourceName }) => await Promise.resolve({ summary: `the old side of ${sourceName} was never fenced` }),
  probe: async ({ sourceName }) => await Promise.resolve({ heard: 'silent', takesWrites: null, seen: nothing(sourceName) }),
};
