import { describe, expect, test } from "bun:test";
import { type Flight, newFlight, tooLarge, Window } from "../../src/tell/mqtt-window.ts";

/** Messages on their way. */
function fly(window: Window, ...flights: readonly Flight[]): void {
  for (const flight of flights) {
    flight.bytes = 100;
    window.add(flight);
  }
}

const event = (name: string): Flight => newFlight("event", name, name);

describe("Window", () => {
  test("lets go no more at a time than the broker takes", () => {
    const window = new Window();
    const room = (): number => {
      let count = 0;
      for (; window.hasRoom; count++) fly(window, event(`${count}`));
      window.ended(false, 0);
      while (window.suspect) window.remove(window.suspect);
      return count;
    };
    expect(room()).toBe(200);
    for (const [receiveMax, most] of [
      [20, 19],
      [1, 1],
      [65_535, 200],
    ] as const) {
      window.opened(undefined, receiveMax);
      expect(room()).toBe(most);
    }
  });

  test("after an end, what was on its way goes first, in its order and one by one", () => {
    const window = new Window();
    const [a, b, c] = [event("a"), newFlight("text", "b"), event("c")];
    fly(window, a, b, c);
    expect(window.ended(true, 0)).toBeUndefined();
    expect([window.size, window.events]).toEqual([3, 2]);
    for (const each of [a, b, c]) {
      expect(window.suspect).toBe(each);
      expect(window.hasRoom).toBe(true);
      fly(window, each);
      expect(window.hasRoom).toBe(false);
      window.remove(each);
    }
    fly(window, event("d"));
    expect(window.hasRoom).toBe(true);
  });

  test.each(["event", "text", "image"] as const)(
    "finds the %s at which connections end",
    (kind) => {
      const window = new Window();
      const [bad, other] = [newFlight(kind, "bad"), event("other")];
      fly(window, bad, other);
      window.ended(true, 0);
      for (const each of [1, 2, 3]) {
        expect(window.suspect).toBe(bad);
        fly(window, bad);
        expect(window.ended(true, 0)).toBe(each === 3 ? bad : undefined);
        expect(window.isSearching).toBe(each < 3);
      }
      expect(window.suspect).toBe(other);
      const isTopic = kind !== "event";
      expect(window.isLeftOut("bad", 100, 3_599_999)).toBe(isTopic);
      expect(window.isLeftOut("bad", 101, 3_599_999)).toBe(isTopic);
      expect(window.isLeftOut("other", 100, 0)).toBe(false);
      expect(window.isLeftOut("bad", 100, 3_600_000)).toBe(false);
    },
  );

  test("tries a topic again that is smaller, or when the broker may have other limits", () => {
    const window = new Window();
    const leaveOut = (): void => {
      const bad = newFlight("image", "bad");
      for (const _ of [1, 2, 3]) {
        fly(window, bad);
        window.ended(true, 0);
      }
      expect(window.isLeftOut("bad", 100, 0)).toBe(true);
    };
    leaveOut();
    expect(window.isLeftOut("bad", 99, 0)).toBe(false);
    leaveOut();
    window.forgive();
    expect(window.isLeftOut("bad", 100, 0)).toBe(false);
  });

  test("blames no message that was not alone, was not sent yet, or cannot be the reason", () => {
    const window = new Window();
    const [a, b] = [event("a"), event("b")];
    for (let each = 0; each < 10; each++) {
      fly(window, a, b);
      expect(window.ended(true, 0)).toBeUndefined();
      fly(window, a);
      expect(window.ended(false, 0)).toBeUndefined();
      window.add(a);
      delete a.bytes;
      expect(window.ended(true, 0)).toBeUndefined();
      while (window.suspect) window.remove(window.suspect);
    }
  });

  test("ends idly after three ends in succession while nothing was on its way", () => {
    const window = new Window();
    const ends = (times: number, mayBeMessage = true): boolean => {
      for (let each = 0; each < times; each++) window.ended(mayBeMessage, 0);
      return window.endsIdly;
    };
    expect([ends(2), ends(1)]).toEqual([false, true]);
    expect([ends(1, false), ends(2)]).toEqual([false, false]);
    fly(window, event("a"));
    expect([ends(1), ends(2)]).toEqual([false, false]);
    while (window.suspect) window.remove(window.suspect);
    expect(ends(3)).toBe(true);
    window.forgive();
    expect(window.endsIdly).toBe(false);
  });

  test("knows the size that the broker has told, by the packet", () => {
    const window = new Window();
    expect(window.limitFor("topic", 1e9)).toBeUndefined();
    window.opened(1000);
    expect(window.limitFor("topic", 985)).toBeUndefined();
    expect(window.limitFor("topic", 986)).toBe(1000);
    window.opened();
    expect(window.limitFor("topic", 1e9)).toBeUndefined();
  });

  test("has one image on its way at most", () => {
    const window = new Window();
    const image = newFlight("image", "a");
    fly(window, image, event("b"));
    expect(window.hasImage).toBe(true);
    window.remove(image);
    expect(window.hasImage).toBe(false);
    fly(window, image);
    window.ended(true, 0);
    expect(window.hasImage).toBe(false);
  });
});

test("a message that is too large is named with what to do", () => {
  const flight = { kind: "event", topic: "farm/hub/events/Barn", bytes: 4123 } as const;
  const end = "it is left out. Raise the broker's limit (mosquitto: max_packet_size)";
  expect(tooLarge(flight)).toBe(
    `The broker ends the connection at an event of 4123 bytes on farm/hub/events/Barn: ${end}`,
  );
  expect(tooLarge(flight, 4000)).toBe(
    `The broker takes up to 4000 bytes, and not an event of 4123 bytes on farm/hub/events/Barn: ${end}`,
  );
});
