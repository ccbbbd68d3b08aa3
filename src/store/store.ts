/**
 * What a thread that stores does with a slot: stores the image or the event in it, and puts the outcome there.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { Calendar, type Clock, type LocalTime } from "../clock.ts";
import type { Settings } from "../config/schema.ts";
import { writeAll, writeBytes } from "../libc.ts";
import type { Shared } from "../threads/shared.ts";
import { Kind, Outcome, type Slot } from "../threads/slot.ts";
import { DateFolders, type Permit } from "./date-folders.ts";
import { EventLog } from "./event-log.ts";
import { ImageStore } from "./image-store.ts";
import { encodeJpeg } from "./jpeg.ts";
import type { ImageSuffix } from "./names.ts";
import { encodePng } from "./png.ts";

/** The notice in the event log when a date folder has all the images it may have. */
const MAX_IMAGES_NOTICE = "Max images written. Writing stopped.";

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
  /** What is being stored. An array that is still being encoded is not. */
  private slot!: Slot;
  private readonly writePayload = (fd: number): void =>
    writeAll(fd, this.slot.payloadAddress, this.slot.payloadBytes);

  constructor(settings: Settings, shared: Shared, clock: Clock) {
    const durable = settings.ack === "synced";
    this.calendar = new Calendar(clock);
    this.folders = new DateFolders(
      `${settings.data_directory}/images`,
      settings.max_images_write,
      shared,
      durable,
    );
    this.images = new ImageStore(this.folders, this.calendar, durable);
    this.events = new EventLog(`${settings.data_directory}/logs`, this.calendar, shared, durable);
    this.jpegQuality = settings.jpeg_quality;
  }

  /**
   * Stores what is in the slot, and leaves the outcome in it. It never throws.
   *
   * @returns a promise only where an array has to be encoded first
   */
  handle(slot: Slot): void | Promise<void> {
    try {
      switch (slot.kind) {
        case Kind.jpeg:
          this.slot = slot;
          return this.storeImage(slot, this.writePayload, ".jpg");
        case Kind.raw:
          return this.encodeAndStore(slot);
        default:
          this.events.append(slot.text);
          slot.outcome = Outcome.stored;
      }
    } catch (error) {
      fail(slot, error);
    }
  }

  private async encodeAndStore(slot: Slot): Promise<void> {
    try {
      const { payloadAddress: address, raw } = slot;
      const isDeep = raw.item === "uint16" || raw.item === "uint16be";
      const file = isDeep ? await encodePng(address, raw) : await encodeJpeg(address, raw, this.jpegQuality);
      this.storeImage(slot, (fd) => writeBytes(fd, file), isDeep ? ".png" : ".jpg");
    } catch (error) {
      fail(slot, error);
    }
  }

  private storeImage(slot: Slot, writeTo: (fd: number) => void, suffix: ImageSuffix): void {
    const permit = this.images.store(slot.text, slot.micros, writeTo, suffix);
    slot.outcome = OUTCOMES[permit];
    if (permit === "firstOver") this.sayFull(this.calendar.local(slot.micros));
  }

  private sayFull(time: LocalTime): void {
    try {
      // Once for each folder, also when the hub was started again since.
      if (!this.events.contains(MAX_IMAGES_NOTICE, time)) this.events.append(MAX_IMAGES_NOTICE);
    } catch {
      // The sender's image is not kept either way, and the next one tries again to say so.
      this.folders.notSaidFull(time);
    }
  }
}

function fail(slot: Slot, error: unknown): void {
  slot.text = messageOf(error);
  slot.outcome = Outcome.failed;
}
