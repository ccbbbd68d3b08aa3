import { expect, test } from "bun:test";
import { Runway } from "../../src/page/runway.ts";

const VIEWPORT = 700;
/** A phone with two columns and 200,000 images. */
const HIGH = 16_500_000;

test("a list that fits is scrolled as it is", () => {
  const runway = new Runway(5000, VIEWPORT);
  expect(runway.height).toBe(5000);
  expect(runway.scrolled(1234)).toBe(1234);
  expect(runway.place(2000)).toBe(2000);
});

test("a list that is too high reaches both ends, and each part of it", () => {
  const runway = new Runway(HIGH, VIEWPORT);
  const most = runway.height - VIEWPORT;
  expect(runway.height).toBeLessThan(16_000_000);
  expect(runway.scrolled(most)).toBe(HIGH - VIEWPORT);
  expect(runway.scrolled(most / 2)).toBeCloseTo((HIGH - VIEWPORT) / 2, 0);
  expect(runway.scrolled(0)).toBe(0);
});

test("small steps move as far in the list as in the window", () => {
  const runway = new Runway(HIGH, VIEWPORT);
  const before = runway.scrolled(3_000_000);
  expect(runway.scrolled(3_000_060) - before).toBeCloseTo(60, 6);
  // What is drawn at the offset stays where the window is.
  expect(runway.place(before + 60)).toBeCloseTo(3_000_060, 6);
});

test("small steps to an end never jump, and arrive with it", () => {
  const runway = new Runway(HIGH, VIEWPORT);
  let before = runway.scrolled(9000);
  for (let top = 9000; top >= 0; top -= 60) {
    const offset = runway.scrolled(top);
    expect(before - offset).toBeLessThan(400);
    before = offset;
  }
  expect(runway.scrolled(0)).toBe(0);
});

test("it goes to where it is told", () => {
  const runway = new Runway(HIGH, VIEWPORT);
  const top = runway.goTo(12_000_000);
  expect(runway.scrolled(top)).toBeCloseTo(12_000_000, 0);
  expect(runway.place(12_000_000)).toBeCloseTo(top, 0);
  expect(runway.isAtEnd).toBe(false);
  runway.goTo(Number.MAX_SAFE_INTEGER);
  expect(runway.isAtEnd).toBe(true);
});
