/** The first of a list that would fill a history or a screen, and one that says how many more there are. */
export const firstOf = <T>(list: readonly T[], most: number, rest: (more: number) => T): T[] =>
  list.length <= most ? [...list] : [...list.slice(0, most), rest(list.length - most)];
