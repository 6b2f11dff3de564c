/** A store that is changed while this process leads, and not a moment longer. */

import type { Revision, Session, Store } from "../store/store.ts";

/** `require` throws where a change is not this process's to make; it is asked right before each. */
export function fencedStore(store: Store, require: () => void): Store {
  const fenced =
    <A extends readonly unknown[], T>(change: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      require();
      return change(...args);
    };
  return {
    get: (kind, name) => store.get(kind, name),
    list: (kind) => store.list(kind),
    watch: (kind, after, signal) => store.watch(kind, after, signal),
    create: fenced(
      (kind: string, name: string, value: unknown, session?: Session): Promise<Revision> =>
        store.create(kind, name, value, session),
    ),
    update: fenced(
      (kind: string, name: string, value: unknown, revision: Revision): Promise<Revision> =>
        store.update(kind, name, value, revision),
    ),
    delete: fenced((kind: string, name: string, revision: Revision) => store.delete(kind, name, revision)),
    openSession: (ttl) => store.openSession(ttl),
    close: () => store.close(),
  };
}
