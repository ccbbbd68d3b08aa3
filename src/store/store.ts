/**
 * How a thread stores a slot: stores its image or event, and writes the outcome to the slot.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { Calendar, type Clock, type LocalTime } from "../protocol/calendar.ts";
import type { ImageSuffix } from "../protocol/names.ts";
import type { Settings } from "../config/schema.ts";
import type { Shared } from "../shared/memory.ts";
import { isForLog, Kind, Outcome, type RequestSlot } from "../shared/request-slot.ts";
import { DataDirectory } from "./data-directory.ts";
import { DataGuard } from "./data-guard.ts";
import { DateFolders, type Permit } from "./date-folders.ts";
import { EventLog } from "./event-log.ts";
import { fileSystemOf } from "./file-system.ts";
import { ImageStore } from "./image-store.ts";
import { encodeJpeg } from "./jpeg.ts";
import { encodePng } from "./png.ts";
import type { Content } from "./whole-file.ts";

/** The notice in the event log when a date folder has its maximum of images. */
const MAX_IMAGES_NOTICE = "Max images written. Writing stopped.";

/** How long information about a file system is valid, in milliseconds. */
const FILE_SYSTEM_MS = 1000;

const OUTCOMES = {
  granted: Outcome.stored,
  over: Outcome.overCap,
  firstOver: Outcome.firstOverCap,
} as const satisfies Record<Permit, number>;

/** The data directory, as one thread sees it. */
export class Store {
  private readonly calendar: Calendar;
  private readonly folders: DateFolders;
  private readonly images: ImageStore;
  private readonly events: EventLog;
  private readonly jpegQuality: number;
  private readonly directory: DataDirectory;
  /** Whether each slot says where its content was stored. */
  private readonly notesPlaces: boolean;
  /** Information about a file system after a failure: of which folder, and since when. */
  private fileSystem = "";
  private fileSystemFolder = "";
  private fileSystemMs = Number.NEGATIVE_INFINITY;

  constructor(settings: Settings, shared: Shared, clock: Clock) {
    const durable = settings.ack === "synced";
    this.notesPlaces = settings.ack === "replicated";
    this.directory = new DataDirectory(settings.data_directory);
    const guard = new DataGuard(this.directory, shared);
    this.calendar = new Calendar(clock);
    this.folders = new DateFolders(guard, settings.max_images_write, shared, durable);
    this.images = new ImageStore(this.folders, this.calendar, durable, guard);
    this.events = new EventLog(guard, this.calendar, shared, durable, this.notesPlaces);
    this.jpegQuality = settings.jpeg_quality;
  }

  /**
   * Stores the slot's content and writes the outcome to the slot. Never throws.
   *
   * @returns a promise only if an array must be encoded first
   */
  handle(slot: RequestSlot): void | Promise<void> {
    try {
      switch (slot.kind) {
        case Kind.jpeg:
          // The slot holds the file's bytes too.
          this.storeImage(slot, slot, ".jpg");
          return;
        case Kind.raw:
          return this.encodeAndStore(slot);
        case Kind.fullNotice:
          this.sayFull(this.calendar.local(slot.micros));
          slot.outcome = Outcome.stored;
          return;
        default:
          this.storeEvent(slot);
      }
    } catch (error) {
      this.fail(slot, error);
    }
  }

  private async encodeAndStore(slot: RequestSlot): Promise<void> {
    try {
      const { payloadAddress: address, raw } = slot;
      const isDeep = raw.item === "uint16" || raw.item === "uint16be";
      if (isDeep) this.storeImage(slot, await encodePng(address, raw), ".png");
      else this.storeImage(slot, await encodeJpeg(address, raw, this.jpegQuality), ".jpg");
    } catch (error) {
      this.fail(slot, error);
    }
  }

  private storeImage(slot: RequestSlot, content: Content, suffix: ImageSuffix): void {
    slot.outcome = OUTCOMES[this.images.store(slot.name, slot.micros, content, suffix)];
    if (this.notesPlaces)
      slot.storedAt = this.images.path.slice(`${this.directory.images}/`.length);
  }

  private storeEvent(slot: RequestSlot): void {
    const place = this.events.append(slot.eventText);
    if (this.notesPlaces) slot.storedAt = place;
    slot.outcome = Outcome.stored;
  }

  private sayFull(time: LocalTime): void {
    try {
      // Once per folder, even if the hub was restarted since.
      if (!this.events.contains(MAX_IMAGES_NOTICE, time)) this.events.append(MAX_IMAGES_NOTICE);
    } catch {
      // The next image over the cap reports it again.
      this.folders.notSaidFull(time);
    }
  }

  private fail(slot: RequestSlot, error: unknown): void {
    const message = messageOf(error);
    // Only system errors may be caused by the file system.
    const isSystems = error instanceof Error && "code" in error;
    slot.failure = isSystems ? message + this.onFileSystem(slot.kind) : message;
    slot.outcome = Outcome.failed;
  }

  /**
   * Such as ` on ext4 at / (/dev/sda1)`. Looked up at most once a second, because a full disk fails
   * every request.
   */
  private onFileSystem(kind: number): string {
    const folder = isForLog(kind) ? this.directory.logs : this.directory.images;
    const now = performance.now();
    if (folder !== this.fileSystemFolder || now - this.fileSystemMs > FILE_SYSTEM_MS) {
      const found = fileSystemOf(folder);
      this.fileSystem = found === undefined ? "" : ` on ${found}`;
      this.fileSystemFolder = folder;
      this.fileSystemMs = now;
    }
    return this.fileSystem;
  }
}
