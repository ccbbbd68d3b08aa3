import { afterEach, beforeEach } from "bun:test";

/**
 * Makes something before each test of a file, and disposes of it afterwards. A context of libzmq
 * hangs then if the test left a socket open: that is a failure too.
 *
 * @param use is given what was made
 */
export function forEachTest<T extends Disposable>(make: () => T, use: (made: T) => void): void {
  let made: T;
  beforeEach(() => {
    made = make();
    use(made);
  });
  afterEach(() => made[Symbol.dispose]());
}
