import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { imageMember } from "../../src/archive/layout.ts";
import { Backlog } from "../../src/replicate/backlog.ts";
import type { Order } from "../../src/replicate/day-queue.ts";
import { Journal, journalPath } from "../../src/replicate/journal.ts";
import { JPEG, Place } from "../support/archive/days.ts";

const DAYS = ["2021-09-21", "2021-09-22", "2021-09-23"] as const;
const SUM = "0".repeat(64);

const nobody = (): boolean => false;
const backlogOf = (
  { directory }: Place,
  order: Order = "newest",
  refused = "",
  told: string[] = [],
): Backlog =>
  new Backlog(
    directory,
    order,
    (path) => path === refused,
    (message) => told.push(message),
  );

function noteImage({ directory }: Place, date: string, name: string): void {
  const journal = new Journal(directory, date);
  journal.note(imageMember(date, name).path, SUM);
  journal.flush();
}

describe("a backlog", () => {
  test("counts what is in no journal, and gives the days in their order", async () => {
    using place = new Place();
    for (const date of DAYS) for (const second of [1, 2]) place.image(date, "Barn", second);
    noteImage(place, DAYS[0], place.image(DAYS[0], "Barn", 1));
    for (const order of ["newest", "oldest"] as const) {
      const backlog = backlogOf(place, order);
      await backlog.refresh(nobody);
      expect(backlog.lag).toMatchObject({ images: 5, bytes: 5 * JPEG.length });
      const dates: (string | undefined)[] = [];
      for (let date = backlog.next(); date !== undefined; date = backlog.next()) {
        dates.push(date);
        backlog.open(date);
      }
      expect(dates).toEqual(order === "newest" ? [...DAYS].toReversed() : [...DAYS]);
    }
  });

  test("sees what comes to a day later, and what was deleted", async () => {
    using place = new Place();
    const name = place.image(DAYS[0], "Barn", 1);
    noteImage(place, DAYS[0], name);
    const backlog = backlogOf(place);
    await backlog.refresh(nobody);
    expect([backlog.next(), backlog.lag.images]).toEqual([undefined, 0]);
    place.image(DAYS[0], "Barn", 2);
    await backlog.refresh(nobody);
    expect([backlog.next(), backlog.lag.images]).toEqual([DAYS[0], 1]);
    rmSync(place.directory.dateFolder(DAYS[0]), { recursive: true });
    await backlog.refresh(nobody);
    expect([backlog.next(), backlog.lag.images]).toEqual([undefined, 0]);
    // Nothing is left of the day, and so it needs no journal.
    expect(existsSync(journalPath(place.directory, DAYS[0]))).toBe(false);
  });

  test("does not count what differs, and leaves days alone that somebody has in hand", async () => {
    using place = new Place();
    const name = place.image(DAYS[0], "Barn", 1);
    place.image(DAYS[1], "Barn", 1);
    const backlog = backlogOf(place, "newest", imageMember(DAYS[0], name).path);
    await backlog.refresh((date) => date === DAYS[1]);
    expect(backlog.lag.images).toBe(0);
    expect(backlog.unfinished(DAYS[2])).toEqual([DAYS[0]]);
  });

  test("tells of a day that cannot be looked at, and looks at the others", async () => {
    using place = new Place();
    for (const date of DAYS) place.image(date, "Barn", 1);
    mkdirSync(journalPath(place.directory, DAYS[1]), { recursive: true });
    const told: string[] = [];
    const backlog = backlogOf(place, "newest", "", told);
    await backlog.refresh(nobody);
    expect(backlog.lag.images).toBe(2);
    expect(told).toEqual([expect.stringContaining(`Cannot look at ${DAYS[1]}: `)]);
  });

  test("has days to finish until they have a manifest, and again if something comes", async () => {
    using place = new Place();
    const [date] = DAYS;
    noteImage(place, date, place.image(date, "Barn", 1));
    const finished = async (): Promise<string[]> => {
      const backlog = backlogOf(place);
      await backlog.refresh(nobody);
      return backlog.unfinished(DAYS[1]);
    };
    expect(await finished()).toEqual([date]);
    const journal = new Journal(place.directory, date);
    journal.note(`manifests/${date}.sha256`, SUM);
    journal.flush();
    expect(await finished()).toEqual([]);
    place.log(date);
    expect(await finished()).toEqual([date]);
  });
});
