import { defineConfig } from 'vitest/config';

// Node 20 lacks Map.groupBy, which the reporter needs to print failures.
Map.groupBy ??= <K, T>(items: Iterable<T>, key: (item: T, index: number) => K) => {
  const groups = new Map<K, T[]>();
  let i = 0;
  for (const item of items) {
    const k = key(item, i++);
    groups.set(k, [...(groups.get(k) ?? []), item]);
  }
  return groups;
};

export default defineConfig({ test: { environment: 'node', include: ['src/**/*.test.{ts,tsx}'] } });
