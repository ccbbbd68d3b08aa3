/**
 * What happens while a file is written, between its bytes and its name.
 *
 * @module
 */

import { WholeFileWriter } from "../../../src/store/whole-file.ts";

// oxlint-disable-next-line typescript/unbound-method -- it is called with its own `this` below
const { write } = WholeFileWriter.prototype;

/**
 * Runs an action each time that this thread has written the bytes of a file, until it is disposed
 * of. Where the action throws, the write has failed.
 */
export function afterWrite(action: () => void): Disposable {
  WholeFileWriter.prototype.write = function writeAndAct(content) {
    write.call(this, content);
    action();
  };
  return {
    [Symbol.dispose]: () => {
      WholeFileWriter.prototype.write = write;
    },
  };
}
