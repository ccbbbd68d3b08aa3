import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { FAST_BATCH, SLOW_MS } from "../../src/limits.ts";
import { EventFd } from "../../src/os/wait.ts";
import { Lending } from "../../src/receiver/lending.ts";
import { Loan } from "../../src/shared/loan.ts";
import { createShared, type Shared } from "../../src/shared/memory.ts";
import { StoringThread } from "../../src/shared/storing-threads.ts";

const FAST_PATH = 1;

let wake: EventFd;
let shared: Shared;
let loan: Loan;
let lending: Lending;

beforeEach(() => {
  wake = EventFd.create();
  shared = createShared(4);
  loan = new Loan(shared, FAST_PATH, wake);
  loan.isReady = true;
  lending = new Lending(loan, true);
});

afterEach(() => closeSync(wake.fd));

describe("Lending lends the socket", () => {
  test("at once when nothing is in hand", () => {
    lending.offer(5000, 0);
    expect([lending.isLent, lending.isReceiving, loan.isOut]).toEqual([true, false, true]);
  });

  test("when nothing is in hand any more, and receives nothing until then", () => {
    lending.offer(5000, 2);
    expect([lending.isLent, lending.isWaiting, lending.isReceiving]).toEqual([false, true, false]);
    lending.offerWaiting(1);
    expect(lending.isLent).toBe(false);
    lending.offerWaiting(0);
    expect([lending.isLent, lending.isWaiting]).toEqual([true, false]);
  });

  test("a second after something unusual, and not before", () => {
    lending.sawUnusual(5000);
    lending.offer(5999, 0);
    expect(lending.isLent).toBe(false);
    lending.offer(6000, 0);
    expect(lending.isLent).toBe(true);
  });

  test("never with another level of acknowledgement, or without a fast path", () => {
    const never = new Lending(loan, false);
    never.offer(5000, 0);
    loan.isReady = false;
    lending.offer(5000, 0);
    expect([never.isLent, lending.isLent]).toEqual([false, false]);
  });
});

describe("Lending takes the socket back", () => {
  test("and lends it again at once after a heartbeat or the like, a few times", () => {
    lending.offer(5000, 0);
    let again = 0;
    for (; lending.isLent; again++) {
      loan.giveBack();
      expect(lending.isReturned).toBe(true);
      lending.reclaim();
      lending.reclaimed(5000, 1, 0);
    }
    expect(again).toBe(21);
    // Then it stays for a second.
    expect(lending.review(5999, 0, 0)).toBe(false);
    expect(lending.isLent).toBe(false);
    lending.review(6000, 0, 0);
    expect<boolean>(lending.isLent).toBe(true);
  });

  test.each([0, FAST_BATCH])("and keeps it with %d requests left over", (leftOver) => {
    lending.offer(5000, 0);
    lending.reclaim();
    lending.reclaimed(5000, leftOver, 0);
    expect([lending.isLent, lending.isReceiving]).toEqual([false, true]);
  });

  test("when a write takes long", () => {
    lending.offer(5000, 0);
    expect(lending.review(5000, SLOW_MS - 1, 0)).toBe(false);
    expect(lending.review(5000, SLOW_MS, 0)).toBe(true);
  });

  test("when what is in hand takes long before it is lent", () => {
    lending.offer(5000, 1);
    expect(lending.review(5049, 0, 1)).toBe(false);
    expect(lending.review(5050, 0, 1)).toBe(true);
    lending.stopWaiting();
    expect(lending.isReceiving).toBe(true);
  });
});

test("Lending watches the fast path while it has a request, and a little longer", () => {
  expect(lending.isWatching(5000, 5000)).toBe(false);
  lending.offer(5000, 0);
  expect([lending.isWatching(5099, 5000), lending.isWatching(5100, 5000)]).toEqual([true, false]);
  new StoringThread(shared, FAST_PATH).begin(0);
  expect(lending.isWatching(9000, 5000)).toBe(true);
});

test("Lending says before a sleep that it does not watch, and whether it is wanted already", () => {
  lending.offer(5000, 0);
  expect([lending.setWatched(false), loan.isWatched]).toEqual([false, false]);
  new StoringThread(shared, FAST_PATH).begin(0);
  expect([lending.setWatched(true), lending.setWatched(false)]).toEqual([false, true]);
  loan.giveBack();
  expect(lending.setWatched(true)).toBe(true);
});
