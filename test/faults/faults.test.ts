/**
 * The short form of each row of the table of faults; `npm run faults` has the long one.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { PROGRAMS } from "../../scripts/lib/available.ts";
import { lacksFor } from "./row.ts";
import { ROWS } from "./rows.ts";

setDefaultTimeout(120_000);

/** The executable of this machine, as `npm run faults` has it. */
const program = PROGRAMS.find((name) => name === process.arch) ?? "source";

describe("the hub keeps its promise", () => {
  for (const row of ROWS) {
    test.skipIf(lacksFor(row, program))(`${row.name}: ${row.cause}`, async () => {
      const said: string[] = [];
      const { problems } = await row.run({ program, short: true, say: (line) => said.push(line) });
      expect(problems, said.join("\n")).toEqual([]);
    });
  }
});
