/**
 * The version of this program. The build adds its commit; a run from source has none.
 *
 * @module
 */

import packageJson from "../package.json" with { type: "json" };

/** Set by the build (`define` of scripts/build.ts). */
declare const IMAGEHUB_COMMIT: string | undefined;
declare const IMAGEHUB_COMMITTED_S: number | undefined;

/** The version, e.g. "0.1.0". */
export const VERSION: string = packageJson.version;

/** The commit that the executable was built from, or "source". */
export const COMMIT: string = typeof IMAGEHUB_COMMIT === "string" ? IMAGEHUB_COMMIT : "source";

/** When that commit was made, in seconds since 1970; 0 if unknown. */
export const COMMITTED_S: number =
  typeof IMAGEHUB_COMMITTED_S === "number" ? IMAGEHUB_COMMITTED_S : 0;
