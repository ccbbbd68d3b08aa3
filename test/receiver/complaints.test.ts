import { beforeEach, describe, expect, test } from "bun:test";
import { Complaints } from "../../src/receiver/complaints.ts";

let lines: string[];
let complaints: Complaints;

beforeEach(() => {
  lines = [];
  complaints = new Complaints((level, message, fields) => {
    lines.push([level, message, JSON.stringify(fields ?? {})].join(" "));
  });
});

const inASecond = (): number => performance.now() + 1000;

describe("Complaints", () => {
  test("reports the first of a kind at once, and nothing is pending", () => {
    complaints.add("disk", { level: "error", message: "It is full", fields: { free: 0 } });
    expect(lines).toEqual(['error It is full {"free":0}']);
    expect(complaints.pending).toBe(false);
  });

  test("makes one line of a flood, the last of its kind with a count", () => {
    for (let index = 0; index < 1000; index++)
      complaints.add("denied", {
        level: "warn",
        message: "Refused",
        fields: { from: `10.0.0.${index}` },
      });
    expect(lines).toEqual(['warn Refused {"from":"10.0.0.0"}']);
    expect(complaints.pending).toBe(true);
    complaints.flush(inASecond());
    expect(lines.slice(1)).toEqual(['warn Refused {"from":"10.0.0.999","count":999}']);
    expect(complaints.pending).toBe(false);
  });

  test("gives no count to a line that stands for one", () => {
    for (let index = 0; index < 2; index++)
      complaints.add("a", { level: "warn", message: `Line ${index}` });
    complaints.flush(inASecond());
    expect(lines).toEqual(["warn Line 0 {}", "warn Line 1 {}"]);
  });

  test("holds back one kind and not another", () => {
    for (const kind of ["a", "b", "a", "b", "c"])
      complaints.add(kind, { level: "warn", message: kind });
    expect(lines).toEqual(["warn a {}", "warn b {}", "warn c {}"]);
    complaints.flush(inASecond());
    expect(lines.slice(3).toSorted()).toEqual(["warn a {}", "warn b {}"]);
  });

  test("reports nothing before its second is over, and all of it when the hub ends", () => {
    for (let index = 0; index < 3; index++) complaints.add("a", { level: "warn", message: "a" });
    complaints.flush(performance.now());
    expect(lines).toEqual(["warn a {}"]);
    complaints.flush(Number.POSITIVE_INFINITY);
    expect(lines.slice(1)).toEqual(['warn a {"count":2}']);
  });

  test("writes a line a second at most, be it when the next one comes or when it is asked to", () => {
    const add = (nowMs: number) =>
      complaints.add("a", { level: "warn", message: `at ${nowMs}` }, nowMs);
    for (const nowMs of [0, 1, 999, 1000, 1500]) add(nowMs);
    expect(lines).toEqual(["warn at 0 {}", 'warn at 1000 {"count":3}']);
    complaints.flush(1999);
    expect(lines).toHaveLength(2);
    complaints.flush(2000);
    expect(lines.slice(2)).toEqual(["warn at 1500 {}"]);
    expect(complaints.pending).toBe(false);
    // The flushed line was a line: the next one waits for its second.
    add(2001);
    expect([lines.length, complaints.pending]).toEqual([3, true]);
    add(3000);
    expect([lines[3], complaints.pending]).toEqual(['warn at 3000 {"count":2}', false]);
  });
});
