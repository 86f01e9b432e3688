interface Step {
  id: string;
  needs: readonly string[];
}

/** All that a step needs, and those need; a need before its own needs. */
export function stepsBefore<S extends Step>(steps: readonly S[], of: Step): S[] {
  const before = new Map<string, S>();
  const add = ({ needs }: Step): void => {
    for (const need of needs) {
      const needed = steps.find(({ id }) => id === need);
      if (!needed || before.has(need)) continue;
      before.set(need, needed);
      add(needed);
    }
  };
  add(of);
  return [...before.values()];
}
