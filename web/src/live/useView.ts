import { useCallback, useRef, useSyncExternalStore } from 'react';
import type { LiveStore, SubjectNow } from './store';

/**
 * A view of one subject, computed when the subject changed or a second passed,
 * and handed to React only when it differs from the one before: a tile whose
 * numbers stand still costs no rendering. Views are small plain values.
 */
export function useView<V>(store: LiveStore, subject: string, compute: (s: SubjectNow) => V): V {
  const kept = useRef<{ key: unknown; version: number; view: V; text: string } | null>(null);
  const subscribe = useCallback((f: () => void) => store.subscribe(subject, f), [store, subject]);
  const read = () => {
    const version = store.version(subject);
    const old = kept.current;
    if (old && old.version === version && old.key === compute) return old.view;
    const view = compute(store.get(subject));
    const text = JSON.stringify(view);
    const same = old !== null && old.text === text;
    kept.current = { key: compute, version, view: same ? old.view : view, text };
    return kept.current.view;
  };
  return useSyncExternalStore(subscribe, read, read);
}

/** A value computed once a second and whenever the link changes. */
export function useBeat<V>(store: LiveStore, compute: () => V): V {
  const kept = useRef<{ view: V; text: string } | null>(null);
  const subscribe = useCallback((f: () => void) => store.subscribeBeat(f), [store]);
  const beats = useRef(-1);
  const key = useRef<unknown>(null);
  const read = () => {
    if (kept.current && beats.current === store.beatCount() && key.current === compute)
      return kept.current.view;
    beats.current = store.beatCount();
    key.current = compute;
    const view = compute();
    const text = JSON.stringify(view);
    if (!kept.current || kept.current.text !== text) kept.current = { view, text };
    return kept.current.view;
  };
  return useSyncExternalStore(subscribe, read, read);
}
