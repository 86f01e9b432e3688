import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

const { PRIORITY_BELOW_NORMAL } = constants.priority;

/**
 * Everything else on the machine comes first, from now on, where the machine allows that. No rights are needed: one's own priority may always be
 * lowered. On Linux a priority is each thread's own, and a new thread takes its maker's; and where sessions are scheduled as groups, it
 * counts inside one's own session only, so that the session's is lowered too.
 */
export function lowerPriority(): void {
  const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [0];
  for (const thread of threads) {
    try {
      // Lower already, it may not be raised.
      if (getPriority(thread) < PRIORITY_BELOW_NORMAL) setPriority(thread, PRIORITY_BELOW_NORMAL);
    } catch {
      // The thread has ended, or a sandbox forbids it: the work is the same at any priority.
    }
  }
  lowerSession(10);
}

const autogroup = '/proc/self/autogroup';
/** A third of what others get when all want more than there is: with a tenth, a backup on a busy machine would outlive the instant that it reads. */
const sessionNice = 5;
/** Without rights a session's priority may be set ten times a second, on the whole machine. */
const againAfterMs = 150;

/**
 * The priority of this process's session, where it began one of its own: another's is not ours to lower. Inside a control group with a processor
 * share of its own, as most services and containers are, the kernel passes over it, and that share is what counts.
 * @source Linux manual, sched(7), "The autogroup feature"
 */
function lowerSession(triesLeft: number): void {
  try {
    if (sessionOf(readFileSync('/proc/self/stat', 'utf8')) !== process.pid) return;
    const nice = Number(readFileSync(autogroup, 'utf8').split(' nice ')[1]);
    if (nice < sessionNice) writeFileSync(autogroup, String(sessionNice));
  } catch (error) {
    // Not Linux, or a kernel without such groups: the thread's own priority is all that there is.
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN' && triesLeft > 0) setTimeout(lowerSession, againAfterMs, triesLeft - 1).unref();
  }
}

/** Behind the command's name, which is in brackets and may hold anything: state, parent, group, session. */
const sessionOf = (stat: string): number => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
