/**
 * What comes before the manifest of a day: all it lists is on the disk, under its name.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import { contentOf, sumOnDisk } from "./content.ts";
import type { Holdings } from "./holdings.ts";
import { IMAGES, LOGS, sumName } from "./layout.ts";
import type { ArchiveRoot } from "./root.ts";
import { writeSum } from "./tar.ts";

/** Makes the names of a day durable, also those of an earlier run. @throws {SystemError} */
export function flushFolders({ folder }: ArchiveRoot, date: string): void {
  for (const part of [IMAGES, LOGS]) {
    unlessMissing(() => {
      using all = folder.folder(part);
      if (part === IMAGES) {
        unlessMissing(() => {
          using day = all.folder(date);
          day.flush();
        });
      }
      all.flush();
    });
  }
  folder.flush();
}

/** Writes the checksums of tars that an earlier run had no time for. @throws {SystemError} */
export function completeTars(root: ArchiveRoot, { tars }: Holdings): void {
  for (const { name, fd } of tars) {
    if (root.folder.entry(sumName(name)) !== undefined) continue;
    writeSum(root, name, sumOnDisk(contentOf(fd)));
  }
}
