/**
 * The files of a hub as what people look at. They are followed while somebody looks.
 *
 * @module
 */

import type { StoredImage } from "../catalog/day-follower.ts";
import { Follower, type StoredEvent } from "../catalog/follower.ts";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { Camera, Days as DayList, HubEvent } from "../page/answers.ts";
import { Calendar, sixDigits, systemClock } from "../protocol/calendar.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { type DayIndex, DayIndexes } from "./day-index.ts";
import { Days } from "./days.ts";
import { eventOf } from "./events.ts";
import { OpenImage, protectedOf } from "./images.ts";
import { Live } from "./live.ts";
import { eventsOf, logsLatestFirst } from "./logs.ts";
import { protect, type Protected } from "./protect.ts";
import { timeText } from "./query.ts";
import type { EventLog, Source, StoredFile } from "./source.ts";

/** The files of one hub. */
export class Tree implements Source {
  readonly live = new Live();
  readonly thumbnails = {};
  private readonly directory: DataDirectory;
  private readonly indexes: DayIndexes;
  private readonly days: Days;
  private readonly calendar = new Calendar(systemClock);
  private follower: Follower | undefined;

  constructor(
    settings: Settings,
    private readonly log: Pick<Log, "warn">,
  ) {
    this.directory = new DataDirectory(settings.data_directory);
    this.indexes = new DayIndexes(this.directory);
    this.days = new Days(this.directory, settings, this.indexes);
  }

  /** The local date. */
  get today(): string {
    return this.calendar.local(this.calendar.now()).date;
  }

  /** The local date and time, such as `2018-12-30T23:13:31.620992`. */
  private get now(): string {
    const micros = this.calendar.now();
    const { date, hour, minute, second } = this.calendar.local(micros);
    return `${date}T${hour}:${minute}:${second}.${sixDigits(micros)}`;
  }

  async list(): Promise<DayList> {
    const { timeZone: zone } = new Intl.DateTimeFormat().resolvedOptions();
    const { now, today } = this;
    return { zone, now, today, days: await this.days.all(today) };
  }

  async cameras(): Promise<readonly Camera[]> {
    return this.days.cameras(this.today);
  }

  async day(date: string): Promise<DayIndex | undefined> {
    return this.indexes.of(date, date === this.today);
  }

  async image(date: string, name: string): Promise<StoredFile> {
    return OpenImage.open(this.directory, date, name);
  }

  async isThere(date: string, name: string): Promise<boolean> {
    return OpenImage.isThere(this.directory, date, name);
  }

  protectedOf(date: string): ReadonlySet<string> {
    return protectedOf(this.directory, date);
  }

  async protect(
    images: readonly (readonly [date: string, name: string])[],
    isProtect: boolean,
  ): Promise<Protected> {
    this.days.clear();
    return protect(this.directory, images, isProtect);
  }

  async eventsOf(date: string): Promise<Iterable<HubEvent>> {
    return eventsOf(this.directory, date);
  }

  async logs(): Promise<readonly EventLog[]> {
    return logsLatestFirst(this.directory);
  }

  fileName(name: string): string {
    return name;
  }

  explain(error: unknown): string {
    return `The data directory cannot be read: ${messageOf(error)}`;
  }

  wake(): void {
    if (this.follower !== undefined) return;
    this.follower = new Follower(this.directory, {
      today: () => this.today,
      onImage: (image) => this.hearImage(image),
      onEvent: (event) => this.hearEvent(event),
      onProblem: (problem) => this.log.warn(`What is stored cannot be followed: ${problem}`),
    });
    this.follower.start();
  }

  rest(): void {
    this.follower?.[Symbol.dispose]();
    this.follower = undefined;
    this.indexes.clear();
    this.days.clear();
  }

  private hearImage(image: StoredImage): void {
    this.indexes.add(image);
    const { date, name, camera, micros } = image;
    this.live.tell("image", { date, name, camera, time: timeText(micros) }, camera);
  }

  private hearEvent({ at, text }: StoredEvent): void {
    const [date = "", time = ""] = at.split(" ");
    this.live.tell("event", eventOf(date, time, text));
  }
}
