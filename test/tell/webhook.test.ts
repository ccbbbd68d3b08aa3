import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WebhookSettings } from "../../src/config/webhook.ts";
import type { News } from "../../src/tell/news.ts";
import { pauseMs, WAITING_MAX, wantedBy, Webhook } from "../../src/tell/webhook.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { answered } from "../support/hub/http.ts";
import { Clock } from "../support/machine/clock.ts";
import { tempDir } from "../support/machine/temp.ts";
import { hang, Receiver, reset, status } from "../support/peers/webhook-receiver.ts";

setDefaultTimeout(60_000);

const event = (text: string): News & { type: "event" } => ({
  type: "event",
  at: "2018-12-30 13:45:06,123",
  text,
  isHub: !text.includes("|"),
});

const image = (camera: string): News => ({
  type: "image",
  date: "2018-12-30",
  name: `${camera}-2018-12-30T13.45.06.123456.jpg`,
  camera,
  micros: 1,
});

const silent = (node: string): News => ({
  type: "silent",
  node,
  silent: true,
  last_seen: "2018-12-30T12:00:00.000Z",
  awayMs: 600_000,
});

const start: News = { type: "start", version: "1.2.3" };

/** Webhooks that a test leaves behind. */
const left: Webhook[] = [];

afterEach(async () => {
  await Promise.all(left.splice(0).map((webhook) => webhook.finish(0)));
});

/** A webhook, and what it warns of. */
function make(settings: Partial<WebhookSettings>): { webhook: Webhook; warnings: string[] } {
  const warnings: string[] = [];
  const webhook = new Webhook(
    2,
    { on: ["event", "start"], ...settings },
    { warn: (message) => warnings.push(message) },
  );
  left.push(webhook);
  return { webhook, warnings };
}

const counts = ({ tally: { sent, dropped, waiting } }: Webhook): Record<string, number> => ({
  sent,
  dropped,
  waiting,
});

/** Waits until a webhook has counted so. */
async function until(webhook: Webhook, wanted: Record<string, number>): Promise<void> {
  const isSo = (now: Record<string, number>): boolean =>
    Object.entries(wanted).every(([key, count]) => now[key] === count);
  await answered(() => Promise.resolve(counts(webhook)), isSo);
}

const texts = (receiver: Receiver): unknown[] => receiver.facts.map(({ text }) => text);

describe("wantedBy decides", () => {
  const on: WebhookSettings["on"] = ["event", "image", "silent", "start"];
  const table: [what: string, settings: Partial<WebhookSettings>, news: News, isWanted: boolean][] =
    [
      ["all of a type that is wanted", {}, event("A|b|c"), true],
      ["none of another", {}, { type: "health", healthy: false, reasons: [] }, false],
      ["by the camera of an image", { match: "Barn*" }, image("Barn-Door"), true],
      ["by all of its name", { match: "Barn" }, image("Barn-Door"), false],
      ["by the node of an event", { match: "Front Gate" }, event("Front Gate|b|c"), true],
      ["by the node that is silent", { match: "Gate" }, silent("Gate"), true],
      ["against another node", { match: "Gate" }, silent("Barn"), false],
      ["against the hub's own lines, if cameras are named", { match: "Gate" }, event("Hm"), false],
      ["the hub's own lines, if all are", { match: "*" }, event("Hm"), true],
      ["what has no camera by its type alone", { match: "Gate" }, start, true],
      ["by a part of the text, whatever its case", { text: "MOTION" }, event("A|motion|on"), true],
      ["against another text", { text: "motion" }, event("A|light|on"), false],
      ["what has no text by its type alone", { text: "motion" }, image("Barn"), true],
      ["by both", { match: "B", text: "motion" }, event("A|motion|on"), false],
    ];
  test.each(table)("%s", (_, settings, news, isWanted) => {
    expect(wantedBy({ on, ...settings })(news)).toBe(isWanted);
  });
});

test("pauseMs doubles up to a minute, and grants what is asked up to ten", () => {
  const pauses = [1, 2, 3, 6, 7, 1000].map((failures) => pauseMs(failures));
  expect(pauses).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000]);
  expect([pauseMs(1, 7000), pauseMs(7, 7000), pauseMs(1, 1e9), pauseMs(1, -5)]).toEqual([
    7000, 60_000, 600_000, 1000,
  ]);
});

