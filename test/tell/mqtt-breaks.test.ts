import { describe, expect, test } from "bun:test";
import { Breaks } from "../../src/tell/mqtt-breaks.ts";

const REASON = "The broker has closed the connection";

/** A connection of so many seconds that ends at an image of so many bytes. */
function connection(
  breaks: Breaks,
  { bytes, seconds = 1, isByBroker = true }: Record<string, number | boolean> = {},
): { reason: string; isNew: boolean } {
  breaks.connected(0);
  if (bytes !== undefined) breaks.imageSent(Number(bytes));
  return breaks.ended({ reason: REASON, isByBroker: isByBroker === true }, Number(seconds) * 1000);
}

/** The smallest of some sizes that is too large. */
function limitOf(breaks: Breaks): number | undefined {
  return [100, 200, 300, 400, 500].find((bytes) => breaks.isTooLarge(bytes));
}

describe("Breaks", () => {
  test.each([
    [[400], undefined],
    [[400, 400], 400],
    [[400, 300], 400],
    [[300, 400], 400],
    [[300, 400, 300], 300],
    [[400, 400, 200], 400],
    [[400, 400, 200, 200], 200],
  ])("after ends at images of %p bytes leaves out %p and more", (sizes, limit) => {
    const breaks = new Breaks();
    for (const bytes of sizes) connection(breaks, { bytes });
    expect(limitOf(breaks)).toBe(limit);
  });

  test("suspects no image that was confirmed, or that the network has ended", () => {
    const breaks = new Breaks();
    connection(breaks, { bytes: 400 });
    breaks.connected(0);
    breaks.imageSent(400);
    breaks.imageConfirmed();
    connection(breaks);
    connection(breaks, { bytes: 400 });
    connection(breaks, { bytes: 400, isByBroker: false });
    expect(limitOf(breaks)).toBeUndefined();
  });

  test("speaks of another hub only after three short connections in a row", () => {
    const breaks = new Breaks();
    const says = (options?: Record<string, number | boolean>): boolean =>
      connection(breaks, options).reason.includes("another hub");
    expect([says(), says(), says({ seconds: 300 })]).toEqual([false, false, false]);
    expect([says(), says(), says({ isByBroker: false })]).toEqual([false, false, false]);
    expect([says(), says(), says()]).toEqual([false, false, true]);
  });

  test("an end is new only after a long connection", () => {
    const breaks = new Breaks();
    expect(connection(breaks).isNew).toBe(false);
    expect(connection(breaks, { seconds: 300 }).isNew).toBe(true);
    expect(breaks.ended({ reason: REASON, isByBroker: false }, 1e9)).toEqual({
      reason: REASON,
      isNew: false,
    });
  });
});
