/**
 * What `imagehub service` does to the machine: files, folders, commands. A rehearsal only prints
 * it.
 *
 * @module
 */

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { EXIT, FatalError } from "../errors.ts";
import type { Account } from "./account.ts";
import { withFolder } from "./folder.ts";

/** The result of a command. */
export interface CommandResult {
  readonly success: boolean;
  /** Standard output and standard error, trimmed at the end. */
  readonly output: string;
}

/** Changes the machine. In a rehearsal, says what it would change. */
export class Machine {
  constructor(readonly isRehearsal: boolean) {}

  /** Prints what is done, or would be done. */
  say(done: string, wouldBe: string): void {
    process.stdout.write(`${this.isRehearsal ? `# Would ${wouldBe}` : done}\n`);
  }

  /**
   * Makes a directory and its missing parents, all for their owner.
   *
   * @param path absolute, without symbolic links
   * @throws {FatalError} if that fails
   */
  makeDirectory(path: string, owner: Account): void {
    const whose = `${owner.name}:${owner.group}`;
    this.say(`Made ${path}, which belongs to ${whose}`, `make the directory ${path}, for ${whose}`);
    if (this.isRehearsal) return;
    attempt(`make ${path}`, () => withFolder(path, () => undefined, owner));
  }

  /** Writes a file whole or not at all; it belongs to root by default. @throws {FatalError} */
  writeFile(path: string, content: string, owner?: Account): void {
    const whose = owner === undefined ? "root" : `${owner.name}:${owner.group}`;
    this.say(`Wrote ${path}`, `write ${path}, for ${whose}:`);
    if (this.isRehearsal) {
      process.stdout.write(content);
      return;
    }
    writeWhole(path, content, owner, 0o644);
  }

  /**
   * Writes a file that only its owner can read, and does not print what is in it. @throws
   * {FatalError}
   */
  writeSecret(path: string, content: string, owner: Account): void {
    const whose = `${owner.name}:${owner.group}`;
    this.say(`Wrote ${path}, for ${owner.name} alone`, `write ${path}, for ${whose} alone`);
    if (!this.isRehearsal) writeWhole(path, content, owner, 0o600);
  }

  /** Gives a file another name. @throws {FatalError} */
  rename(from: string, to: string): void {
    this.say(`Kept ${from} as ${to}`, `keep ${from} as ${to}`);
    if (!this.isRehearsal) attempt(`rename ${from}`, () => renameSync(from, to));
  }

  /** Removes a file. @throws {FatalError} */
  remove(path: string): void {
    this.say(`Removed ${path}`, `remove ${path}`);
    if (!this.isRehearsal) attempt(`remove ${path}`, () => rmSync(path));
  }

  /** Runs a command that changes something. In a rehearsal it succeeds. */
  run(command: readonly string[]): CommandResult {
    if (!this.isRehearsal) return runCommand(command);
    process.stdout.write(`# Would run: ${command.join(" ")}\n`);
    return { success: true, output: "" };
  }
}

/** Runs a command with a clean environment. */
export function runCommand(command: readonly string[]): CommandResult {
  const { PATH = "/usr/sbin:/usr/bin:/sbin:/bin" } = process.env;
  try {
    const { success, stdout, stderr } = Bun.spawnSync([...command], {
      env: { PATH, LC_ALL: "C.UTF-8" },
      stdin: "ignore",
    });
    return { success, output: `${stdout.toString()}${stderr.toString()}`.trimEnd() };
  } catch (error) {
    return { success: false, output: (error as Error).message };
  }
}

function attempt(what: string, action: () => void): void {
  try {
    action();
  } catch (cause) {
    throw new FatalError(EXIT.failure, `Cannot ${what}: ${(cause as Error).message}`, { cause });
  }
}

function writeWhole(path: string, content: string, owner: Account | undefined, mode: number): void {
  attempt(`write ${path}`, () => {
    withFolder(realpathSync(dirname(path)), (folder) => {
      const file = join(folder, basename(path));
      const temporary = `${file}.new`;
      rmSync(temporary, { force: true });
      writeNew(temporary, content, owner, mode);
      renameSync(temporary, file);
    });
  });
}

/**
 * Writes a new file. Mode and owner are set by descriptor: the directory may belong to another
 * user, who could replace the file at any time.
 */
function writeNew(path: string, content: string, owner: Account | undefined, mode: number): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(path, flags, mode);
  try {
    writeFileSync(fd, content);
    fchmodSync(fd, mode);
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
  } finally {
    closeSync(fd);
  }
}
