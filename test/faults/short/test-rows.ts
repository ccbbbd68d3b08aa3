/**
 * The short form of rows of the table of faults, as tests; `npm run faults` has the long one.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { PROGRAMS } from "../../../scripts/lib/available.ts";
import { lacksFor, type Row } from "../row.ts";

/** The executable of this machine, as `npm run faults` has it. */
const program = PROGRAMS.find((name) => name === process.arch) ?? "source";

/** Defines a test for each row. */
export function testRows(rows: readonly Row[]): void {
  setDefaultTimeout(120_000);
  describe("the hub keeps its promise", () => {
    for (const row of rows) {
      test.skipIf(lacksFor(row, program))(`${row.name}: ${row.cause}`, async () => {
        const said: string[] = [];
        const { problems } = await row.run({
          program,
          short: true,
          say: (line) => said.push(line),
        });
        expect(problems, said.join("\n")).toEqual([]);
      });
    }
  });
}
