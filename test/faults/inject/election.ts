import { readsAtWork } from '../read-status.ts';
import { requireOneTry, type Strike } from '../cell.ts';

/** The primary steps down and the other member is elected, which takes the writes and gives the reads until the work has ended; then the first one is elected again. */
export const elect: Strike = async (bench, middle) => {
  const member = bench.secondMember!;
  const { term } = await member.elect();
  await readsAtWork(bench, middle);
  middle.release();
  await bench.note('taken by the new primary');
  await bench.stack.archiveIsUpToDate();
  const end = await middle.finish();
  const said = await requireOneTry(bench, middle);
  await member.elect();
  return { seen: `another member is primary, in term ${term}; nothing fails: ${said}`, end };
};
