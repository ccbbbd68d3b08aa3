import { expect, test } from "bun:test";
import { Backlog, type Waiting } from "../../src/tell/mqtt-backlog.ts";

const event = (number: number, length = 10): Waiting => ({
  topic: "a",
  payload: String(number).padEnd(length),
});

function numbers(backlog: Backlog): number[] {
  const found: number[] = [];
  for (let next = backlog.take(); next !== undefined; next = backlog.take())
    found.push(Number(next.payload));
  return found;
}

test("a backlog drops the oldest when it is full, and says how many", () => {
  const backlog = new Backlog();
  let dropped = 0;
  for (let each = 0; each < 25_000; each++) dropped += backlog.add(event(each));
  expect(dropped).toBe(5000);
  const left = numbers(backlog);
  expect(left.length).toBe(20_000);
  expect(left[0]).toBe(5000);
  expect(left.at(-1)).toBe(24_999);
});

test("a backlog holds no more than some characters", () => {
  const backlog = new Backlog();
  let dropped = 0;
  for (let each = 0; each < 300; each++) dropped += backlog.add(event(each, 65_536));
  expect(dropped).toBe(300 - 256);
  expect(backlog.length).toBe(256);
});
