import { expect, test } from "bun:test";
import { chainOf } from "../../src/replicate/lines.ts";

/** In the results, `4 at 10`: after its first 4 bytes, a segment goes to byte 10. */
const segment = (at: number, size: number) => ({ key: `barn/logs/x/${at}`, at, size, etag: "" });

test.each([
  { what: "nothing", segments: [], pieces: "", size: 0, problems: [] },
  {
    what: "segments that follow each other",
    segments: [segment(0, 10), segment(10, 5)],
    pieces: "0 at 0, 0 at 10",
    size: 15,
    problems: [],
  },
  {
    what: "a gap",
    segments: [segment(4, 10), segment(20, 5)],
    pieces: "0 at 0, 0 at 10",
    size: 15,
    problems: [
      "Lines are missing before barn/logs/x/4 in the bucket: 4 bytes of the log",
      "Lines are missing before barn/logs/x/20 in the bucket: 6 bytes of the log",
    ],
  },
  {
    what: "lines that are there twice",
    segments: [segment(0, 10), segment(3, 4), segment(6, 9)],
    pieces: "0 at 0, 4 at 10",
    size: 15,
    problems: [
      "barn/logs/x/3 in the bucket begins before the one before it ends",
      "barn/logs/x/6 in the bucket begins before the one before it ends",
    ],
  },
])("chainOf joins $what", ({ segments, pieces, size, problems }) => {
  const chain = chainOf(segments);
  const got = chain.pieces.map(({ skip, at }) => `${skip} at ${at}`).join(", ");
  expect([got, chain.size, chain.problems]).toEqual([pieces, size, problems]);
});
