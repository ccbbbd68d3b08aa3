/**
 * Makes images as fast as links are made, named by the time:
 *
 * ```
 * linker.ts DATA DATE COUNT [PAUSE_MS]
 * ```
 *
 * @module
 */

import { linkSync, writeFileSync } from "node:fs";
import { formatImageFileName } from "../../../src/protocol/names.ts";

/** A file can have 65,000 names. */
const NAMES = 50_000;

const [data = "", date = "", count = "0", pauseMs] = process.argv.slice(2);
const midnight = Date.parse(`${new Date().toISOString().slice(0, 10)}T00:00Z`);
let last = 0;
for (let index = 0; index < Number(count); index++) {
  const now = Math.floor((performance.timeOrigin + performance.now() - midnight) * 1000);
  last = Math.max(now, last + 1);
  const parts = { camera: "Barn", micros: last, hasFraction: true, suffix: ".jpg" } as const;
  const content = `${data}/content-${process.pid}-${Math.floor(index / NAMES)}`;
  if (index % NAMES === 0) writeFileSync(content, "x");
  linkSync(content, `${data}/images/${date}/${formatImageFileName(parts, date)}`);
  if (pauseMs !== undefined) await Bun.sleep(Number(pauseMs));
}
