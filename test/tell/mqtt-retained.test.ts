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
  expect(retained.takeText()).toEqual({ topic: "kept", text: "text" });
});
