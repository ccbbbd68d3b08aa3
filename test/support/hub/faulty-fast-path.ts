/**
 * The thread of the fast path with a store that comes to grief.
 *
 * @module
 */

/* oxlint-disable import/no-unassigned-import -- it is the thread itself */
import "./faulty-store.ts";
import "../../../src/threads/fast-path-thread.ts";
