/**
 * The command that sends a first image to this hub, from its own machine.
 *
 * @module
 */

import { isIP } from "node:net";
import { basename } from "node:path";
import type { Settings } from "../config/schema.ts";

/**
 * A command to copy and run, for the program as it was started here. undefined if not everybody may
 * send: it might need keys, or be refused.
 */
export function sendCommand({ allow, bind, curve, port }: Settings): string | undefined {
  if (allow.length > 0 || curve.server_key !== "") return undefined;
  const fromSource = basename(process.execPath).startsWith("bun");
  const program = fromSource ? "npx bun src/main.ts" : process.execPath;
  const image = fromSource ? "test/fixtures/Barn-2021-04-19T23.43.20.867255.jpg" : "photo.jpg";
  const host = localHost(bind) ?? "127.0.0.1";
  return `${program} send ${image} --node Barn --to tcp://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * The address at which a program on this machine reaches a hub that binds to `bind`; undefined if
 * it binds to the name of an interface.
 */
export function localHost(bind: string): string | undefined {
  if (bind === "*" || /^[0.:]+$/.test(bind)) return "127.0.0.1";
  return isIP(bind) === 0 ? undefined : bind;
}