test("Webhook sends all in order, however the receiver fails in between", async () => {
  await using receiver = await Receiver.start((response, received, nth) => {
    const answers = [status(200), status(500), reset, status(503), status(429)];
    (answers[nth - 1] ?? status(200))(response, received, nth);
  });
  const { webhook, warnings } = make({ url: receiver.url() });
  for (let count = 1; count <= 20; count++) webhook.tell(event(`A|n|${count}`));
  for (let requests = 2; requests <= 5; requests++) {
    await answered(
      () => Promise.resolve(receiver.requests.length),
      (count) => count >= requests,
    );
    // Without the pause.
    webhook.reload();
  }
  await until(webhook, { sent: 20 });
  expect(counts(webhook)).toEqual({ sent: 20, dropped: 0, waiting: 0 });
  const inOrder = Array.from({ length: 20 }, (_, index) => `A|n|${index + 1}`);
  expect(texts(receiver).filter((text, at, all) => text !== all[at - 1])).toEqual(inOrder);
  const ids = receiver.requests.map(({ headers }) => headers["x-imagehub-delivery"]);
  expect(new Set(ids).size).toBe(20);
  const name = `webhook 2 (127.0.0.1:${receiver.port})`;
  expect(warnings).toEqual([
    `${name}: answered 500 Internal Server Error; trying again`,
    `${name}: the connection was closed without an answer; trying again`,
    `${name}: answered 503 Service Unavailable; trying again`,
    `${name}: answered 429 Too Many Requests; trying again`,
  ]);
  expect(webhook.tally.state).toMatchObject({
    name,
    target: `http://127.0.0.1:${receiver.port}/…`,
    last_error: { message: "answered 429 Too Many Requests; trying again" },
  });
  expect(webhook.tally.state.connected_since).toBeString();
});

test("Webhook drops what is refused, and goes on with the next", async () => {
  await using receiver = await Receiver.start((response, received, nth) =>
    status(nth === 1 ? 404 : 200)(response, received, nth),
  );
  const { webhook, warnings } = make({ url: receiver.url() });
  webhook.tell(event("A|n|1"));
  webhook.tell(event("A|n|2"));
  await until(webhook, { sent: 1 });
  expect(texts(receiver)).toEqual(["A|n|1", "A|n|2"]);
  expect(counts(webhook)).toEqual({ sent: 1, dropped: 1, waiting: 0 });
  expect(warnings).toEqual([
    `webhook 2 (127.0.0.1:${receiver.port}): answered 404 Not Found; the message is dropped`,
  ]);
});

test("Webhook drops a message that was answered 500 ten times", async () => {
  await using receiver = await Receiver.start((response, { body }, nth) =>
    status(body.includes("bad") ? 500 : 200)(response, { body } as never, nth),
  );
  const { webhook, warnings } = make({ url: receiver.url() });
  webhook.tell(event("A|n|bad"));
  webhook.tell(event("A|n|good"));
  while (webhook.tally.sent === 0) {
    webhook.reload();
    await Bun.sleep(5);
  }
  expect(texts(receiver)).toEqual([...Array<string>(10).fill("A|n|bad"), "A|n|good"]);
  expect(counts(webhook)).toEqual({ sent: 1, dropped: 1, waiting: 0 });
  expect(warnings.at(-1)).toEndWith("answered 500 Internal Server Error; the message is dropped");
});

test("Webhook holds 1,000 messages for a dead receiver, and drops the oldest of 20,000", async () => {
  const port = freePort();
  const { webhook, warnings } = make({ url: `http://127.0.0.1:${port}/SECRET?hidden` });
  for (let count = 1; count <= 20_000; count++) {
    webhook.tell(event(`A|n|${count}`));
    if (count % 1000 === 0) await Bun.sleep(1);
    expect(webhook.tally.waiting).toBeLessThanOrEqual(WAITING_MAX + 1);
  }
  const { dropped, waiting } = counts(webhook);
  expect(dropped! + waiting!).toBe(20_000);
  await using receiver = await Receiver.start(status(200), undefined, port);
  webhook.reload();
  await until(webhook, { waiting: 0 });
  expect(receiver.requests.length).toBe(waiting!);
  const last = Array.from({ length: WAITING_MAX }, (_, index) => `A|n|${19_001 + index}`);
  expect(texts(receiver).slice(-WAITING_MAX)).toEqual(last);
  expect(counts(webhook)).toEqual({ sent: waiting!, dropped: dropped!, waiting: 0 });
  const name = `webhook 2 (127.0.0.1:${port})`;
  expect(new Set(warnings)).toEqual(
    new Set([
      `${name}: connection refused; trying again`,
      `${name}: 1,000 messages wait, so the oldest are dropped`,
    ]),
  );
  expect(warnings).toHaveLength(2);
});

test("Webhook says once that a receiver that works is too slow", async () => {
  await using receiver = await Receiver.start();
  const { webhook, warnings } = make({ url: receiver.url() });
  for (let round = 1; round <= 3; round++) {
    for (let count = 1; count <= WAITING_MAX + 10; count++) webhook.tell(event(`A|n|${count}`));
    await until(webhook, { waiting: 0 });
  }
  expect(webhook.tally.dropped).toBeGreaterThan(3);
  expect(warnings).toEqual([
    `webhook 2 (127.0.0.1:${receiver.port}): 1,000 messages wait, so the oldest are dropped`,
  ]);
});

