import { mib } from '../../workflows/domain/units.ts';
import type { ScaleResult } from './run-scale.ts';

const memoryBytes = mib(512);
const forecastWithin = 0.2;
/** A forecast of what takes less than this says more about starting up than about the work. */
const forecastJudgedFromMs = 60_000;

/** What goes on behind a kill. */
const killedIn = ['backup', 'archive', 'restore', 'replay'];

/** What a person waits for, and is told the time left of. */
const forecastIn = ['backup', 'restore', 'replay', 'proof'];

/** Which bounds a run broke, in words; none: all hold. */
export function judge({ lines, proved }: Pick<ScaleResult, 'lines' | 'proved'>): string[] {
  const broken: string[] = proved.ok ? [] : [`not equal: ${proved.problems.slice(0, 3).join('; ')}`];
  for (const { phase, tookMs, peakRssBytes, forecast, killed } of lines) {
    if (peakRssBytes >= memoryBytes) broken.push(`${phase}: a process held ${Math.round(peakRssBytes / mib(1))} MiB`);
    if (!killed && killedIn.includes(phase)) broken.push(`${phase}: nothing was killed in it, so nothing shows that it goes on`);
    if (killed?.parts === 0) broken.push(`${phase}: none of its ${killed.of} were seen at the store’s door, so nothing shows what was done twice`);
    if (killed && killed.partsTwice > killed.allowed) broken.push(`${phase}: ${killed.partsTwice} of ${killed.parts} ${killed.of} were done twice after a kill, ${killed.allowed} may have been in flight`);
    if (tookMs >= forecastJudgedFromMs && forecastIn.includes(phase) && forecast?.median == null) broken.push(`${phase}: nobody was told the time left, of ${Math.round(tookMs / 1000)} s`);
    for (const [when, judged] of tookMs < forecastJudgedFromMs ? [] : [['after a tenth', forecast?.atTenth], ['by the median', forecast?.median]] as const) {
      if (judged != null && Math.abs(judged - 1) > forecastWithin) broken.push(`${phase}: the time was forecast at ${Math.round(judged * 100)} % of what it took, ${when}`);
    }
  }
  return broken;
}
