/**
 * Comes to grief over requests which ask for it: by their text, or, for arrays, by their node.
 *
 * @module
 */

import { writeSync } from "node:fs";
import { Store } from "../../../src/store/store.ts";
import { isForLog, type RequestSlot } from "../../../src/shared/request-slot.ts";

// oxlint-disable-next-line typescript/unbound-method -- it is called with its own `this` below
const { handle } = Store.prototype;

Store.prototype.handle = function faulty(this: Store, slot: RequestSlot): void | Promise<void> {
  const text = isForLog(slot.kind) ? slot.eventText : slot.name;
  if (text.includes("throws")) throw new Error("an error that nobody foresaw");
  if (text.includes("rejects")) return Promise.reject(new Error("an error that nobody foresaw"));
  if (text.includes("exits")) process.exit(3);
  if (text.includes("hangs")) {
    writeSync(2, `In hand: ${text}\n`);
    // Never to be woken.
    return new Promise(() => undefined);
  }
  return handle.call(this, slot);
};
