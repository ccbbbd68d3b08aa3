/**
 * A data directory with days to archive, and a judge of what the archive has of them. The judge
 * knows nothing of the code under test: it runs sha256sum and GNU tar.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultSettings, type Settings } from "../../../src/config/schema.ts";
import { DataDirectory } from "../../../src/store/data-directory.ts";
import { CHECKOUT } from "../../../scripts/lib/available.ts";
import { tempDir } from "../machine/temp.ts";

/** A real JPEG, 65 kB. */
export const JPEG = readFileSync(
  join(CHECKOUT, "test/fixtures/Driveway-Mailbox-2021-09-23T16.58.47.490303.jpg"),
);

/** The day after those of the tests. */
export const TODAY = "2021-09-25";

/** The name of an image. @param second of the day, up to 59 */
export const nameOf = (date: string, camera: string, second = 0): string =>
  `${camera}-${date}T10.00.${String(second).padStart(2, "0")}.000000.jpg`;

/** A place with a data directory and an archive beside it. */
export class Place implements Disposable {
  readonly #temp = tempDir();
  readonly directory: DataDirectory;
  /** The path of the archive. It has its mark. */
  archive: string;
  format: "tree" | "tar" = "tree";

  /** @param archive where the archive is; default: beside the data directory, marked */
  constructor(archive?: string) {
    this.directory = new DataDirectory(join(this.#temp.path, "imagehub_data"));
    mkdirSync(this.directory.images, { recursive: true });
    mkdirSync(this.directory.logs);
    this.archive = archive ?? join(this.#temp.path, "archive");
    if (archive === undefined) {
      mkdirSync(this.archive);
      this.put(join(this.archive, ".imagehub-archive"), "an archive\n");
    }
  }

  get path(): string {
    return this.#temp.path;
  }

  get settings(): Settings["archive"] {
    return { ...defaultSettings().archive, directory: this.archive, format: this.format };
  }

  /** Puts an image into the data directory. @returns its name */
  image(date: string, camera: string, second = 0, content: Uint8Array | string = JPEG): string {
    const name = nameOf(date, camera, second);
    this.put(join(this.directory.dateFolder(date), name), content);
    return name;
  }

  /** Puts the event log of a day into the data directory. */
  log(date: string): void {
    const path = this.directory.datedLog(Number(date.replaceAll("-", "")));
    this.put(path, `${date} 08:00:00,001 ~ Barn|Temp|7\n`);
  }

  put(path: string, content: Uint8Array | string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  /** What is in the archive, but for its mark. */
  names(): string[] {
    return Array.from(new Bun.Glob("**").scanSync({ cwd: this.archive, dot: true }))
      .filter((name) => name !== ".imagehub-archive")
      .toSorted();
  }

  [Symbol.dispose](): void {
    this.#temp[Symbol.dispose]();
  }
}

/** Runs a command. @throws {Error} with its output if it fails */
export function run(cwd: string, ...command: string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync(command, { cwd, stderr: "pipe" });
  if (success) return stdout.toString();
  throw new Error(`${command.join(" ")}: ${stdout.toString()}${stderr.toString()}`);
}

/**
 * Judges an archive: whatever has a manifest is there byte by byte.
 *
 * @returns the paths of the files that manifests list, in their order
 * @throws {Error} if a file of a manifest is missing or wrong
 */
export function judge(archive: string): string[] {
  const manifests = existsSync(join(archive, "manifests"))
    ? readdirSync(join(archive, "manifests")).filter((name) => !name.startsWith("."))
    : [];
  return manifests.toSorted().flatMap((name) => {
    const date = name.slice(0, "2021-09-23".length);
    using unpacked = tempDir();
    const tars = readdirSync(archive).filter(
      (each) => each.startsWith(date) && each.endsWith(".tar"),
    );
    for (const tar of tars) {
      if (existsSync(join(archive, `${tar}.sha256`)))
        run(archive, "sha256sum", "--check", "--strict", "--quiet", `${tar}.sha256`);
      run(unpacked.path, "tar", "--extract", "--file", join(archive, tar));
    }
    for (const folder of ["images", "logs"])
      if (existsSync(join(archive, folder))) run(archive, "cp", "-r", folder, `${unpacked.path}/`);
    const manifest = join(archive, "manifests", name);
    run(unpacked.path, "sha256sum", "--check", "--strict", "--quiet", manifest);
    return readFileSync(manifest, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(66));
  });
}
