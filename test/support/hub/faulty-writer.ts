/**
 * The thread of a writer with a store that comes to grief.
 *
 * @module
 */

/* oxlint-disable import/no-unassigned-import -- it is the thread itself */
import "./faulty-store.ts";
import "../../../src/threads/writer-thread.ts";
