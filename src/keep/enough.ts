/**
 * When a deletion has removed enough: by the sizes of the images, or by what the disk gets back.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import type { Entry } from "../os/folder.ts";
import { close, openDirectory, syncFileSystem } from "../os/files.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import {
  isThere,
  NO_ROOM,
  type Room,
  roomOf,
  type Space,
  spaceOf,
  together,
  wantedRoom,
  withRoom,
} from "./space.ts";

/** Is told of each image that goes. */
export interface Enough {
  /** Whether an image is worth deleting. */
  isWorth(entry: Entry): boolean;
  /** An image is gone. */
  add(entry: Entry): void;
  /** Whether enough is gone. */
  isReached(): boolean;
  /** Whether going on would help nobody. Is asked after some images. */
  isFutile(): boolean;
}

/** Enough by the sizes of the images. */
export class EnoughBytes implements Enough {
  /** @param missing bytes that have to go; infinite for all */
  constructor(private missing: number) {}

  isWorth(): boolean {
    return true;
  }

  add({ size }: Entry): void {
    this.missing -= size;
  }

  isReached(): boolean {
    return this.missing <= 0;
  }

  isFutile(): boolean {
    return false;
  }

  /** Bytes that still have to go. */
  get missingBytes(): number {
    return this.missing;
  }
}

/**
 * After so much was deleted, in bytes, the disk must have got back a part of it, together with what
 * cameras have stored meanwhile: a full disk has them take at once what is freed.
 */
const FUTILE_BYTES = 4e6;
const FUTILE_PART = 0.1;

/** How often in succession it must not have, and how long another writer is looked for. */
const FUTILE_TIMES = 2;
const WRITER_MS = 200;

/**
 * Enough by the free space of the disk, whatever the sizes of the images are. In a rehearsal, by
 * what the images take on the disk.
 */
export class EnoughFree implements Enough {
  private readonly wanted: Room;
  /** The space before, what was stored until then, and what the images took that are gone since. */
  private before: Space;
  private storedBefore: number;
  private gone: Room = NO_ROOM;
  /** The same since the disk was asked last to write down what is gone. */
  private synced: { readonly space: Space; readonly gone: Room };
  private futileTimes = 0;
  /** Images with another name: they take no space of their own. */
  linked = 0;

  /**
   * @param storedBytes what cameras have stored, from any beginning
   * @param look looks at the disk; in a rehearsal, as it would be by now
   */
  constructor(
    private readonly directory: DataDirectory,
    minFree: Settings["keep"]["min_free"],
    private readonly isRehearsal: boolean,
    private readonly storedBytes: () => number,
    private readonly look: () => Space = () => spaceOf(directory),
  ) {
    this.before = this.look();
    this.storedBefore = storedBytes();
    this.synced = { space: this.before, gone: NO_ROOM };
    this.wanted = wantedRoom(minFree, this.before);
  }

  isWorth({ links }: Entry): boolean {
    if (links <= 1) return true;
    this.linked++;
    return false;
  }

  add(entry: Entry): void {
    this.gone = together(this.gone, roomOf(entry));
  }

  isReached(): boolean {
    const { space, gone } = this.synced;
    const expected = withRoom(space, {
      bytes: this.gone.bytes - gone.bytes,
      files: this.gone.files - gone.files,
    });
    if (this.isRehearsal) return isThere(this.wanted, expected);
    if (isThere(this.wanted, this.look())) return true;
    return isThere(this.wanted, expected) && isThere(this.wanted, this.sync());
  }

  /** Whether the disk gets nothing back: a snapshot or a program still has what is deleted. */
  isFutile(): boolean {
    const isFound = this.futileTimes >= FUTILE_TIMES;
    if (this.isRehearsal || isFound || this.gone.bytes < FUTILE_BYTES) return isFound;
    if (this.isGained(this.look())) {
      this.futileTimes = 0;
      return false;
    }
    const space = this.sync();
    const isGained = this.isGained(space) || this.isTakenByOthers();
    this.futileTimes = isGained ? 0 : this.futileTimes + 1;
    this.before = space;
    this.storedBefore = this.storedBytes();
    this.gone = NO_ROOM;
    this.synced = { space, gone: NO_ROOM };
    return this.futileTimes >= FUTILE_TIMES;
  }

  /** Whether the free space gets less while nothing is deleted, and not for what cameras store. */
  private isTakenByOthers(): boolean {
    const [free, stored] = [this.look().freeBytes, this.storedBytes()];
    Bun.sleepSync(WRITER_MS);
    return this.look().freeBytes + (this.storedBytes() - stored) < free;
  }

  private isGained({ freeBytes }: Space): boolean {
    const stored = Math.max(0, this.storedBytes() - this.storedBefore);
    return freeBytes - this.before.freeBytes + stored >= this.gone.bytes * FUTILE_PART;
  }

  /** Some file systems give space back only when they have written that it is free. */
  private sync(): Space {
    const fd = openDirectory(this.directory.images);
    try {
      syncFileSystem(fd);
    } finally {
      close(fd);
    }
    const space = this.look();
    this.synced = { space, gone: this.gone };
    return space;
  }
}
