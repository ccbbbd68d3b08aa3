/**
 * The cable between a hub and its store is pulled for 30 s under load (3 in the short form), and
 * plugged in again. Neither end is told.
 */

import { join } from "node:path";
import type { Outcome, Row } from "../row.ts";

export const cable: Row = {
  name: "cable",
  cause: "the cable between a hub and its store is pulled under load, and plugged in again",
  mustHold:
    "every camera is answered meanwhile; every image that was answered OK is then in the bucket, once",
  needs: ["store", "network"],
  run: async ({ program, short }) => {
    const script = join(import.meta.dir, "../store-cable.ts");
    const child = Bun.spawn([process.execPath, script, program, short ? "3" : "30"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    if ((await child.exited) !== 0) throw new Error(`${stdout}${stderr}`);
    return JSON.parse(stdout) as Outcome;
  },
};
