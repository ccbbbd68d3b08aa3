import { describe, expect, test } from "bun:test";
import { Live, type Wish } from "../../src/view/live.ts";

const ALL: Wish = { cameras: undefined, only: undefined, after: undefined };

/** What one who looks is sent at once. */
async function begun(live: Live, wish: Partial<Wish> = {}): Promise<string> {
  const stream = live.stream({ ...ALL, ...wish }, new AbortController().signal);
  await stream.next();
  const { value } = await stream.next();
  await stream.return(undefined);
  return Buffer.from(value).toString();
}

const idsIn = (text: string): string[] =>
  Array.from(text.matchAll(/^id: (.+)$/gm), ([, id]) => id!);

const numberIn = (text: string): number[] =>
  Array.from(text.matchAll(/^data: .*"n":(\d+)/gm), ([, number]) => Number(number));

describe("a stream", () => {
  test("that goes on after the first messages of one before repeats nothing", async () => {
    const live = new Live();
    live.tell("hub", { healthy: true });
    for (let n = 0; n < 5; n++) live.tell("image", { n });
    const text = await begun(live);
    expect(text).toContain("event: start");
    expect(text).toContain("event: hub");
    const again = live.stream({ ...ALL, after: idsIn(text).at(-1) }, new AbortController().signal);
    await again.next();
    live.tell("image", { n: 5 });
    const { value } = await again.next();
    await again.return(undefined);
    expect(numberIn(Buffer.from(value).toString())).toEqual([5]);
  });

  test("has ids that never fall, also where messages were lost", async () => {
    const live = new Live();
    live.tell("hub", { healthy: true });
    const [first] = idsIn(await begun(live));
    for (let n = 0; n < 2500; n++) live.tell("image", { n });
    for (const after of [undefined, first, "0a0b0c0d-7"]) {
      const ids = idsIn(await begun(live, { after })).map((id) => Number(id.split("-")[1]));
      expect(ids).toEqual(ids.toSorted((a, b) => a - b));
      expect(ids.at(-1)).toBe(2501);
    }
  });
});
