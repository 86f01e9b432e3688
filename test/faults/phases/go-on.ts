/** Wakes a process that was stopped, unless it was killed meanwhile: by the cell's own fault, or by a fence that had no answer from it. */
export function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
