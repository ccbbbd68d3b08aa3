/**
 * The entries of the setting `view.hubs`.
 *
 * @module
 */

import * as z from "zod";
import { NAME } from "./replicate.ts";

/** Keys of an entry that are paths. */
export const VIEWED_HUB_PATHS = ["token_file", "ca"] as const;

const path = () => z.string().regex(/^\P{Cc}+$/u);

/** Whether this can be the address of a hub, also below a path of a proxy. */
function isHubUrl(text: string): boolean {
  return /^https?:\/\/[^/@?#\s]+(?:\/[^@?#\s]*)?$/.test(text) && URL.canParse(text);
}

/** A hub that a view follows. */
export const viewedHub = z.strictObject({
  name: z.string().regex(NAME),
  url: z.string().refine(isHubUrl),
  token_file: path().optional(),
  ca: path().optional(),
});
