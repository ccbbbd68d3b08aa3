/**
 * A process that archives once: it is given the data directory, the archive, the format and today,
 * and prints what was done. Its largest memory is in bytes.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { archiveDays } from "../../../src/archive/round.ts";
import { DataDirectory } from "../../../src/store/data-directory.ts";

const [data, directory, format, today] = process.argv.slice(2) as [string, string, string, string];
const round = await archiveDays(
  { directory, format: format === "tar" ? "tar" : "tree", after_days: 1, required: true },
  new DataDirectory(data),
  { today },
);
// getrusage(2) counts what the parent had before exec as well.
const status = readFileSync("/proc/self/status", "utf8");
const peakBytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
console.log(JSON.stringify({ ...round, peakBytes }));
