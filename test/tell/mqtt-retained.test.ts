import { expect, test } from "bun:test";
import { Retained } from "../../src/tell/mqtt-retained.ts";

test("Retained holds a bounded number of emptied topics, and all that hold something", () => {
  const retained = new Retained();
  retained.set("kept", "text");
  for (let each = 0; each < 20_000; each++) {
    retained.set(`gone/${each}`, "text");
    retained.remove(`gone/${each}`);
  }
  expect(retained.waiting).toBe(5001);
  retained.again();
  expect(retained.waiting).toBe(5001);
  expect(retained.next("text")).toBe("kept");
  expect(retained.take("kept")).toBe("text");
  expect(retained.waiting).toBe(5000);
});

test("Retained has told a topic when the broker has confirmed what it holds by then", () => {
  const retained = new Retained();
  retained.set("topic", "1");
  expect(retained.isTold("topic")).toBe(false);
  expect(retained.take("topic")).toBe("1");
  expect(retained.isTold("topic")).toBe(false);
  retained.set("topic", "2");
  retained.done("topic");
  expect(retained.isTold("topic")).toBe(false);
  expect(retained.take("topic")).toBe("2");
  retained.done("topic");
  expect(retained.isTold("topic")).toBe(true);
  retained.remove("topic");
  expect(retained.take("topic")).toBe("");
  retained.again();
  expect(retained.next("text")).toBe("topic");
  retained.take("topic");
  retained.done("topic");
  retained.again();
  expect(retained.waiting).toBe(0);
});
