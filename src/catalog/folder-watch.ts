/**
 * Watches the names in the folder at a path, whichever folder that is.
 *
 * @module
 */

import { type FSWatcher, statSync, watch } from "node:fs";

/** Used instead of the identity of a folder. */
const NONE = "";

/** The watch of one folder. It holds no descriptor, so its disk can be unmounted. */
export class FolderWatch implements Disposable {
  private watcher: FSWatcher | undefined;
  private identity = NONE;

  /**
   * Does not watch yet, see {@link renew}.
   *
   * @param onName is told each name that was made, moved or removed, and if `writes`, written to
   */
  constructor(
    private readonly path: string,
    private readonly onName: (name: string) => void,
    private readonly writes = false,
  ) {}

  /**
   * Watches the folder that is there now. What it was about to tell is lost, so look at the folder
   * afterwards.
   *
   * @throws {Error} of node:fs, such as ENOSPC; not if nothing is there
   */
  renew(): void {
    // Bun watches a path once. While an old watch is open, a new one shares it, dead or not.
    this[Symbol.dispose]();
    const identity = identityOf(this.path);
    if (identity === NONE) return;
    try {
      const watcher = watch(this.path, (kind, name) => {
        if (name !== null && (this.writes || kind === "rename")) this.onName(name);
      });
      // The next check watches again.
      watcher.on("error", () => {
        this.identity = NONE;
      });
      this.watcher = watcher;
      this.identity = identity;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /**
   * Watches anew if another folder is there, or the watch has failed.
   *
   * @returns whether it did, or nothing is there
   * @throws {Error} as {@link renew}
   */
  check(): boolean {
    const isSame = this.identity !== NONE && this.identity === identityOf(this.path);
    if (!isSame) this.renew();
    return !isSame;
  }

  [Symbol.dispose](): void {
    this.watcher?.close();
    this.watcher = undefined;
    this.identity = NONE;
  }
}

/** @returns {@link NONE} if nothing is there */
function identityOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? NONE : `${found.dev}:${found.ino}`;
}
