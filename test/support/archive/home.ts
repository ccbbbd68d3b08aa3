/**
 * A home directory with settings, data and an archive, for the commands.
 *
 * @module
 */

import { join } from "node:path";
import { type CliResult, runCli } from "../hub/cli.ts";
import { Place } from "./days.ts";

/** A place whose settings the commands find. */
export class Home extends Place {
  /** Runs a command with the settings of this place. */
  async cli(...args: readonly string[]): Promise<CliResult> {
    const { archive, format } = this;
    const lines = ["hub:", "  archive:", `    directory: "${archive}"`, `    format: ${format}`];
    this.put(join(this.path, "imagehub.yaml"), `${lines.join("\n")}\n`);
    return await runCli(args, { home: this.path });
  }
}
