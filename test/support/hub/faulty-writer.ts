/**
 * A writer's thread with a faulty store.
 *
 * @module
 */

/* oxlint-disable import/no-unassigned-import -- it is the thread itself */
import "./faulty-store.ts";
import "../../../src/threads/writer-thread.ts";
