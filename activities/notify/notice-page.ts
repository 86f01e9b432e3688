import type { Notice } from '../../workflows/domain/notify/notice.ts';
import type { ReportPage, Tone } from '../../workflows/domain/report-page.ts';

const tones: Record<Notice['severity'], Tone> = { critical: 'bad', error: 'bad', warning: 'warn', info: 'good' };

/** A message that has no report behind it, as a page: what stands in it, in its order. */
export function noticePage({ title, lines, answers, severity, at }: Notice): ReportPage {
  return {
    about: '',
    tone: tones[severity],
    headline: title,
    sentence: '',
    facts: [],
    sections: [...(lines.length > 0 ? [{ title: 'What is known', list: lines }] : []), ...(answers.length > 0 ? [{ title: 'How to answer', list: answers }] : [])],
    footer: `Written ${at.slice(0, 19).replace('T', ' ')} UTC.`,
  };
}
