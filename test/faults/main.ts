/**
 * `npm run faults`: does to the hub what can happen to it, and prints one table of what held.
 *
 *     npm run faults -- [--row NAME]… [--program source|x64|arm64] [--short] [--json FILE]
 *
 * Without `--row`, all rows run, each against this machine's executable in `dist`, or the given
 * program. The exit status is 1 if something did not hold. Rows that need root or missing programs
 * say so and are skipped.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { exitOnSignals } from "../../scripts/lib/at-exit.ts";
import { missing, type Row, type Run } from "./row.ts";
import { ROWS } from "./rows.ts";
import { PROGRAMS } from "../../scripts/lib/available.ts";

interface Line {
  readonly row: string;
  readonly cause: string;
  readonly mustHold: string;
  readonly figure: string;
  readonly verdict: string;
  readonly problems: readonly string[];
  readonly seconds: number;
}

const { values } = parseArgs({
  options: {
    row: { type: "string", multiple: true },
    program: { type: "string" },
    short: { type: "boolean", default: false },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(`Usage: npm run faults -- [--row NAME]… [--program ${PROGRAMS.join("|")}] [--short] [--json FILE]

Rows:
${ROWS.map(({ name, cause }) => `  ${name.padEnd(12)} ${cause}`).join("\n")}`);
  process.exit(0);
}
const program = PROGRAMS.find((name) => name === (values.program ?? process.arch));
const rows = values.row === undefined ? ROWS : ROWS.filter((row) => values.row!.includes(row.name));
if (program === undefined || rows.length < (values.row?.length ?? 1)) {
  console.error(
    `--program is one of ${PROGRAMS.join(", ")}; --row is of ${ROWS.map((row) => row.name).join(", ")}`,
  );
  process.exit(64);
}
exitOnSignals();

async function runRow(row: Row, settings: Omit<Run, "say">): Promise<Line> {
  const { name, cause, mustHold } = row;
  const without = missing(row, settings.program);
  const line = { row: name, cause, mustHold };
  if (without.length > 0) {
    return {
      ...line,
      figure: "",
      verdict: `needs ${without.join(", ")}`,
      problems: [],
      seconds: 0,
    };
  }
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 100) / 10;
  try {
    const { figure, problems } = await row.run({
      ...settings,
      say: (text) => console.log(`  ${name}: ${text}`),
    });
    return {
      ...line,
      figure,
      verdict: problems.length === 0 ? "ok" : "FAILED",
      problems,
      seconds: seconds(),
    };
  } catch (error) {
    const problem = Error.isError(error) ? (error.stack ?? error.message) : String(error);
    return { ...line, figure: "", verdict: "FAILED", problems: [problem], seconds: seconds() };
  }
}

const lines: Line[] = [];
for (const row of rows) {
  console.log(`${row.name}: ${row.cause}`);
  const line = await runRow(row, { program, short: values.short });
  lines.push(line);
  console.log(`${row.name}: ${line.verdict} (${line.seconds} s): ${line.figure}`);
  for (const problem of line.problems) console.log(`  ${problem}`);
}

const ran = lines.filter((line) => line.seconds > 0).length;
console.log(`\n| cause | must hold | figure | |\n|---|---|---|---|`);
for (const line of lines)
  console.log(`| ${line.cause} | ${line.mustHold} | ${line.figure} | ${line.verdict} |`);
const failed = lines.filter((line) => line.verdict === "FAILED").length;
console.log(`\n${ran} of ${lines.length} rows run (${program}), ${failed} failed`);
if (values.json !== undefined)
  await Bun.write(values.json, `${JSON.stringify({ program, lines }, null, 2)}\n`);
process.exit(failed > 0 || ran === 0 ? 1 : 0);
