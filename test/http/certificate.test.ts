import { expect, test } from "bun:test";
import { ageNotice } from "../../src/http/certificate.ts";

const DAY_MS = 86_400_000;

test.each([
  ["a year", 365, 14.1, false],
  ["a year", 365, 13.9, true],
  ["six days", 6, 5.9, false],
  ["six days", 6, 2.1, false],
  ["six days", 6, 1.9, true],
  ["six days", 6, -1, true],
])(
  "a certificate that lives for %s is told %d days before its end: %p",
  (_, days, left, isTold) => {
    const endsMs = days * DAY_MS;
    const notice = ageNotice({ beginsMs: 0, endsMs }, endsMs - left * DAY_MS);
    expect(notice !== undefined).toBe(isTold);
  },
);
