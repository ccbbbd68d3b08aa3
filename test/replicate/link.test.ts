import { describe, expect, test } from "bun:test";
import { Link } from "../../src/replicate/link.ts";
import { StoreError } from "../../src/s3/errors.ts";

const failure = (problem: StoreError["problem"], isRetryable = true): StoreError =>
  new StoreError(`It is ${problem}`, { problem, code: "", isRetryable });

/** A link and what it tells. */
function newLink(): { link: Link; told: string[] } {
  const told: string[] = [];
  const link = new Link({
    connected: () => told.push("connected"),
    disconnected: () => told.push("disconnected"),
    failed: (message) => told.push(message),
  });
  return { link, told };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(1);
}

describe("a link", () => {
  test("tries again until it succeeds, and tells both", async () => {
    const { link, told } = newLink();
    let tries = 0;
    const result = await link.call(async () => {
      if (++tries < 3) throw failure("busy");
      return await Promise.resolve("done");
    });
    expect(result).toBe("done");
    expect(told).toEqual(["disconnected", "It is busy", "disconnected", "It is busy", "connected"]);
    expect(link.isUp).toBe(true);
  });

  test("after a failure, one tries and the others wait; then all follow", async () => {
    const { link } = newLink();
    let [isAway, inHand, most, tries] = [true, 0, 0, 0];
    const call = async (): Promise<void> =>
      await link.call(async () => {
        tries++;
        inHand++;
        await Bun.sleep(5);
        inHand--;
        if (isAway) throw failure("unreachable");
      });
    const first = Array.from({ length: 8 }, call);
    await until(() => tries === 8 && inHand === 0);
    const others = Array.from({ length: 8 }, call);
    await until(() => {
      most = Math.max(most, inHand);
      return tries >= 10;
    });
    expect(most).toBe(1);
    isAway = false;
    await Promise.all([...first, ...others]);
    expect(link.isUp).toBe(true);
  });

  test("what is wrong with one object ends its call, and no other one", async () => {
    const { link, told } = newLink();
    const call = link.call(async () => await Promise.reject(failure("other", false)));
    expect(await call.catch((error: unknown) => error)).toMatchObject({ problem: "other" });
    expect(await link.call(async () => await Promise.resolve(1))).toBe(1);
    expect(told).toEqual(["connected", "connected"]);
  });

  test("does not pause for longer than its maximum, however often a call fails", async () => {
    const link = new Link({ connected() {}, disconnected() {}, failed() {} }, 1);
    let tries = 0;
    const call = link.call(async () => {
      if (++tries < 30) throw failure("unreachable");
      return await Promise.resolve(tries);
    });
    expect(await call).toBe(30);
  });

  test("whoever does not wait for ever is told when it is too late", async () => {
    const { link } = newLink();
    // It waits for somebody to do something.
    const waiting = link.call(async () => await Promise.reject(failure("denied", false)));
    await until(() => !link.isUp);
    const untilMs = performance.now() + 20;
    const late = link.with({ untilMs }).call(async () => await Promise.resolve("made"));
    expect(await late.catch((error: unknown) => error)).toMatchObject({ problem: "ended" });
    link.end();
    expect(await waiting.catch((error: unknown) => error)).toMatchObject({ problem: "ended" });
  });

  test("a call that fails again and again holds up no other one, and ends", async () => {
    const { link } = newLink();
    let tries = 0;
    const hopeless = link.call(async () => {
      tries++;
      return await Promise.reject(failure("busy"));
    });
    // It waits for its turn since before the first failure is over.
    const fine = link.call(async () => {
      await until(() => tries > 0);
      return "done";
    });
    await until(() => tries > 0);
    const later = link.call(async () => await Promise.resolve("later"));
    expect(await Promise.all([fine, later])).toEqual(["done", "later"]);
    expect(await hopeless.catch((error: unknown) => error)).toMatchObject({ problem: "busy" });
    expect(tries).toBe(3);
    expect(await link.call(async () => await Promise.resolve(1))).toBe(1);
  });

  test("after a failure, those go first that have not failed", async () => {
    const { link } = newLink();
    const order: string[] = [];
    const failing = link.call(async () => {
      order.push("failing");
      return await (order.length < 3 ? Promise.reject(failure("busy")) : Promise.resolve());
    });
    await until(() => order.length > 0 && !link.isUp);
    const other = link.call(async () => {
      await Promise.resolve(order.push("other"));
    });
    await Promise.all([failing, other]);
    expect(order).toEqual(["failing", "other", "failing"]);
  });

  test("its end ends the calls that wait and those on their way", async () => {
    const { link } = newLink();
    const waiting = link.call(async () => await Promise.reject(failure("denied", false)));
    const { promise, reject } = Promise.withResolvers<void>();
    const onItsWay = new Link({ connected() {}, disconnected() {}, failed() {} });
    const call = onItsWay.call(async ({ signal }) => {
      signal?.addEventListener("abort", () => reject(failure("ended", false)));
      await promise;
    });
    await Bun.sleep(1);
    link.end();
    onItsWay.end();
    for (const each of [waiting, call])
      expect(await each.catch((error: unknown) => error)).toMatchObject({ problem: "ended" });
  });
});