test("Webhook drops what has waited for an hour", async () => {
  const port = freePort();
  const { webhook, warnings } = make({ url: `http://127.0.0.1:${port}/` });
  webhook.tell(event("A|n|old"));
  webhook.tell(event("A|n|older"));
  await answered(
    () => Promise.resolve(warnings.length),
    (count) => count > 0,
  );
  {
    using clock = new Clock();
    clock.goOn(3_600_001);
    webhook.tell(event("A|n|new"));
    webhook.reload();
    await until(webhook, { dropped: 2 });
  }
  expect(warnings.at(-1)).toEndWith(": messages that have waited for an hour are dropped");
  await using receiver = await Receiver.start(status(200), undefined, port);
  webhook.reload();
  await until(webhook, { sent: 1 });
  expect(texts(receiver)).toEqual(["A|n|new"]);
});

test("Webhook reads its files again, and keeps the old ones if the new ones are wrong", async () => {
  using temp = tempDir();
  await using receiver = await Receiver.start();
  const [urlFile, template] = [join(temp.path, "url"), join(temp.path, "template")];
  writeFileSync(template, "one {text}");
  const { webhook, warnings } = make({ url_file: urlFile, template });
  webhook.tell(event("A|n|1"));
  await answered(
    () => Promise.resolve(webhook.tally.state.last_error?.message),
    (message) => message === `Cannot read ${urlFile}: no such file or directory`,
  );
  expect(webhook.tally.state).toMatchObject({ name: "webhook 2", target: "", waiting: 1 });
  writeFileSync(urlFile, receiver.url());
  chmodSync(urlFile, 0o644);
  webhook.reload();
  await until(webhook, { sent: 1 });
  const name = `webhook 2 (127.0.0.1:${receiver.port})`;
  expect(webhook.tally.state).toMatchObject({
    name,
    target: `http://127.0.0.1:${receiver.port}/…`,
  });
  writeFileSync(template, "two {txt}");
  webhook.reload();
  const problem = `${template} is wrong: there is no placeholder {txt}; there is text; what was read before stays in force`;
  await answered(
    () => Promise.resolve(webhook.tally.state.last_error?.message),
    (message) => message === problem,
  );
  webhook.tell(event("A|n|2"));
  await until(webhook, { sent: 2 });
  writeFileSync(template, "two {text}");
  webhook.reload();
  const bodies = (): string[] => receiver.requests.map(({ body }) => body.toString());
  expect(bodies()).toEqual(["one A|n|1", "one A|n|2"]);
  while (bodies().at(-1) !== "two A|n|3") {
    webhook.tell(event("A|n|3"));
    await Bun.sleep(20);
  }
  expect(warnings).toEqual([
    `webhook 2: Cannot read ${urlFile}: no such file or directory`,
    `${name}: every user of this machine can read ${urlFile}. To prevent this: chmod o= ${urlFile}`,
    `${name}: ${problem}`,
  ]);
});

describe("Webhook at the stop", () => {
  test("sends what waits", async () => {
    await using receiver = await Receiver.start();
    const { webhook } = make({ url: receiver.url() });
    for (let count = 1; count <= 50; count++) webhook.tell(event(`A|n|${count}`));
    await webhook.finish(5000);
    expect(counts(webhook)).toEqual({ sent: 50, dropped: 0, waiting: 0 });
  });

  test("tries once more what has failed, and does not pause between what is refused", async () => {
    await using receiver = await Receiver.start(status(503));
    const { webhook, warnings } = make({ url: receiver.url() });
    for (let count = 1; count <= 3; count++) webhook.tell(event(`A|n|${count}`));
    await answered(
      () => Promise.resolve(warnings.length),
      (count) => count > 0,
    );
    receiver.answer = status(400);
    await webhook.finish(5000);
    expect(texts(receiver)).toEqual(["A|n|1", "A|n|1", "A|n|2", "A|n|3"]);
    expect(counts(webhook)).toEqual({ sent: 0, dropped: 3, waiting: 0 });
  });

  test("gives up on a receiver that fails, and counts what is left", async () => {
    const { webhook, warnings } = make({ url: `http://127.0.0.1:${freePort()}/SECRET` });
    for (let count = 1; count <= 5; count++) webhook.tell(event(`A|n|${count}`));
    await webhook.finish(600_000);
    expect(counts(webhook)).toEqual({ sent: 0, dropped: 5, waiting: 0 });
    expect(warnings.at(-1)).toEndWith(": the hub stops, and 5 messages could not be sent");
    expect(warnings.join()).not.toContain("SECRET");
  });

  test("does not wait for a receiver that hangs", async () => {
    await using receiver = await Receiver.start(hang);
    const { webhook } = make({ url: receiver.url() });
    for (let count = 1; count <= 5; count++) webhook.tell(event(`A|n|${count}`));
    await answered(
      () => Promise.resolve(receiver.requests.length),
      (count) => count === 1,
    );
    await webhook.finish(100);
    expect(counts(webhook)).toEqual({ sent: 0, dropped: 5, waiting: 0 });
    webhook.tell(event("A|n|6"));
    await Bun.sleep(50);
    expect([receiver.requests.length, webhook.tally.waiting]).toEqual([1, 0]);
  });
});
